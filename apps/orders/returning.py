"""The door for goods that come back: the return is announced, and a saga of its own begins.

The order's row is locked meanwhile: of two that announce the same piece one comes too late.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from apps.contracts.orders import ReturnBegun
from apps.contracts.values import Line, PricedLine, RefundTo
from apps.messaging.database import Database
from apps.messaging.starting import start_saga
from apps.orders.errors import CannotBeReturned, IdempotencyKeyReused, NoSuchOrder
from apps.orders.models import Order, Return
from apps.orders.modes import mode_for
from apps.orders.returnables import TOO_MANY
from apps.orders.selectors import returnable_of_order
from apps.processes import RETURN_ORDER

# Write a return down with its lines, count them as returned, and tell it on the order's timeline.
ANNOUNCE = """
WITH announced AS (
  INSERT INTO orders_return
    (id, order_id, status, reason, refund_to, saga_id, plan, idempotency_key, request_hash)
  VALUES (%(id)b::uuid, %(order_id)b::uuid, 'announced', %(reason)b::text, %(refund_to)b::text,
    %(saga_id)b::uuid, %(plan)b::text, %(key)b::text, %(hash)b::bytea)
  RETURNING id, order_id, requested_at
), given AS (
  SELECT * FROM unnest(%(products)b::text[], %(quantities)b::int[], %(prices)b::bigint[])
    AS line (product_id, quantity, unit_price_cents)
), lines AS (
  INSERT INTO orders_returnline (parcel_id, product_id, quantity, unit_price_cents)
  SELECT announced.id, given.* FROM announced, given
), told AS (
  INSERT INTO orders_orderevent (order_id, step, type, at, facts, about)
  SELECT order_id, 'begin_return', 'ReturnBegun', requested_at, '{}', id FROM announced
)
UPDATE orders_orderline AS bought SET returned = bought.returned + given.quantity
FROM given WHERE bought.order_id = %(order_id)b::uuid AND bought.product_id = given.product_id
"""


class Announced(NamedTuple):
    """The return that a request led to."""

    id: UUID
    replayed: bool  # it was announced by an earlier request


def announce_return(
    *,
    customer_id: int,
    order_id: UUID,
    lines: Sequence[Line],
    reason: str,
    refund_to: RefundTo,
    idempotency_key: str,
    request_hash: bytes,
    traceparent: str | None = None,
) -> Announced:
    """Announce that a customer sends goods back, and begin the saga that awaits them.

    The same key is the same return. Raises NoSuchOrder where the customer has no such order,
    IdempotencyKeyReused where `request_hash` differs, CannotBeReturned with the reason; then
    nothing is changed.
    """
    database = Database("orders")
    with database.transaction():
        order = _locked(customer_id, order_id)
        earlier = Return.objects.filter(order=order, idempotency_key=idempotency_key).first()
        if earlier:
            if bytes(earlier.request_hash) != request_hash:
                raise IdempotencyKeyReused(order_id=order_id)
            return Announced(earlier.id, replayed=True)
        priced = _priced(order, lines)
        key = {"key": idempotency_key, "hash": request_hash}
        wish = {"reason": reason, "refund_to": refund_to.value, **key}
        return Announced(_begin(database, order, priced, wish, traceparent), replayed=False)


def _locked(customer_id: int, order_id: UUID) -> Order:
    """A rival waits for this, and what is read after it is not older."""
    found = Order.objects.select_for_update(no_key=True)
    order = found.filter(customer_id=customer_id, id=order_id).first()
    if order is None:
        raise NoSuchOrder(order_id=order_id)
    return order


def _priced(order: Order, lines: Sequence[Line]) -> tuple[PricedLine, ...]:
    """The lines at the prices that were paid. Raises CannotBeReturned."""
    returnable = returnable_of_order(order)
    if not returnable.possible:
        raise CannotBeReturned(returnable.code, returnable.why_not, order_id=order.id)
    if beyond := returnable.too_many(lines):
        raise CannotBeReturned(TOO_MANY, f"{beyond[:1].upper()}{beyond[1:]}.", order_id=order.id)
    prices = {each.product_id: each.unit_price_cents for each in order.lines.all()}
    return tuple(
        PricedLine(
            product_id=each.product_id,
            quantity=each.quantity,
            unit_price_cents=prices[each.product_id],
        )
        for each in lines
    )


def _begin(
    database: Database,
    order: Order,
    lines: Sequence[PricedLine],
    wish: Mapping[str, object],
    traceparent: str | None,
) -> UUID:
    id, saga_id = uuid7(), uuid7()
    plan = RETURN_ORDER.plan(set(), mode_for(RETURN_ORDER.name, saga_id))
    given = {
        "id": id, "order_id": order.id, "saga_id": saga_id, "plan": plan.to_header(),
        "products": [each.product_id for each in lines],
        "quantities": [each.quantity for each in lines],
        "prices": [each.unit_price_cents for each in lines],
    }  # fmt: skip
    database.execute(ANNOUNCE, {**given, **wish})
    event = ReturnBegun(
        return_id=id, order_id=order.id, customer_id=order.customer_id, placed_by=order.saga_id,
        currency=order.currency, lines=tuple(lines),
        total_cents=sum(each.quantity * each.unit_price_cents for each in lines),
        refund_to=RefundTo(str(wish["refund_to"])),
    )  # fmt: skip
    start_saga(
        label="orders", saga_id=saga_id, step=plan.steps[0], event=event, plan=plan,
        traceparent=traceparent,
    )  # fmt: skip
    return id
