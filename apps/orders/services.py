"""What starts from a door: placing an order, telling its start again, reading its address."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import waffle
from uuid_utils.compat import uuid7

from apps.contracts.numbers import number_of
from apps.contracts.orders import OrderCreated
from apps.contracts.plan import Plan
from apps.contracts.values import Address, PaymentMethod, PricedLine
from apps.messaging.audit import Actor, write_down
from apps.messaging.database import Database, Row
from apps.messaging.models import SubjectKind
from apps.messaging.outbox import publish
from apps.messaging.starting import start_saga
from apps.orders.errors import IdempotencyKeyReused, NoStartToTell, NoSuchOrder, TooManyOrders
from apps.orders.modes import mode_for
from apps.orders.starts import GOODS_BACK, RETURNS, STARTS, start_of
from apps.processes import newest

PROCESS = "place_order"
GIFT_WRAP = "gift_wrap"  # the wish and the switch have one name

# Write the order with its key, lines and first row of its timeline, unless the customer has used
# the key before; returns how many orders were written. It waits for a rival that holds the key.
PLACE = """
WITH claimed AS (
  INSERT INTO orders_idempotencykey
    (customer_id, key, request_hash, order_id, answer_status, answer_body)
  VALUES (%b::bigint, %b::text, %b::bytea, %b::uuid, %b::smallint, %b::text)
  ON CONFLICT (customer_id, key) DO NOTHING
  RETURNING customer_id, order_id
), placed AS (
  INSERT INTO orders_order
    (id, customer_id, status, saga_id, number, currency, total_cents, payment_method, gift_wrap,
     plan, address_name, address_street, address_postal_code, address_city, address_country)
  SELECT order_id, customer_id, 'placed', %b::uuid, %b::text, %b::text, %b::bigint, %b::text,
    %b::boolean, %b::text, %b::text, %b::text, %b::text, %b::text, %b::text
  FROM claimed RETURNING id, placed_at
), told AS (
  INSERT INTO orders_orderevent (order_id, step, type, at, facts)
  SELECT id, 'create_order', 'OrderCreated', placed_at, '{}' FROM placed
), lines AS (
  INSERT INTO orders_orderline (order_id, position, product_id, quantity, unit_price_cents)
  SELECT order_id, line.position, line.product_id, line.quantity, line.unit_price_cents
  FROM claimed, unnest(%b::int[], %b::text[], %b::int[], %b::bigint[])
    AS line (position, product_id, quantity, unit_price_cents)
)
SELECT count(*) FROM placed
"""

# Seconds until the customer's order that lies so many before the newest is a minute old.
PACE = """
SELECT 60 - extract(epoch FROM clock_timestamp() - placed_at)::float8 FROM orders_order
WHERE customer_id = %b ORDER BY id DESC OFFSET %b LIMIT 1
"""

# A placed order with its start as it was told, locked.
LOCK_START = f"{STARTS} WHERE placed.id = %b AND placed.status = 'placed' FOR UPDATE OF placed"

# The same of a confirmed one that is being taken back.
LOCK_RETURN = f"{RETURNS} WHERE wish.order_id = %b AND wish.status = 'returning' FOR UPDATE OF wish"

# The same of a return whose goods nobody awaits; of several the oldest.
LOCK_GOODS = f"""
{GOODS_BACK} WHERE parcel.order_id = %b AND parcel.status = 'announced'
AND parcel.awaited_until IS NULL ORDER BY parcel.id LIMIT 1 FOR UPDATE OF parcel
"""

# Its start is told again, as if for the first time: the watchdog looks after it as before.
TELL_ANEW = "UPDATE orders_order SET start_told = 1, start_told_at = now() WHERE saga_id = %b"
TELL_RETURN_ANEW = """
UPDATE orders_cancellation SET start_told = 1, start_told_at = now() WHERE saga_id = %b
"""
TELL_GOODS_ANEW = (
    "UPDATE orders_return SET start_told = 1, start_told_at = now() WHERE saga_id = %b"
)

# What may have to be told, and what then remembers it.
TELLINGS = {LOCK_START: TELL_ANEW, LOCK_RETURN: TELL_RETURN_ANEW, LOCK_GOODS: TELL_GOODS_ANEW}

# What was answered under a key before.
EARLIER = """
SELECT customer_id, key, request_hash, order_id, answer_status, answer_body
FROM orders_idempotencykey
WHERE customer_id = %b AND key = %b
"""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What the caller is told of an order that is being placed."""

    id: UUID
    number: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it is stored with its key: an HTTP status and a JSON body."""

    status: int
    body: str


class Claim(NamedTuple):
    """The row of an idempotency key: who claims it for which order, and what is answered."""

    customer_id: int
    key: str
    request_hash: bytes
    order_id: UUID
    answer_status: int
    answer_body: str

    @property
    def answer(self) -> Answer:
        return Answer(self.answer_status, self.answer_body)


@dataclass(frozen=True, slots=True)
class Placement:
    """The order that a request led to, with the answer to it."""

    order_id: UUID
    answer: Answer
    replayed: bool  # the order had been placed by an earlier request


def place_order(
    *,
    customer_id: int,
    lines: Sequence[PricedLine],
    currency: str,
    payment_method: PaymentMethod,
    gift_wrap: bool,
    address: Address,
    idempotency_key: str,
    request_hash: bytes,
    answer: Callable[[NewOrder], Answer],
    card: str = "",
    traceparent: str | None = None,
    most_per_minute: int = 0,
) -> Placement:
    """Accept an order and start its saga, once per customer and key.

    `card` is what the gateway calls the customer's card, where it is paid by one. `answer` says
    what the caller is told; it is stored with the key in the order's transaction and given again to
    the same request. `most_per_minute` orders of a customer are accepted in one; 0: any number. (Of
    requests at the same moment a few more may be.) Raises IdempotencyKeyReused where `request_hash`
    differs, and TooManyOrders.
    """
    created = OrderCreated(
        order_id=uuid7(),
        customer_id=customer_id,
        currency=currency,
        lines=tuple(lines),
        total_cents=sum(line.quantity * line.unit_price_cents for line in lines),
        payment_method=payment_method,
        gift_wrap=gift_wrap,
        address=address,
        card=card,
    )
    given = answer(NewOrder(created.order_id, number_of(created.order_id)))
    key = (customer_id, idempotency_key, request_hash)
    claim = Claim(*key, created.order_id, given.status, given.body)
    saga_id = uuid7()
    plan = plan_for(saga_id, {GIFT_WRAP: gift_wrap})
    return _place_once(claim, created, saga_id, plan, traceparent, most_per_minute)


def tell_start_again(*, order_id: UUID, actor: Actor, reason: str) -> None:
    """Publish the start of the saga that places an order, takes it back, or awaits its goods, once
    more, for an engine that never heard of it. One that did takes it for the duplicate that it is.

    Written down in the same transaction. Raises NoStartToTell where no such order is under way, and
    ReasonMissing.
    """
    database = Database("orders")
    with database.transaction():
        row, anew = _missing_start(database, order_id)
        id, saga_id, plan, told, step, *answer = row
        database.execute(anew, [saga_id])
        publish(database, [start_of((id, saga_id, plan, 1, step, *answer))])
        write_down(
            database, actor=actor, operation="tell_start", subject_kind=SubjectKind.ORDER,
            subject_id=order_id, saga_id=saga_id, step=step, version=told, reason=reason,
            parameters={}, outcome="The start was told again",
        )  # fmt: skip


def _missing_start(database: Database, order_id: UUID) -> tuple[Row, str]:
    """The start that may have got lost, locked. Raises NoStartToTell."""
    for lock, anew in TELLINGS.items():
        for row in database.fetch(lock, [order_id]):
            return row, anew
    raise NoStartToTell(order=order_id)


def plan_for(saga_id: UUID, wished: Mapping[str, bool]) -> Plan:
    """The plan of a new order: of the newest version, with the optional steps whose switch, of the
    wish's name, is on; driven as the mode of this saga says.

    `wished` says of each thing that a customer may wish whether this one does. An optional step
    that is no customer's wish hangs on its switch alone, and needs no line here. Reads switches and
    mode, so it is called before the order's transaction opens.
    """
    definition = newest(PROCESS)
    possible = {each for each in definition.wishes if wished.get(each, True)}
    wishes = {each for each in possible if waffle.switch_is_active(each)}
    return definition.plan(wishes, mode_for(PROCESS, saga_id))


def _place_once(
    claim: Claim,
    created: OrderCreated,
    saga_id: UUID,
    plan: Plan,
    traceparent: str | None,
    most_per_minute: int,
) -> Placement:
    """Write the order and start its saga, in one transaction; or what the key led to before."""
    database = Database("orders")
    order = (saga_id, number_of(created.order_id), *_order_columns(created, plan))
    with database.pipelined_transaction():
        [(placed,)] = database.fetch(PLACE, (*claim, *order, *_line_columns(created.lines)))
        if not placed:
            return _earlier_placement(database, claim)
        if most_per_minute > 0:
            _refuse_haste(database, claim.customer_id, most_per_minute)
        start_saga(
            label="orders",
            saga_id=saga_id,
            step="create_order",
            event=created,
            plan=plan,
            traceparent=traceparent,
        )
    return Placement(claim.order_id, claim.answer, replayed=False)


def _refuse_haste(database: Database, customer_id: int, most: int) -> None:
    """Raises TooManyOrders where a minute has more than so many, the one just written included."""
    for (wait,) in database.fetch(PACE, (customer_id, most)):
        if wait > 0:
            raise TooManyOrders(wait, customer=customer_id, most_per_minute=most)


def _earlier_placement(database: Database, claim: Claim) -> Placement:
    [row] = database.fetch(EARLIER, (claim.customer_id, claim.key))
    earlier = Claim(*row)
    if earlier.request_hash != claim.request_hash:
        raise IdempotencyKeyReused(order_id=earlier.order_id)
    return Placement(earlier.order_id, earlier.answer, replayed=True)


def _order_columns(created: OrderCreated, plan: Plan) -> tuple[object, ...]:
    address = created.address
    return (
        created.currency,
        created.total_cents,
        str(created.payment_method),
        created.gift_wrap,
        plan.to_header(),
        address.name,
        address.street,
        address.postal_code,
        address.city,
        address.country,
    )


def _line_columns(lines: Sequence[PricedLine]) -> tuple[list[object], ...]:
    return (
        list(range(1, len(lines) + 1)),
        [line.product_id for line in lines],
        [line.quantity for line in lines],
        [line.unit_price_cents for line in lines],
    )


# --- what is masked

REVEAL_ADDRESS = "reveal_address"

# Where an order's parcel goes, and whose saga it is.
ADDRESS = """
SELECT saga_id, address_name, address_street, address_postal_code, address_city, address_country
FROM orders_order WHERE id = %b
"""


def reveal_address(*, order_id: UUID, actor: Actor, reason: str) -> Address:
    """An order's address, after it is written down that somebody reads it, and why.

    Raises NoSuchOrder, and ReasonMissing where the reason has no letter in it.
    """
    database = Database("orders")
    with database.transaction():
        rows = database.fetch(ADDRESS, [order_id])
        if not rows:
            raise NoSuchOrder(order_id=order_id)
        [(saga_id, *lines)] = rows
        write_down(
            database,
            actor=actor,
            operation=REVEAL_ADDRESS,
            subject_kind=SubjectKind.ORDER,
            subject_id=order_id,
            saga_id=saga_id,
            step="",
            version=0,  # an address never changes
            reason=reason,
            parameters={},
            outcome="the address was shown",
        )
    return Address(**dict(zip(Address.__struct_fields__, lines, strict=True)))
