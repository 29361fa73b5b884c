"""Lists that help to find a gift or a parcel. Nothing is changed, and no address is shown."""

from django.contrib import admin

from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    IntentAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    ReadOnlyAdmin,
    SagaLogAdmin,
)
from apps.shipping.models import (
    BarrierNote,
    DeadLetter,
    GiftWrap,
    Intent,
    OperatorAction,
    OutboxMessage,
    SagaLogListing,
    Shipment,
    Tracking,
)


@admin.register(GiftWrap)
class GiftWrapAdmin(ReadOnlyAdmin):
    """What was wrapped."""

    list_display = ("wrapped_at", "status", "pieces", "boxes", "order_id", "saga_id")
    list_filter = ("status",)
    search_fields = ("=order_id", "=saga_id")
    search_help_text = "Order number, order id or saga id"
    ordering = ("-saga_id",)  # UUIDv7: the newest first


@admin.register(Shipment)
class ShipmentAdmin(ReadOnlyAdmin):
    """What is booked, and what has left."""

    list_display = (
        "booked_at", "reference", "status", "city", "country", "pieces", "handed_over_at",
        "order_id", "saga_id",
    )  # fmt: skip
    list_filter = ("status",)
    search_fields = ("=reference", "=tracking_number", "=order_id", "=saga_id")
    search_help_text = "Parcel's reference or tracking number, order number or id, saga id"
    ordering = ("-saga_id",)  # UUIDv7: the newest first
    # Personal data: who lives where is for the carrier only.
    exclude = ("name", "street", "postal_code")


@admin.register(Tracking)
class TrackingAdmin(ReadOnlyAdmin):
    """Where carriers outside say that parcels are."""

    list_display = ("changed_at", "reference", "stage", "due_at", "saga_id")
    list_filter = ("stage",)
    search_fields = ("=reference", "=saga_id")
    search_help_text = "Parcel's reference, order number, order id or saga id"
    ordering = ("-saga_id",)  # UUIDv7: the newest first
    exclude = ("plan", "traceparent", "causation_id")


admin.site.register(Intent, IntentAdmin)
admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
