"""Lists that help to find a gift or a parcel. Nothing is changed, and no address is shown."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.shipping.models import GiftWrap, Shipment


class ReadOnlyAdmin(ModelAdmin):
    """Shows, and changes nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(GiftWrap)
class GiftWrapAdmin(ReadOnlyAdmin):
    list_display = ("order_id", "status", "pieces", "boxes", "wrapped_at", "saga_id")
    list_filter = ("status",)
    search_fields = ("=order_id", "=saga_id")
    ordering = ("-wrapped_at",)


@admin.register(Shipment)
class ShipmentAdmin(ReadOnlyAdmin):
    list_display = (
        "reference",
        "order_id",
        "status",
        "carrier",
        "city",
        "country",
        "pieces",
        "parcels",
        "booked_at",
        "handed_over_at",
        "saga_id",
    )
    list_filter = ("status", "carrier", "country")
    search_fields = ("=reference", "=order_id", "=saga_id")
    ordering = ("-booked_at",)
    # Personal data: who lives where is for the carrier only.
    exclude = ("name", "street", "postal_code")
