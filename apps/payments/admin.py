"""Lists that help to find a payment or a customer's credit. Nothing is changed here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.payments.models import Account, LedgerEntry, Payment


class ReadOnlyAdmin(ModelAdmin):
    """Shows, and changes nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("customer_id", "currency", "available_cents", "held_cents", "opened_at")
    list_filter = ("currency",)
    search_fields = ("=customer_id",)
    ordering = ("customer_id", "currency")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "kind",
        "account_id",
        "from_pot",
        "to_pot",
        "amount_cents",
        "saga_id",
        "reason",
    )
    list_filter = ("kind",)
    search_fields = ("=saga_id", "=account__customer_id")
    ordering = ("-id",)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = (
        "order_id",
        "customer_id",
        "status",
        "method",
        "amount_cents",
        "captured_cents",
        "refunded_cents",
        "currency",
        "authorized_at",
        "saga_id",
    )
    list_filter = ("status", "method", "currency")
    search_fields = ("=order_id", "=saga_id", "=customer_id")
    ordering = ("-authorized_at",)
