"""What others may read of orders: the API, the admin and ops."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.utils import timezone

from apps.contracts.plan import Plan
from apps.messaging.database import Database
from apps.orders.models import (
    Cancellation,
    CancellationStatus,
    Order,
    OrderEvent,
    OrderLine,
    OrderStatus,
    Return,
    ReturnLine,
    ReturnStatus,
)
from apps.orders.prospects import Prospect, prospect_of
from apps.orders.returnables import Returnable, returnable_of


class Refusal(NamedTuple):
    """Why an order is not confirmed."""

    step: str  # whose answer it was
    code: str  # the refusing event's type
    reason: str  # a sentence for the customer


class OrderFact(NamedTuple):
    """An order as the conservation check and reports read it."""

    id: UUID
    saga_id: UUID
    number: str
    customer_id: int
    status: OrderStatus
    total_cents: int
    lines_cents: int  # the sum of its lines
    lines: int  # how many there are, one per product
    keys: int  # idempotency keys that led to it: exactly one
    started: bool  # whether the saga log knows its `create_order`
    placed_at: datetime
    ended_at: datetime | None
    refused_step: str | None
    refusal_code: str | None
    refusal_reason: str | None


class OrderSummary(NamedTuple):
    """What a saga's page says of its order."""

    id: UUID
    number: str
    status: OrderStatus
    total_cents: int
    currency: str
    customer_id: int
    placed_at: datetime
    ended_at: datetime | None


class CancellationFact(NamedTuple):
    """A wish to cancel that a saga of its own decides, as the conservation check reads it."""

    placed_by: UUID  # the order's saga
    saga_id: UUID
    status: CancellationStatus
    order_status: OrderStatus
    begun_at: datetime  # at the earliest


class ReturnFact(NamedTuple):
    """A return, as the conservation check and the admin read it."""

    id: UUID
    placed_by: UUID  # the order's saga
    saga_id: UUID
    status: ReturnStatus
    refunded_cents: int
    accepted_cents: int  # the sum of what was accepted at the prices that were paid
    requested_at: datetime


class LineUnlikeReturns(NamedTuple):
    """A product of which an order says that other pieces are returned than its returns say."""

    number: str
    product_id: str
    returned: int
    in_returns: int


class WishUnlikeOrder(NamedTuple):
    """A wish to cancel whose order stands otherwise than the wish says."""

    number: str
    status: CancellationStatus
    order_status: OrderStatus


# The wishes that some sagas carry out, or whose orders some sagas have placed.
CANCELLATIONS_OF_SAGAS = """
SELECT o.saga_id, wish.saga_id, wish.status, o.status,
  greatest(wish.requested_at, o.ended_at)
FROM orders_cancellation AS wish JOIN orders_order AS o ON o.id = wish.order_id
WHERE wish.saga_id = ANY(%b::uuid[])
   OR wish.saga_id IS NOT NULL AND o.saga_id = ANY(%b::uuid[])
"""

# The returns that some sagas carry out, or whose orders some sagas have placed.
RETURNS_OF_SAGAS = """
SELECT parcel.id, o.saga_id, parcel.saga_id, parcel.status, parcel.refunded_cents,
  (SELECT coalesce(sum(accepted * unit_price_cents), 0) FROM orders_returnline
   WHERE parcel_id = parcel.id)::bigint, parcel.requested_at
FROM orders_return AS parcel JOIN orders_order AS o ON o.id = parcel.order_id
WHERE parcel.saga_id = ANY(%b::uuid[]) OR o.saga_id = ANY(%b::uuid[])
ORDER BY parcel.id
"""

# Lines that count other pieces as returned than are announced or accepted; none in a sound
# database.
LINES_UNLIKE_RETURNS = """
WITH back AS (
  SELECT parcel.order_id, line.product_id, sum(CASE parcel.status
    WHEN 'announced' THEN line.quantity WHEN 'completed' THEN line.accepted ELSE 0 END) AS pieces
  FROM orders_return AS parcel JOIN orders_returnline AS line ON line.parcel_id = parcel.id
  GROUP BY 1, 2
), bought AS (SELECT order_id, product_id, returned FROM orders_orderline WHERE returned <> 0)
SELECT o.number, product_id, coalesce(bought.returned, 0), coalesce(back.pieces, 0)
FROM bought FULL JOIN back USING (order_id, product_id) JOIN orders_order AS o ON o.id = order_id
WHERE coalesce(bought.returned, 0) <> coalesce(back.pieces, 0)
ORDER BY o.number, product_id
"""

