"""The door for a customer's wish to cancel: it is written down, and whoever decides is asked.

While the order's saga lives that is the engine, which answers CancelAccepted or CancelTooLate;
after a confirmed end it is shipping, asked first by a saga of its own.
"""

from uuid import UUID

from apps.contracts.catalogue import Action
from apps.contracts.orders import CancelRequested
from apps.contracts.plan import Plan
from apps.messaging.database import Database
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.outbox import publish
from apps.messaging.request import Request
from apps.messaging.starting import new_traceparent
from apps.messaging.tracing import tracer
from apps.orders.errors import CannotBeCancelled, IdempotencyKeyReused, NoSuchOrder
from apps.orders.models import Order, OrderStatus
from apps.orders.selectors import cancellation_of, prospect_of_order
from apps.orders.taking_back import Confirmed, begin

CANCEL_ORDER = "cancel_order"  # in no plan of an order: what the wish is told with
BY_THE_CUSTOMER = "The customer cancelled the order"

# Write the wish down, with its row on the order's timeline.
WISH = """
WITH wish AS (
  INSERT INTO orders_cancellation (order_id, status, reason, idempotency_key, request_hash)
  VALUES (%b::uuid, 'requested', %b::text, %b::text, %b::bytea) RETURNING order_id, requested_at
)
INSERT INTO orders_orderevent (order_id, step, type, at, facts)
SELECT order_id, 'cancel_order', 'CancelRequested', requested_at, '{}' FROM wish
"""


def request_cancellation(
    *,
    customer_id: int,
    order_id: UUID,
    reason: str,
    idempotency_key: str,
    request_hash: bytes,
    traceparent: str | None = None,
) -> bool:
    """Take a customer's wish to cancel an order; True where it was taken by an earlier request.

    The same key is the same wish. Raises NoSuchOrder where the customer has no such order,
    IdempotencyKeyReused where `request_hash` differs, CannotBeCancelled with the reason; then
    nothing is changed.
    """
    database = Database("orders")
    with database.transaction():
        order = _locked(customer_id, order_id)
        wish = cancellation_of(order)
        if wish and wish.idempotency_key == idempotency_key:
            if bytes(wish.request_hash) != request_hash:
                raise IdempotencyKeyReused(order_id=order_id)
            return True
        prospect = prospect_of_order(order)
        if not prospect.possible:
            raise CannotBeCancelled(prospect.code, prospect.why_not, order_id=order_id)
        database.execute(WISH, (order_id, reason, idempotency_key, request_hash))
        _ask(database, order, traceparent)
    return False


def _locked(customer_id: int, order_id: UUID) -> Order:
    """An order's end waits for this, and what is read after it is not older."""
    found = Order.objects.select_for_update(no_key=True)
    order = found.filter(customer_id=customer_id, id=order_id).first()
    if order is None:
        raise NoSuchOrder(order_id=order_id)
    return order


def _ask(database: Database, order: Order, traceparent: str | None) -> None:
    """Ask the saga that is under way, or begin one."""
    if order.status == OrderStatus.PLACED:
        tracer().about(order.saga_id)
        publish(database, [_wish(order, traceparent or new_traceparent())])
        return
    facts = (order.customer_id, order.currency, order.total_cents, order.plan)
    begin(database, Confirmed(order.id, order.saga_id, *facts), traceparent)


def _wish(order: Order, traceparent: str) -> Envelope:
    """The wish as the saga hears it: the customer's own words stay here, they may be personal."""
    event = CancelRequested(
        order_id=order.id, customer_id=order.customer_id, total_cents=order.total_cents,
        currency=order.currency, reason=BY_THE_CUSTOMER,
    )  # fmt: skip
    mode = Plan.from_header(order.plan).mode
    request = Request(order.saga_id, CANCEL_ORDER, Action.DO, 1, mode)
    return new_envelope(event, request, plan=order.plan, traceparent=traceparent)
