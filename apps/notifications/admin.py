"""A list that helps to find what a customer was told. Nothing is changed here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.notifications.models import CustomerMessage


@admin.register(CustomerMessage)
class CustomerMessageAdmin(ModelAdmin):
    list_display = ("sent_at", "kind", "customer_id", "order_id", "subject", "read_at", "saga_id")
    list_filter = ("kind",)
    search_fields = ("=order_id", "=saga_id", "=customer_id")
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