# Wishes that say one thing while their orders say another; none in a sound database.
WISHES_UNLIKE_ORDERS = """
SELECT o.number, wish.status, o.status
FROM orders_cancellation AS wish JOIN orders_order AS o ON o.id = wish.order_id
WHERE o.status <> CASE
  WHEN wish.status IN ('requested', 'accepted', 'waiting') THEN 'placed'
  WHEN wish.status = 'cancelled' THEN 'cancelled' ELSE 'confirmed' END
ORDER BY o.number
"""

# Every order with what the laws of the conservation check compare, oldest first.
FACTS = """
SELECT o.id, o.saga_id, o.number, o.customer_id, o.status, o.total_cents,
  coalesce((SELECT sum(quantity * unit_price_cents) FROM orders_orderline
            WHERE order_id = o.id), 0)::bigint,
  (SELECT count(*) FROM orders_orderline WHERE order_id = o.id),
  (SELECT count(*) FROM orders_idempotencykey WHERE order_id = o.id),
  EXISTS (SELECT FROM orders_sagalog WHERE saga_id = o.saga_id AND step = 'create_order'),
  o.placed_at, o.ended_at, refusal.step, refusal.type, refusal.facts ->> 'reason'
FROM orders_order o
LEFT JOIN LATERAL (
  SELECT step, type, facts FROM orders_orderevent
  WHERE order_id = o.id AND facts ? 'reason' AND o.status <> 'confirmed'
  ORDER BY at DESC, step DESC, type DESC LIMIT 1
) refusal ON true
ORDER BY o.id
"""

# The same of those orders that belong to some sagas.
FACTS_OF_SAGAS = FACTS.replace("ORDER BY o.id", "WHERE o.saga_id = ANY(%b::uuid[]) ORDER BY o.id")

# The same of the next orders behind one, so many at once.
FACTS_BEHIND = FACTS.replace("ORDER BY o.id", "WHERE o.id > %b::uuid ORDER BY o.id LIMIT %b")
PAGE = 1000
CAPTURED = "PaymentCaptured"  # types of events on the timeline
HANDED_OVER = "ShipmentHandedOver"
NUMBERS_BEGIN = "SP-"  # as services.number_of makes them


def orders_of(customer_id: int, *, limit: int, after: UUID | None = None) -> list[Order]:
    """At most `limit` orders of a customer, newest first, those older than `after` only."""
    orders = _with_events(Order.objects.filter(customer_id=customer_id))
    if after:
        orders = orders.filter(id__lt=after)
    return list(orders.order_by("-id")[:limit])


def order_of(customer_id: int, order_id: UUID) -> Order | None:
    """One order with its lines and timeline; None where it is not this customer's."""
    orders = Order.objects.filter(customer_id=customer_id, id=order_id)
    orders = orders.select_related("cancellation")
    lines = Prefetch("lines", queryset=OrderLine.objects.order_by("position"))
    return _with_events(orders).prefetch_related(lines).first()


def read_whole(order: Order) -> Order:
    """The same order with its lines and its timeline, each in order, and the wish to cancel it.
    Three statements."""
    lines = Prefetch("lines", queryset=OrderLine.objects.order_by("position"))
    prefetch_related_objects([order], lines, events_in_order(), "cancellation")
    return order


def cancellation_of(order: Order) -> Cancellation | None:
    """The customer's wish to cancel it; None where there is none."""
    return getattr(order, "cancellation", None)


def prospect_of_order(order: Order) -> Prospect:
    """Whether it can be cancelled now, and how. Reads the order's events, if they are not
    prefetched."""
    wish = cancellation_of(order)
    happened = {each.type for each in order.events.all()}
    status = CancellationStatus(wish.status) if wish else None
    return prospect_of(
        OrderStatus(order.status),
        status,
        is_paid=CAPTURED in happened,
        has_left=HANDED_OVER in happened,
    )


def returns_of(order: Order) -> list[Return]:
    """What was announced as returned of it, the oldest first, with its lines."""
    lines = Prefetch("lines", queryset=ReturnLine.objects.order_by("product_id"))
    return list(Return.objects.filter(order=order).order_by("id").prefetch_related(lines))


def returnable_of_order(order: Order) -> Returnable:
    """What can be returned of it now. Reads its lines and events, if they are not prefetched."""
    handed_over = [each.at for each in order.events.all() if each.type == HANDED_OVER]
    return returnable_of(
        OrderStatus(order.status),
        {each.product_id: each.quantity - each.returned for each in order.lines.all()},
        handed_over_at=min(handed_over, default=None),
        now=timezone.now(),
        within_days=settings.RETURN_WITHIN_DAYS,
    )


