"""What others may read of payments. Ask inside one transaction to see one moment."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from typing import Any
from uuid import UUID

from django.db.models import Aggregate, Count, F, Q, QuerySet, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from apps.contracts.payments import DeclineCode, PaymentDeclined
from apps.contracts.values import PaymentMethod, RefundTo
from apps.messaging.models import IntentStatus
from apps.payments.declines import FINAL, patience_ends
from apps.payments.models import (
    GIVEN_BACK,
    OF_A_SAGA,
    Account,
    CardAttempt,
    CardStatus,
    Intent,
    LedgerEntry,
    Payment,
    PaymentStatus,
    Pot,
    Refund,
    RefundState,
)

CARD = PaymentMethod.CARD.value


@dataclass(frozen=True, slots=True)
class AccountDrift:
    """An account whose balances are not the sum of its entries. All in cents."""

    customer_id: int
    currency: str
    available_cents: int
    held_cents: int
    ledger_available_cents: int
    ledger_held_cents: int


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """One payment, in cents."""

    saga_id: UUID
    order_id: UUID
    status: str
    amount_cents: int
    captured_cents: int
    refunded_cents: int
    held_cents: int  # the whole amount while authorized, else 0
    returned_cents: int  # of what is refunded: for goods that came back


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """What is given back for one return."""

    asked_by: UUID  # the return's saga
    paid_by: UUID  # the saga that placed the order
    cents: int
    to: str
    state: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentSummary:
    """What a saga's page says of its payment, in cents."""

    method: str
    currency: str
    status: str
    amount_cents: int
    captured_cents: int
    refunded_cents: int
    authorized_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class CustomersPayment:
    """An order's payment as its customer may know it."""

    state: str  # a PaymentStatus once something is held; before, one of the states below
    amount_cents: int | None = None  # None: nothing is held yet
    captured_cents: int = 0
    refunded_cents: int = 0
    reason: str = ""  # why a card was declined, in words
    until: datetime | None = None  # when what is waited for is waited for no more
    client_secret: str = ""  # for Stripe.js, while the bank asks the customer
    action_url: str = ""  # the bank's page, if it has one


PENDING = "pending"  # a card is being tried
CARD_NEEDED = "card_needed"  # it was declined, and another one can be given
CUSTOMER_NEEDED = "customer_needed"  # the bank asks its customer
DECLINED = "declined"  # for good
CANCELLED = "cancelled"  # nobody wants it any more


@dataclass(frozen=True, slots=True)
class PaymentEffects:
    """How often each thing was done with one saga's money."""

    saga_id: UUID
    held: int
    settled: int
    given_back: int


@dataclass(frozen=True, slots=True)
class OpenHold:
    """Money that is set aside for an order, neither taken nor given back."""

    saga_id: UUID
    order_id: UUID
    amount_cents: int
    since: datetime


def account_count() -> int:
    """How many accounts there are."""
    return Account.objects.count()


def payment_count() -> int:
    """How many payments there are."""
    return Payment.objects.count()


def captured_sagas(saga_ids: Collection[UUID]) -> set[UUID]:
    """Those of these sagas whose payment was captured."""
    captured = Payment.objects.filter(saga_id__in=saga_ids, captured_cents__gt=0)
    return set(captured.values_list("saga_id", flat=True))


def account_drifts() -> list[AccountDrift]:
    """Accounts whose stored balances differ from the ledger; none in a sound database."""
    drifted = Account.objects.annotate(
        ledger_available=_balance("ledgerentry__", Pot.AVAILABLE),
        ledger_held=_balance("ledgerentry__", Pot.HELD),
    ).exclude(available_cents=F("ledger_available"), held_cents=F("ledger_held"))
    return [
        AccountDrift(*row)
        for row in drifted.order_by("id").values_list(
            "customer_id",
            "currency",
            "available_cents",
            "held_cents",
            "ledger_available",
            "ledger_held",
        )
    ]


def pot_balances() -> dict[tuple[str, str], int]:
    """Cents by (currency, pot), from the ledger alone; each currency's pots sum to zero."""
    balances = {f"in_{pot.value}": _balance("", pot) for pot in Pot}
    by_currency = LedgerEntry.objects.values("account__currency").annotate(**balances)
    return {
        (currency, pot.value): cents
        for currency, *row in by_currency.values_list("account__currency", *balances)
        for pot, cents in zip(Pot, row, strict=True)
    }


