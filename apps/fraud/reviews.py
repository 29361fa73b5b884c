"""The desk where a person decides: to the step that waits for it, the world outside.

`ask` is OutsideCall.make. It writes what is to be decided, once per call, and takes the decision
when there is one. Where the step is to be undone it closes the review, so that no later decision
counts.
"""

from datetime import timedelta
from uuid import UUID, uuid5

import msgspec

from apps.fraud.models import ReviewStatus
from apps.messaging.database import Database
from apps.messaging.handling import Call, StillWaiting

LONGEST_CALL_SECONDS = 2.0  # two statements of our own database
ASK_AGAIN = timedelta(minutes=10)  # a decision wakes the call at once: this is for none at all

# Put an order onto the desk, unless this call did so before.
OPEN = """
INSERT INTO fraud_review
  (id, saga_id, order_id, customer_id, currency, total_cents, country, reasons, status)
VALUES (%b, %b, %b, %b, %b, %b, %b, %b::text::jsonb, 'open')
ON CONFLICT (id) DO NOTHING
"""

# open -> withdrawn: nobody waits for it.
WITHDRAW = """
UPDATE fraud_review SET status = 'withdrawn', closed_at = now(), version = version + 1
WHERE id = %b AND status = 'open'
"""

# What is decided, and what time it is.
LOOK = "SELECT status, decided_by, now() FROM fraud_review WHERE id = %b"


class CheckedOrder(msgspec.Struct, frozen=True):
    """An order as it is checked, and what speaks against it."""

    order_id: UUID
    customer_id: int
    currency: str
    total_cents: int
    country: str
    reasons: tuple[str, ...] = ()


class Decided(msgspec.Struct, frozen=True):
    """What came of it."""

    clear: bool
    by: str = ""  # empty: nobody decided before it was withdrawn


def review_id(call: Call) -> UUID:
    """The review of a call: one per saga and generation."""
    return uuid5(call.request.saga_id, call.key)


def ask(call: Call) -> Decided:
    """The decision. Raises StillWaiting while there is none."""
    database, id = Database("fraud"), review_id(call)
    database.execute(OPEN, (id, call.request.saga_id, *_columns(call.details)))
    if call.unwanted:
        database.execute(WITHDRAW, [id])
    [(status, decided_by, now)] = database.fetch(LOOK, [id])
    if status == ReviewStatus.OPEN:
        raise StillWaiting("A person looks at the order", now + ASK_AGAIN)
    return Decided(status == ReviewStatus.CLEARED, decided_by)


def _columns(order: CheckedOrder) -> tuple[object, ...]:
    reasons = msgspec.json.encode(order.reasons).decode()
    amount = (order.currency, order.total_cents)
    return (order.order_id, order.customer_id, *amount, order.country, reasons)
