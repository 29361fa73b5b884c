"""Lists that help to find a payment or a customer's credit. Nothing is changed here."""

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
from apps.payments.models import (
    Account,
    BarrierNote,
    DeadLetter,
    Intent,
    LedgerEntry,
    OperatorAction,
    OutboxMessage,
    Payment,
    Refund,
    SagaLogListing,
)


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """How much credit a customer has."""

    list_display = ("customer_id", "available_cents", "held_cents", "opened_at")
    list_filter = ("currency",)
    search_fields = ("=customer_id",)
    search_help_text = "Customer number or user name"
    ordering = ("customer_id", "currency")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    """Every transfer between two pots."""

    list_display = (
        "at", "kind", "amount_cents", "from_pot", "to_pot", "account", "saga_id", "reason",
    )  # fmt: skip
    list_filter = ("kind",)
    list_select_related = ("account",)
    search_fields = ("=saga_id", "=account__customer_id")
    search_help_text = "Order number, order id, saga id, customer number or user name"
    ordering = ("-id",)
    sorted_by = {"at": "id"}
    currency = "account.currency"


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """What each order pays."""

    list_display = (
        "authorized_at", "status", "method", "amount_cents", "captured_cents", "refunded_cents",
        "customer_id", "order_id", "saga_id",
    )  # fmt: skip
    list_filter = ("status", "method", "currency")
    search_fields = ("=order_id", "=saga_id", "=customer_id", "=reference")
    search_help_text = "Order number or id, saga id, customer number or name, reference"
    ordering = ("-saga_id",)  # UUIDv7: the newest first


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Parts of payments that are given back for returned goods."""

    list_display = ("asked_at", "state", "cents", "to", "reference", "payment", "asked_by")
    list_filter = ("state", "to")
    list_select_related = ("payment",)
    search_fields = ("=asked_by", "=payment__order_id", "=payment__customer_id", "=reference")
    search_help_text = "Saga id of the return, order id, customer number or name, reference"
    ordering = ("-asked_at", "-asked_by")
    currency = "payment.currency"


admin.site.register(Intent, IntentAdmin)
admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
