"""How a wish to cancel goes on when its order has ended: it is fulfilled, or a saga of its own
begins.

The caller holds the lock of the order: that decides between a wish and an end that come together.
"""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from apps.contracts.orders import CancellationBegun
from apps.contracts.plan import Plan
from apps.messaging.database import Database
from apps.messaging.starting import start_saga
from apps.orders.modes import mode_for
from apps.processes import CANCEL_ORDER

# requested, accepted, waiting -> cancelled: the orders of these sagas are undone.
FULFIL = """
UPDATE orders_cancellation AS wish SET status = 'cancelled', decided_at = clock_timestamp()
FROM orders_order AS o
WHERE o.id = wish.order_id AND o.saga_id = ANY(%b::uuid[])
  AND wish.status IN ('requested', 'accepted', 'waiting')
"""

# The orders of these sagas that were confirmed though their customers wish to cancel.
CONFIRMED_AGAINST_WISH = """
SELECT o.id, o.saga_id, o.customer_id, o.currency, o.total_cents, o.plan
FROM orders_cancellation AS wish JOIN orders_order AS o ON o.id = wish.order_id
WHERE o.saga_id = ANY(%b::uuid[]) AND wish.status IN ('requested', 'accepted', 'waiting')
ORDER BY o.saga_id FOR UPDATE OF wish
"""

# requested, accepted, waiting -> returning, under the saga that takes the order back, by its plan;
# told on the order's timeline. Returns how many wishes there were.
BEGIN = """
WITH begun AS (
  UPDATE orders_cancellation SET status = 'returning', saga_id = %b, plan = %b,
    start_told_at = clock_timestamp()
  WHERE order_id = %b AND status IN ('requested', 'accepted', 'waiting')
  RETURNING order_id
), told AS (
  INSERT INTO orders_orderevent (order_id, step, type, at, facts)
  SELECT order_id, 'begin_cancellation', 'CancellationBegun', clock_timestamp(), '{}' FROM begun
)
SELECT count(*) FROM begun
"""


class Confirmed(NamedTuple):
    """What a saga that takes an order back has to know of it."""

    id: UUID
    saga_id: UUID
    customer_id: int
    currency: str
    total_cents: int
    plan: str


def follow_cancelled(database: Database, saga_ids: Collection[UUID]) -> None:
    """The orders of these sagas were undone just now: whoever wished so has it."""
    if saga_ids:
        database.send(FULFIL, [[*saga_ids]])


def follow_confirmed(database: Database, saga_ids: Collection[UUID]) -> None:
    """The orders of these sagas were confirmed just now: take back those that nobody wants."""
    if saga_ids:
        for row in database.fetch(CONFIRMED_AGAINST_WISH, [[*saga_ids]]):
            begin(database, Confirmed(*row))


def begin(database: Database, order: Confirmed, traceparent: str | None = None) -> None:
    """Start the saga that takes a confirmed order back, for the open wish that it has."""
    saga_id = uuid7()
    plan = plan_for(order, saga_id)
    [(wishes,)] = database.fetch(BEGIN, (saga_id, plan.to_header(), order.id))
    assert wishes == 1, "the caller has seen the wish, under lock"
    event = CancellationBegun(
        order_id=order.id, customer_id=order.customer_id, placed_by=order.saga_id,
        currency=order.currency, total_cents=order.total_cents,
    )  # fmt: skip
    start_saga(
        label="orders", saga_id=saga_id, step=plan.steps[0], event=event, plan=plan,
        traceparent=traceparent,
    )  # fmt: skip


def plan_for(order: Confirmed, saga_id: UUID) -> Plan:
    """What is taken back: a gift only if one was wrapped. It is driven as the mode of this process
    says, however the order was placed."""
    wrapped = "wrap_gift" in Plan.from_header(order.plan).steps
    mode = mode_for(CANCEL_ORDER.name, saga_id)
    return CANCEL_ORDER.plan({"gift_wrap"} if wrapped else set(), mode)
