"""Stock, reservations and movements to look at. Nothing is changed here."""

from django.contrib import admin

from apps.inventory.models import (
    BarrierNote,
    DeadLetter,
    OperatorAction,
    OutboxMessage,
    ReservationListing,
    SagaLogListing,
    Stock,
    StockMovement,
)
from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    KeyedByTwo,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    ReadOnlyAdmin,
    SagaLogAdmin,
)


@admin.register(Stock)
class StockAdmin(ReadOnlyAdmin):
    """How much there is of what."""

    list_display = ("product_id", "name", "on_hand", "reserved", "shipped")
    search_fields = ("=product_id", "name")
    search_help_text = "Product id in full, or part of its name"
    ordering = ("product_id",)


@admin.register(ReservationListing)
class ReservationAdmin(KeyedByTwo):
    """What is set aside for whom."""

    list_display = ("product_id", "quantity", "status", "saga_id", "reserved_at", "settled_at")
    list_filter = ("status",)
    search_fields = ("=saga_id", "=product_id")
    search_help_text = "Order number, order id, saga id or product id"
    ordering = ("-saga_id", "-product_id")  # UUIDv7: the newest first
    exclude = ("id",)  # made of saga and product
    second = "product_id"


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin):
    """What moved, when and why."""

    list_display = (
        "moved_at", "product_id", "kind", "on_hand", "reserved", "shipped", "saga_id", "reason",
    )  # fmt: skip
    list_filter = ("kind",)
    search_fields = ("=product_id", "=saga_id")
    search_help_text = "Product id, order number, order id or saga id"
    ordering = ("-id",)
    sorted_by = {"moved_at": "id"}


admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
