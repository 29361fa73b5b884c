"""Which orders were cleared, and the desk of those that a person decides on."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.fraud.acts import CLEAR, REFUSE
from apps.fraud.models import (
    Assessment,
    BarrierNote,
    DeadLetter,
    Intent,
    OperatorAction,
    OutboxMessage,
    Review,
    SagaLogListing,
)
from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    IntentAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    ReadOnlyAdmin,
    SagaLogAdmin,
)
from apps.messaging.admin.acting import Acting


@admin.register(Assessment)
class AssessmentAdmin(ReadOnlyAdmin):
    """Which orders were cleared, and by whom."""

    list_display = (
        "assessed_at", "status", "total_cents", "country", "customer_id", "decided_by",
        "order_id", "saga_id",
    )  # fmt: skip
    list_filter = ("status",)
    search_fields = ("=order_id", "=saga_id", "=customer_id")
    search_help_text = "Order number or id, saga id, customer number or name"
    ordering = ("-saga_id",)  # UUIDv7: the newest first


@admin.register(Review)
class ReviewAdmin(Acting, ReadOnlyAdmin):
    """Which orders a person decides on."""

    acts = (CLEAR, REFUSE)

    list_display = (
        "asked_at", "status", "total_cents", "country", "customer_id", "decided_by",
        "order_id", "saga_id",
    )  # fmt: skip
    list_filter = ("status",)
    search_fields = ("=order_id", "=saga_id", "=customer_id")
    search_help_text = "Order number or id, saga id, customer number or name"
    ordering = ("-asked_at", "-id")
    fields = (
        ("status", "total_cents"),
        ("customer_id", "country"),
        "why",
        ("order_id", "saga_id"),
        ("asked_at", "closed_at"),
        "decided_by",
    )

    @display(description="what speaks against it")
    def why(self, review: Review) -> SafeString:
        return format_html_join("", "<p>{}</p>", ([each] for each in review.reasons))


admin.site.register(Intent, IntentAdmin)
admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