def summary_of_saga(saga_id: UUID) -> PaymentSummary | None:
    """The payment of a saga; None where nothing was ever held for it."""
    found = Payment.objects.filter(saga_id=saga_id).values_list(*PaymentSummary.__slots__).first()
    return PaymentSummary(*found) if found else None


def refunds_for(paid_by: Collection[UUID]) -> list[RefundFacts]:
    """What was given back of the payments of these sagas for returns, the oldest first."""
    return _refunds(Q(payment_id__in=paid_by))


def refunds_by(sagas: Collection[UUID]) -> list[RefundFacts]:
    """What these returns have had given back, the oldest first."""
    return _refunds(Q(asked_by__in=sagas))


def _refunds(which: Q) -> list[RefundFacts]:
    rows = Refund.objects.filter(which).order_by("asked_at", "asked_by")
    columns = ("asked_by", "payment_id", "cents", "to", "state", "asked_at")
    return [RefundFacts(*row) for row in rows.values_list(*columns)]


def payment_of_customer(customer_id: int, order_id: UUID) -> CustomersPayment | None:
    """The payment of an order. None where the customer has no such order, or nothing is known of
    its payment yet."""
    mine = {"customer_id": customer_id, "order_id": order_id}
    payment = Payment.objects.filter(**mine).order_by("-authorized_at").first()
    if payment:
        amounts = (payment.amount_cents, payment.captured_cents, payment.refunded_cents)
        return CustomersPayment(payment.status, *amounts)
    attempt = CardAttempt.objects.filter(**mine).order_by("-id").first()
    return _of_attempt(attempt) if attempt else None


def _of_attempt(attempt: CardAttempt) -> CustomersPayment:
    """What its last card says, together with the call that tries it."""
    call = Intent.objects.filter(key=attempt.call).values_list("status", "undo").first()
    status, undo = call or ("", "")
    until = patience_ends(attempt.changed_at, attempt.saga_id)
    if attempt.status == CardStatus.CLOSED or undo:
        return CustomersPayment(CANCELLED)
    if attempt.status == CardStatus.ACTION:
        told = (attempt.client_secret, attempt.action_url)
        return CustomersPayment(CUSTOMER_NEEDED, None, 0, 0, "", until, *told)
    if attempt.status != CardStatus.DECLINED or status == IntentStatus.CLAIMED:
        return CustomersPayment(PENDING)
    reason = PaymentDeclined(
        code=DeclineCode.CARD_DECLINED, wanted_cents=0, decline_code=attempt.code
    ).reason
    if status == IntentStatus.WAITING and attempt.code not in FINAL:
        return CustomersPayment(CARD_NEEDED, reason=reason, until=until)
    ended = status in {IntentStatus.SETTLED, IntentStatus.WITHDRAWN, ""}
    return CustomersPayment(DECLINED if ended else PENDING, reason=reason)


def payment_facts() -> Iterator[PaymentFacts]:
    """All payments, by saga."""
    rows = Payment.objects.order_by("saga_id").annotate(returned=_of_refunds(*GIVEN_BACK))
    columns = ("saga_id", "order_id", "status", "amount_cents", "captured_cents", "refunded_cents")
    for row in rows.values(*columns, "returned").iterator():
        returned_cents, amount_cents = row.pop("returned"), row["amount_cents"]
        held_cents = amount_cents if row["status"] == PaymentStatus.AUTHORIZED else 0
        yield PaymentFacts(**row, held_cents=held_cents, returned_cents=returned_cents)


