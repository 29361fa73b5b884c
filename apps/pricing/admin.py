"""Prices, promotions and promises to look at. Nothing is changed here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.pricing.models import ListPrice, PriceFreeze, Promotion


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


@admin.register(ListPrice)
class ListPriceAdmin(ReadOnlyAdmin):
    """What everything costs."""

    list_display = ["product_id", "name", "unit_price_cents", "currency", "changed_at"]
    search_fields = ["product_id__exact", "name"]
    ordering = ["product_id"]


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    """What else it costs, and when."""

    list_display = ["product_id", "unit_price_cents", "starts_at", "ends_at"]
    search_fields = ["product_id__exact"]
    ordering = ["product_id", "unit_price_cents"]


@admin.register(PriceFreeze)
class PriceFreezeAdmin(ReadOnlyAdmin):
    """What was promised to whom."""

    list_display = ["saga_id", "order_id", "total_cents", "currency", "status", "frozen_at"]
    list_filter = ["status"]
    search_fields = ["saga_id__exact", "order_id__exact"]
    ordering = ["-saga_id"]  # UUIDv7: the newest first
