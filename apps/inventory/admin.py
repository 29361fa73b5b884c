"""Stock, reservations and movements to look at. Nothing is changed here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.inventory.models import ReservationListing, Stock, StockMovement


class ReadOnlyAdmin(ModelAdmin):
    """A list to search in. Counting all rows of a big table for its head is left out."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Stock)
class StockAdmin(ReadOnlyAdmin):
    """How much there is of what."""

    list_display = ["product_id", "name", "on_hand", "reserved", "shipped"]
    search_fields = ["product_id__exact", "name"]
    ordering = ["product_id"]


@admin.register(ReservationListing)
class ReservationAdmin(ReadOnlyAdmin):
    """What is set aside for whom."""

    list_display = ["saga_id", "product_id", "quantity", "status", "reserved_at", "settled_at"]
    list_filter = ["status"]
    search_fields = ["saga_id__exact", "order_id__exact", "product_id__exact"]
    ordering = ["-saga_id", "product_id"]  # UUIDv7: the newest first


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin):
    """What moved, when and why."""

    list_display = [
        "id", "product_id", "kind", "on_hand", "reserved", "shipped",
        "saga_id", "reason", "moved_at",
    ]  # fmt: skip
    list_filter = ["kind"]
    search_fields = ["product_id__exact", "saga_id__exact"]
    ordering = ["-id"]
