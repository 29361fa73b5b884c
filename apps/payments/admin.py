"""Lists that help to find a payment or a customer's credit. Nothing is changed here."""

from collections.abc import Iterable

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.contracts.numbers import number_of
from apps.contracts.values import PaymentMethod, RefundTo
from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    IntentAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    ReadOnlyAdmin,
    SagaLogAdmin,
)
from apps.messaging.admin.filters import KnownFilter
from apps.messaging.display import in_one_line, label, link
from apps.payments.models import (
    Account,
    BarrierNote,
    CardAttempt,
    DeadLetter,
    Finding,
    Intent,
    LedgerEntry,
    OperatorAction,
    OutboxMessage,
    Payment,
    Reconciliation,
    Refund,
    SagaLogListing,
    StripeEvent,
)


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """How much credit a customer has."""

    list_display = ("customer_id", "available_cents", "held_cents", "opened_at")
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


class MethodFilter(KnownFilter):
    title = "method"
    parameter_name = "method"

    def known(self, context_name: str) -> Iterable[str]:
        return PaymentMethod


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """What each order pays."""

    list_display = (
        "authorized_at", "status", "method", "amount_cents", "captured_cents", "refunded_cents",
        "customer_id", "order_id", "saga_id",
    )  # fmt: skip
    list_filter = ("status", MethodFilter)
    search_fields = ("=order_id", "=saga_id", "=customer_id", "=reference")
    search_help_text = "Order number or id, saga id, customer number or name, reference"
    ordering = ("-saga_id",)  # UUIDv7: the newest first


class ToFilter(KnownFilter):
    title = "to"
    parameter_name = "to"

    def known(self, context_name: str) -> Iterable[str]:
        return RefundTo


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Parts of payments that are given back for returned goods."""

    list_display = ("asked_at", "state", "cents", "to", "reference", "order", "asked_by")
    fields = (
        ("state", "cents"),
        ("to", "reference"),
        ("order", "asked_by"),
        ("asked_at", "changed_at"),
    )
    list_filter = ("state", ToFilter)
    list_select_related = ("payment",)
    search_fields = ("=asked_by", "=payment__order_id", "=payment__customer_id", "=reference")
    search_help_text = "Saga id of the return, order id, customer number or name, reference"
    ordering = ("-asked_at", "-asked_by")
    currency = "payment.currency"

    @display(description="order")
    def order(self, refund: Refund) -> SafeString:
        order_id = refund.payment.order_id
        return link("orders_order", order_id, in_one_line(number_of(order_id)))


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


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """What Stripe has told of itself, and what followed."""

    list_display = (
        "received_at", "status", "type", "object_id", "attempt", "reason", "saga_id",
    )  # fmt: skip
    list_filter = ("status",)
    search_fields = ("=id", "=object_id", "=saga_id")
    search_help_text = "Order number or id, saga id, Stripe's id of the event or its object"
    ordering = ("-received_at", "-id")
    fields = (
        ("id", "status"),
        ("type", "object_id"),
        "reason",
        ("attempt", "due_at"),
        ("happened_at", "received_at"),
        ("changed_at", "leased_until"),
        "saga_id",
    )


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """What was told to a person of the money outside, once for each thing."""

    list_display = ("found_at", "kind", "reference", "gone_at", "text", "order_id", "saga_id")
    list_filter = ("kind",)
    search_fields = ("=saga_id", "=order_id", "=reference", "=payment_intent", "=key")
    search_help_text = "Order number or id, saga id, Stripe's id: pi_…, re_…, dp_…"
    ordering = ("-id",)  # UUIDv7: the newest first
    fields = (
        ("kind", "reference"),
        "text",
        ("found_at", "gone_at"),
        ("order_id", "saga_id"),
        ("payment_intent", "key"),
    )


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """The gateway's books and ours, each time that they were compared."""

    list_display = (
        "compared_at", "outcome", "differences", "compared", "not_ours", "complete", "seconds",
    )  # fmt: skip
    search_fields = ("examples",)
    search_help_text = "Words of a difference"
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by = {"compared_at": "id"}
    fields = (
        ("compared_at", "outcome"),
        ("since", "seconds"),
        ("compared", "not_ours"),
        ("differences", "complete"),
        "what_differs",
    )

    def outcome(self, run: Reconciliation) -> SafeString:
        return label("differs", "danger") if run.differences else label("agrees", "success")

    def what_differs(self, run: Reconciliation) -> SafeString | str:
        return format_html_join("", "<p>{}</p>", ([each] for each in run.examples)) or "-"


admin.site.register(Intent, IntentAdmin)
admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
