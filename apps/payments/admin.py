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
    CardAttempt,
    DeadLetter,
    Intent,
    LedgerEntry,
    OperatorAction,
    OutboxMessage,
    Payment,
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


@admin.register(CardAttempt)
class CardAttemptAdmin(ReadOnlyAdmin):
    """Each card that an order was to be paid by, and what its bank said."""

    list_display = (
        "changed_at", "status", "code", "number", "card", "reference", "customer_id", "order_id",
        "saga_id",
    )  # fmt: skip
    list_filter = ("status",)
    search_fields = ("=order_id", "=reference")
    search_help_text = "Order number or id, Stripe's reference"
    ordering = ("-id",)
    exclude = ("client_secret", "action_url")  # secrets of the customer's
    currency = ""


admin.site.register(Intent, IntentAdmin)
admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
