"""What Stripe has told us of itself: kept once, then looked into by workers.

Events come twice, late, in any order, and before the answer to the call that caused them. So none
is believed: an event says where to look. A call of ours that waits is made at once, and asks Stripe
itself; of everything else a worker asks Stripe for the object as it is now, and what follows from
that follows once, whichever event it was.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import stripe
import structlog
from django.conf import settings
from django.db import transaction
from uuid_utils.compat import uuid7

from apps.messaging.database import Database
from apps.messaging.dead_letters import describe
from apps.messaging.dispatching import stopping
from apps.messaging.display import money
from apps.messaging.intents import IntentTable
from apps.messaging.retry import pause_before_call
from apps.messaging.waking import wake
from apps.payments import findings
from apps.payments.findings import NewFinding, order_in_words
from apps.payments.gateways import LONGEST_CALL_SECONDS
from apps.payments.metrics import EVENTS
from apps.payments.models import EventStatus, FindingKind
from apps.payments.stripe_api import client

log = structlog.get_logger()

JOB = "stripe_events"  # its name in apps.py
LEASE_SECONDS = 2 * LONGEST_CALL_SECONDS + 5
MOST_ATTEMPTS = 1500  # most of a day: Stripe does not tell again what was accepted
UNDER_WAY = "A call about this payment is under way"
BY_ITSELF = ("expired", "automatic")  # why Stripe cancels a payment of its own accord
NOT_REFUNDED = ("failed", "canceled")  # what a refund is whose money came back

# Keep an event, unless it was told before.
KEEP = """
INSERT INTO payments_stripeevent (id, type, object_id, saga_id, happened_at)
VALUES (%b, %b, %b, %b, %b) ON CONFLICT (id) DO NOTHING
"""

# Claim the event that has been due for longest.
CLAIM = """
WITH chosen AS MATERIALIZED (
  SELECT id FROM payments_stripeevent
  WHERE status = 'received' AND due_at <= now() AND coalesce(leased_until <= now(), true)
  ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE payments_stripeevent AS event
SET lease = %b, leased_until = now() + make_interval(secs => %b), attempt = attempt + 1,
    changed_at = now()
FROM chosen WHERE event.id = chosen.id
RETURNING event.id, event.lease, type, object_id, saga_id, attempt
"""

# received -> handled, ignored or failed, by the worker that has the lease.
SETTLE = """
UPDATE payments_stripeevent
SET status = %b, reason = %b, lease = NULL, leased_until = NULL, changed_at = now()
WHERE id = %b AND lease = %b AND status = 'received'
"""

# Look again later, by the worker that has the lease.
PUT_OFF = """
UPDATE payments_stripeevent
SET due_at = now() + make_interval(secs => %b), reason = %b, lease = NULL, leased_until = NULL,
    changed_at = now()
WHERE id = %b AND lease = %b AND status = 'received'
"""

# The open calls about one payment, locked; and whether a worker has one in hand.
LOCK_CALLS = """
SELECT id, coalesce(leased_until > now(), false) FROM payments_intent
WHERE subject = %b AND status IN ('due', 'claimed', 'unknown', 'waiting') ORDER BY id FOR UPDATE
"""

# Whether a saga has ever asked something of payments.
KNOWN = """
SELECT FROM payments_sagalog WHERE saga_id = %b
UNION ALL SELECT FROM payments_payment WHERE saga_id = %b LIMIT 1
"""

# The payment of ours that the gateway calls so.
PAYMENT = """
SELECT saga_id, order_id, currency, status, amount_cents, refunded_cents
FROM payments_payment WHERE reference = %b
"""


# accepted -> failed: what the gateway has given back for a return came back.
FAIL = """
UPDATE payments_refund SET state = 'failed', changed_at = now()
WHERE reference = %b AND state = 'accepted'
"""


class Claimed(NamedTuple):
    """An event that this worker has to itself until its lease ends."""

    id: str
    lease: UUID
    type: str
    object_id: str
    saga_id: UUID | None
    attempt: int


class Ours(NamedTuple):
    """A payment of ours, as it stands."""

    saga_id: UUID
    order_id: UUID
    currency: str
    status: str
    amount_cents: int
    refunded_cents: int


class NotOurs(Exception):
    """Nothing follows from an event; the message says why."""


class TooEarly(Exception):
    """A worker has a call about the same payment in hand: it would not notice."""


class LeaseLost(Exception):
    """This took longer than the lease: another worker has the event now."""


Conclude = Callable[[], NewFinding | None]  # what a person should know, as our own rows are now


class Seen(NamedTuple):
    """What Stripe says of an object now, and whose it is."""

    saga_id: UUID
    conclude: Conclude = lambda: None
    needs_rest: bool = False  # whether open calls about the payment have to end before


def keep(id: str, type: str, object_id: str, saga_id: UUID | None, happened_at: datetime) -> None:
    """Keep what Stripe tells, once, and wake a worker. It is committed when this returns."""
    database = Database("payments")
    with database.transaction():
        database.execute(KEEP, (id, type, object_id, saga_id, happened_at))
    wake("payments", JOB)


def work() -> None:
    """Look into what is due until nothing is, or the process is to stop."""
    if not settings.STRIPE_API_KEY:
        return  # there is nobody to ask: what was told stays until there is
    while not stopping() and (claimed := _claim()):
        look_into(claimed)


def look_into(claimed: Claimed) -> None:
    """Ask Stripe for the object, and do what follows."""
    facts = {"stripe_event": claimed.id, "event_type": claimed.type, "object_id": claimed.object_id}
    try:
        seen = see(claimed)
        act(claimed, seen)
    except NotOurs as nothing:
        _settle(claimed, EventStatus.IGNORED, str(nothing))
    except TooEarly:
        _put_off(claimed, UNDER_WAY)
    except Exception as error:  # whatever it is: Stripe does not tell it again
        reason = f"{type(error).__name__}: {describe(error)}"
        log.warning("stripe_event_not_handled", **facts, attempt=claimed.attempt, error=reason)
        _try_again(claimed, reason)


def see(claimed: Claimed) -> Seen:
    """What Stripe says now of what an event is about. Raises NotOurs."""
    for start, look in LOOKS.items():
        if claimed.type.startswith(start):
            return look(claimed)
    raise NotOurs("Nothing follows")


def act(claimed: Claimed, seen: Seen) -> None:
    """Do what follows, and note that it is done, in one transaction. Raises TooEarly, LeaseLost."""
    database = Database("payments")
    with database.transaction():
        calls = database.fetch(LOCK_CALLS, [str(seen.saga_id)])
        if any(in_hand for _, in_hand in calls):
            raise TooEarly
        IntentTable(database).hasten(id for id, _ in calls)
        if calls and seen.needs_rest:
            _put_off(claimed, UNDER_WAY)
        else:
            _conclude(claimed, seen.conclude())
    if calls:
        wake("payments")


def _conclude(claimed: Claimed, found: NewFinding | None) -> None:
    if not _settle(claimed, EventStatus.HANDLED, f"Told as {found.key}" if found else ""):
        raise LeaseLost
    if found:
        findings.tell(found)


# --- what is looked at, by the beginning of the event's type


def _look_at_payment(claimed: Claimed) -> Seen:
    """A call that waits for the customer goes on at once; a hold may be gone."""
    saga_id = claimed.saga_id
    if saga_id is None or not Database("payments").fetch(KNOWN, (saga_id, saga_id)):
        raise NotOurs("Not ours: no saga here made this payment")
    if claimed.type != "payment_intent.canceled":
        return Seen(saga_id)
    intent = client().v1.payment_intents.retrieve(claimed.object_id)
    if intent.status != "canceled" or intent.cancellation_reason not in BY_ITSELF:
        return Seen(saga_id)
    return Seen(saga_id, lambda: _lost_hold(intent), needs_rest=True)


def _look_at_refund(claimed: Claimed) -> Seen:
    """Money that was on its way to the customer may have come back."""
    refund = client().v1.refunds.retrieve(claimed.object_id)
    payment = _payment_named(refund.payment_intent)
    if refund.status not in NOT_REFUNDED:
        return Seen(payment.saga_id)
    return Seen(payment.saga_id, lambda: _failed_refund(refund), needs_rest=True)


def _look_at_dispute(claimed: Claimed) -> Seen:
    """The cardholder's bank has taken the money back until the dispute is decided."""
    dispute = client().v1.disputes.retrieve(claimed.object_id)
    payment = _payment_named(dispute.payment_intent)
    return Seen(payment.saga_id, lambda: _dispute(dispute, payment))


LOOKS: Mapping[str, Callable[[Claimed], Seen]] = {
    "payment_intent.": _look_at_payment,
    "refund.": _look_at_refund,
    "charge.refund.": _look_at_refund,
    "charge.dispute.": _look_at_dispute,
}


# --- what a person should know


def _lost_hold(intent: stripe.PaymentIntent) -> NewFinding | None:
    payment = _payment(intent.id)
    if payment is None or payment.status != "authorized":
        return None
    text = (
        f"Stripe let go the {money(payment.amount_cents, payment.currency)} that were held for "
        f"{order_in_words(payment.order_id)} ({intent.id}: {intent.cancellation_reason}). They "
        "cannot be captured any more: the saga has to turn back, or the customer to pay anew."
    )
    key = f"{FindingKind.HOLD_LOST}:{intent.id}"
    return _finding(key, FindingKind.HOLD_LOST, payment, intent.id, intent.id, text)


def _failed_refund(refund: stripe.Refund) -> NewFinding | None:
    """Told only of what we have recorded as given back; of another the reconciliation tells. A
    return's refund says so itself."""
    name = _id(refund.payment_intent)
    payment = _payment(name)
    if payment is None or not payment.refunded_cents:
        return None
    Database("payments").execute(FAIL, [refund.id])
    amount = money(refund.amount, refund.currency.upper())
    why = getattr(refund, "failure_reason", None) or "no reason given"
    text = (
        f"The refund {refund.id} of {amount} for {order_in_words(payment.order_id)} has "
        f"{refund.status} ({why}): the money is ours again, and the customer has been told "
        f"otherwise. Give it back another way; the payment is {name}. The order stays as it is."
    )
    key = f"{FindingKind.REFUND_FAILED}:{refund.id}"
    return _finding(key, FindingKind.REFUND_FAILED, payment, refund.id, name, text)


def _dispute(dispute: stripe.Dispute, payment: Ours) -> NewFinding:
    amount = money(dispute.amount, dispute.currency.upper())
    text = (
        f"The bank of the cardholder disputes {amount} of {order_in_words(payment.order_id)} "
        f"({dispute.reason}; {dispute.status}). Answer with evidence in Stripe's dashboard, or "
        f"accept it there: {dispute.id}. Do not refund it besides."
    )
    key, name = f"{FindingKind.DISPUTE}:{dispute.id}", _id(dispute.payment_intent)
    return _finding(key, FindingKind.DISPUTE, payment, dispute.id, name, text)


def _finding(
    key: str, kind: FindingKind, payment: Ours, reference: str, intent: str, text: str
) -> NewFinding:
    return NewFinding(key, kind, payment.saga_id, payment.order_id, reference, intent, text)


# --- pieces


def _payment(reference: str) -> Ours | None:
    rows = Database("payments").fetch(PAYMENT, [reference])
    return Ours(*rows[0]) if rows else None


def _payment_named(intent: Any) -> Ours:
    """The payment of ours that a refund or dispute is about. Raises NotOurs."""
    payment = _payment(_id(intent)) if intent else None
    if payment is None:
        raise NotOurs("Not ours: no payment here has this PaymentIntent")
    return payment


def _id(named: Any) -> str:
    """Of an object that Stripe may have put in place of its id."""
    return named if isinstance(named, str) else str(named.id)


def _claim() -> Claimed | None:
    rows = Database("payments").fetch(CLAIM, (uuid7(), LEASE_SECONDS))
    return Claimed(*rows[0]) if rows else None


def _try_again(claimed: Claimed, reason: str) -> None:
    if claimed.attempt < MOST_ATTEMPTS:
        _put_off(claimed, reason)
    elif _settle(claimed, EventStatus.FAILED, reason):
        log.error("stripe_event_given_up", stripe_event=claimed.id, event_type=claimed.type)


def _put_off(claimed: Claimed, reason: str) -> None:
    seconds = pause_before_call(claimed.attempt)
    Database("payments").execute(PUT_OFF, (seconds, reason, claimed.id, claimed.lease))


def _settle(claimed: Claimed, status: EventStatus, reason: str) -> bool:
    """Whether this worker still has the event."""
    settled = Database("payments").execute(
        SETTLE, (status.value, reason, claimed.id, claimed.lease)
    )
    if settled:
        transaction.on_commit(EVENTS.labels(status.value).inc, using="payments")
    return bool(settled)
