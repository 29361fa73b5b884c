"""Prices, promotions and promises to look at. Nothing is changed here."""

from django.contrib import admin

from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    ReadOnlyAdmin,
    SagaLogAdmin,
)
from apps.pricing.models import (
    BarrierNote,
    DeadLetter,
    ListPrice,
    OperatorAction,
    OutboxMessage,
    PriceFreeze,
    Promotion,
    SagaLogListing,
)


@admin.register(ListPrice)
class ListPriceAdmin(ReadOnlyAdmin):
    """What everything costs."""

    list_display = ("product_id", "name", "unit_price_cents", "changed_at")
    search_fields = ("=product_id", "name")
    search_help_text = "Product id in full, or part of its name"
    ordering = ("product_id",)


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    """What else it costs, and when; in the currency of the list price."""

    list_display = ("product_id", "unit_price_cents", "starts_at", "ends_at")
    search_fields = ("=product_id",)
    search_help_text = "Product id, in full"
    ordering = ("product_id", "id")
    currency = ""


@admin.register(PriceFreeze)
class PriceFreezeAdmin(ReadOnlyAdmin):
    """What was promised to whom."""

    list_display = ("frozen_at", "total_cents", "status", "order_id", "saga_id", "unfrozen_at")
    list_filter = ("status",)
    search_fields = ("=saga_id",)
    search_help_text = "Order number, order id or saga id"
    ordering = ("-saga_id",)  # UUIDv7: the newest first


admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