def placed_by(saga_id: UUID) -> UUID:
    """The saga that placed the order which a saga takes back, or goods of it; of any other the saga
    itself."""
    found = _of_taker(saga_id, "saga_id")
    return found[0] if found else saga_id


def summary_of_saga(saga_id: UUID) -> OrderSummary | None:
    """The order that a saga places or takes back, or goods of; None where orders knows none. One
    statement, or two."""
    placed = Order.objects.filter(saga_id=saga_id).values_list(*OrderSummary._fields).first()
    found = placed or _of_taker(saga_id, *OrderSummary._fields)
    return OrderSummary(*found) if found else None


def _of_taker(saga_id: UUID, *fields: str) -> tuple[Any, ...] | None:
    """Some fields of the order that this saga takes back, or goods of; by indexes."""
    names = [f"order__{each}" for each in fields]
    whole = Cancellation.objects.filter(saga_id=saga_id).values_list(*names)
    parts = Return.objects.filter(saga_id=saga_id).values_list(*names)
    return next(iter(whole.union(parts)), None)


def sagas_named(term: str) -> list[UUID]:
    """The sagas of the order with this number, in whatever case, or with this id: the one that
    placed it, the one that takes it back, and those of its returns."""
    try:
        named = Order.objects.filter(id=UUID(term))
    except ValueError:
        if not term.upper().startswith(NUMBERS_BEGIN):
            return []
        named = Order.objects.filter(number=term.upper())
    sagas = named.values_list("saga_id", "cancellation__saga_id", "returns__saga_id")
    return list(dict.fromkeys(each for row in sagas for each in row if each))


def refusal_of(order: Order) -> Refusal | None:
    """The latest refusal, while the order is not confirmed. Reads the order's prefetched events."""
    if order.status == OrderStatus.CONFIRMED:
        return None
    refused = [each for each in order.events.all() if "reason" in each.facts]
    return _refusal(refused[-1]) if refused else None


def events_in_order() -> Prefetch:
    """An order's events as `refusal_of` takes them: in the order of time."""
    return Prefetch("events", queryset=OrderEvent.objects.order_by("at", "step", "type"))


def is_wrapped(order: Order) -> bool:
    """Whether the order's plan wraps it: it was wished, and could be had when it was placed."""
    return "wrap_gift" in Plan.from_header(order.plan).steps


def facts_of_sagas(saga_ids: Collection[UUID]) -> list[OrderFact]:
    """The orders of these sagas, in the caller's transaction if there is one."""
    rows = Database("orders").fetch(FACTS_OF_SAGAS, [list(saga_ids)])
    return [*map(OrderFact._make, rows)]


def cancellations_of_sagas(saga_ids: Collection[UUID]) -> list[CancellationFact]:
    """The wishes that these sagas carry out, and those to take back what these sagas placed."""
    rows = Database("orders").fetch(CANCELLATIONS_OF_SAGAS, [[*saga_ids], [*saga_ids]])
    return [*map(CancellationFact._make, rows)]


def returns_of_sagas(saga_ids: Collection[UUID]) -> list[ReturnFact]:
    """The returns that these sagas carry out, and those of orders that these sagas placed."""
    rows = Database("orders").fetch(RETURNS_OF_SAGAS, [[*saga_ids], [*saga_ids]])
    return [*map(ReturnFact._make, rows)]


def return_count() -> int:
    """How many returns there are."""
    return Return.objects.count()


def lines_unlike_returns() -> list[LineUnlikeReturns]:
    """Lines whose count of returned pieces is not what their returns say."""
    return [*map(LineUnlikeReturns._make, Database("orders").fetch(LINES_UNLIKE_RETURNS))]


def wish_count() -> int:
    """How many wishes to cancel there are."""
    return Cancellation.objects.count()


def wishes_unlike_orders() -> list[WishUnlikeOrder]:
    """Open wishes of ended orders, granted ones of orders that are not cancelled, and so on."""
    return [*map(WishUnlikeOrder._make, Database("orders").fetch(WISHES_UNLIKE_ORDERS))]


def all_order_facts() -> Iterator[OrderFact]:
    """Every order, read page by page; of one moment only in one REPEATABLE READ transaction."""
    behind = UUID(int=0)
    while rows := Database("orders").fetch(FACTS_BEHIND, [behind, PAGE]):
        yield from map(OrderFact._make, rows)
        behind = rows[-1][0]


def _with_events(orders: QuerySet[Order]) -> QuerySet[Order]:
    return orders.prefetch_related(events_in_order())


def _refusal(event: OrderEvent) -> Refusal:
    return Refusal(step=event.step, code=event.type, reason=event.facts["reason"])