def payments_unlike_ledger() -> list[UUID]:
    """Sagas whose payment or refund, and ledger entries, disagree; none in a sound database."""
    written = {
        row["saga_id"]: tuple(row[each.value] for each in OF_A_SAGA)
        for row in _entries_by_saga(Sum, "amount_cents")
    }
    by_card = set(Payment.objects.filter(method=CARD).values_list("saga_id", flat=True))
    due = {
        payment.saga_id: _due_entries(payment)
        for payment in payment_facts()
        if payment.saga_id not in by_card  # these are in the gateway's ledger
    }
    for refund in _refunds(Q(state__in=GIVEN_BACK)):
        if refund.paid_by not in by_card:
            due[refund.asked_by] = (0, 0, refund.cents, 0)
        elif refund.to == RefundTo.CREDIT:
            due[refund.asked_by] = (0, 0, 0, refund.cents)
    return sorted(
        saga_id
        for saga_id in due.keys() | written.keys()
        if due.get(saga_id) != written.get(saga_id)
    )


def payments_unlike_refunds() -> list[UUID]:
    """Sagas whose payment says otherwise than the refunds of its parts; none in a sound database.
    What is captured still was given back for returns alone."""
    unlike = ~Q(refunding_cents=F("pending")) | Q(refunded_cents__lt=F("returned"))
    kept = Q(status=PaymentStatus.CAPTURED) & ~Q(refunded_cents=F("returned"))
    rows = Payment.objects.annotate(
        returned=_of_refunds(*GIVEN_BACK), pending=_of_refunds(RefundState.PENDING)
    )
    return list(rows.filter(unlike | kept).order_by("saga_id").values_list("saga_id", flat=True))


def effects() -> Iterator[PaymentEffects]:
    """How often the money of each saga that places an order was held, settled and given back, by
    saga. What returns have given back is in refunds_by."""
    returns = Refund.objects.values("asked_by")
    rows = _entries_by_saga(Count, "id").exclude(saga_id__in=returns)
    columns = PaymentEffects.__slots__
    entries = (PaymentEffects(*row) for row in rows.values_list(*columns).iterator())
    yield from merge(entries, _card_effects(), key=lambda row: row.saga_id)


def open_holds() -> list[OpenHold]:
    """What is held, oldest first."""
    rows = Payment.objects.filter(status=PaymentStatus.AUTHORIZED).order_by("authorized_at")
    return [
        OpenHold(*row)
        for row in rows.values_list("saga_id", "order_id", "amount_cents", "authorized_at")
    ]


def _card_effects() -> Iterator[PaymentEffects]:
    """What the gateway has told of card payments, by saga; they have no ledger entries."""
    found = Payment.objects.filter(method=CARD).order_by("saga_id")
    rows = found.annotate(returned=_of_refunds(*GIVEN_BACK))
    columns = ("saga_id", "status", "captured_cents", "returned")
    for saga_id, status, captured, returned in rows.values_list(*columns).iterator():
        by_returns = captured > 0 and returned == captured
        given_back = int(status == PaymentStatus.REFUNDED and not by_returns)
        yield PaymentEffects(saga_id, 1, int(captured > 0), given_back)


def _of_refunds(*states: RefundState) -> Combinable:
    """Cents of a payment's refunds in these states."""
    return Coalesce(Sum("refunds__cents", filter=Q(refunds__state__in=states)), 0)


def _balance(prefix: str, pot: Pot) -> Combinable:
    """What came into a pot less what went out of it; `prefix` leads to the entries."""

    def total(side: str) -> Coalesce:
        amounts = Sum(f"{prefix}amount_cents", filter=Q(**{f"{prefix}{side}": pot}))
        return Coalesce(amounts, 0)

    return total("to_pot") - total("from_pot")


def _entries_by_saga(measure: type[Aggregate], field: str) -> QuerySet[LedgerEntry, Any]:
    measures = {kind.value: Coalesce(measure(field, filter=Q(kind=kind)), 0) for kind in OF_A_SAGA}
    entries = LedgerEntry.objects.filter(saga_id__isnull=False).values("saga_id")
    return entries.annotate(**measures).order_by("saga_id")


def _due_entries(payment: PaymentFacts) -> tuple[int, int, int, int]:
    """What the ledger must say of a payment: held, settled and given back, in cents. What was given
    back for returns is said under their sagas."""
    released = payment.status == PaymentStatus.REFUNDED and not payment.captured_cents
    given_back = payment.amount_cents if released else payment.refunded_cents
    own = given_back - payment.returned_cents
    return payment.amount_cents, payment.captured_cents, own, 0
