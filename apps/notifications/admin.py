"""A list that helps to find what a customer was told. Nothing is changed here."""

from django.contrib import admin

from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    ReadOnlyAdmin,
    SagaLogAdmin,
)
from apps.notifications.models import (
    BarrierNote,
    CustomerMessage,
    DeadLetter,
    OperatorAction,
    OutboxMessage,
    SagaLogListing,
)


@admin.register(CustomerMessage)
class CustomerMessageAdmin(ReadOnlyAdmin):
    """What was sent to whom."""

    list_display = (
        "sent_at", "subject", "kind", "customer_id", "read_at", "order_id", "saga_id",
    )  # fmt: skip
    list_filter = ("kind",)
    search_fields = ("=saga_id", "=customer_id")
    search_help_text = "Order number or id, saga id, customer number or user name"
    ordering = ("-id",)
    sorted_by = {"sent_at": "id"}


admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
