"""What can be read of inventory: by the admin, and by the conservation check.

Each is one statement on the connection's own transaction, so that a caller that opens one
REPEATABLE READ transaction reads all of them from one snapshot.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apps.inventory.models import Arrival
from apps.messaging.database import Database


class StockLevel(NamedTuple):
    """The stock of one product, in pieces."""

    product_id: str
    on_hand: int
    reserved: int
    shipped: int


class StockDifference(NamedTuple):
    """A product whose stock is not what its movements add up to. A side that is missing is 0."""

    product_id: str
    on_hand: int
    reserved: int
    shipped: int
    moved_on_hand: int
    moved_reserved: int
    moved_shipped: int


class ReservedDifference(NamedTuple):
    """A product of which not as many pieces are reserved as its open reservations say."""

    product_id: str
    reserved: int
    in_reservations: int


class OpenReservation(NamedTuple):
    """What a saga has set aside."""

    saga_id: UUID
    lines: int
    pieces: int


class StockEffects(NamedTuple):
    """How often inventory moved stock for a saga, in lines: one line per product and direction."""

    saga_id: UUID
    reserved_lines: int
    released_lines: int
    shipped_lines: int


class ReturnedBeyond(NamedTuple):
    """A product of which more came back for an order than had left. Without a saga: for none."""

    placed_by: UUID | None
    product_id: str
    returned: int
    shipped: int


class RestockedPieces(NamedTuple):
    """Of one return the pieces that were accepted undamaged, and those that were put back."""

    saga_id: UUID
    sellable: int
    restocked: int


class Reserved(NamedTuple):
    """The pieces of one product that were set aside for a saga, and what became of them."""

    product_id: str
    name: str
    quantity: int
    status: str
    reserved_at: datetime
    settled_at: datetime | None


# What is there of some products.
STOCK_OF = """
SELECT product_id, on_hand, reserved, shipped FROM inventory_stock
WHERE product_id = ANY(%b::text[]) ORDER BY product_id
"""

# Products whose stock and movements differ in any column.
STOCK_AGAINST_MOVEMENTS = """
WITH moved AS (
    SELECT product_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved, sum(shipped) AS shipped
    FROM inventory_stockmovement GROUP BY product_id
), compared AS (
    SELECT product_id,
        coalesce(stock.on_hand, 0), coalesce(stock.reserved, 0), coalesce(stock.shipped, 0),
        coalesce(moved.on_hand, 0), coalesce(moved.reserved, 0), coalesce(moved.shipped, 0)
    FROM inventory_stock AS stock FULL JOIN moved USING (product_id)
    WHERE (coalesce(stock.on_hand, 0), coalesce(stock.reserved, 0), coalesce(stock.shipped, 0))
        <> (coalesce(moved.on_hand, 0), coalesce(moved.reserved, 0), coalesce(moved.shipped, 0))
)
SELECT * FROM compared ORDER BY product_id
"""

# Products whose reserved pieces differ from their open reservations.
RESERVED_AGAINST_RESERVATIONS = """
WITH held AS (
    SELECT product_id, sum(quantity) AS pieces FROM inventory_reservation
    WHERE status = 'reserved' GROUP BY product_id
)
SELECT product_id, coalesce(stock.reserved, 0), coalesce(held.pieces, 0)
FROM inventory_stock AS stock FULL JOIN held USING (product_id)
WHERE coalesce(stock.reserved, 0) <> coalesce(held.pieces, 0) ORDER BY product_id
"""

# Products with less than nothing.
NEGATIVE_STOCK = """
SELECT product_id, on_hand, reserved, shipped FROM inventory_stock
WHERE least(on_hand, reserved, shipped) < 0 ORDER BY product_id
"""

# What is set aside, saga by saga.
OPEN_RESERVATIONS = """
SELECT saga_id, count(*), sum(quantity) FROM inventory_reservation
WHERE status = 'reserved' GROUP BY saga_id ORDER BY saga_id
"""

# How many lines each saga moved in each direction.
STOCK_EFFECTS = """
SELECT saga_id, count(*) FILTER (WHERE kind = 'reserved'),
    count(*) FILTER (WHERE kind = 'released'), count(*) FILTER (WHERE kind = 'shipped')
FROM inventory_stockmovement
WHERE saga_id = ANY(%b::uuid[]) GROUP BY saga_id ORDER BY saga_id
"""

# Products of which more came back than was shipped for the order.
RETURNED_BEYOND_SHIPPED = """
WITH back AS (
    SELECT arrival.placed_by, move.product_id, sum(move.on_hand) AS pieces
    FROM inventory_stockmovement AS move
    LEFT JOIN (SELECT DISTINCT saga_id, placed_by FROM inventory_arrival) AS arrival USING (saga_id)
    WHERE move.kind = 'returned' GROUP BY 1, 2
)
SELECT back.placed_by, back.product_id, back.pieces,
    coalesce(sum(held.quantity) FILTER (WHERE held.status = 'shipped'), 0)
FROM back LEFT JOIN inventory_reservation AS held
    ON held.saga_id = back.placed_by AND held.product_id = back.product_id
GROUP BY 1, 2, 3
HAVING back.pieces > coalesce(sum(held.quantity) FILTER (WHERE held.status = 'shipped'), 0)
ORDER BY 1, 2
"""

# Of some returns the pieces that were accepted undamaged, and those that were put back.
RESTOCKED = """
SELECT arrival.saga_id,
    coalesce(sum((line ->> 'quantity')::int - (line ->> 'damaged')::int), 0),
    (SELECT coalesce(sum(on_hand), 0) FROM inventory_stockmovement AS move
     WHERE move.saga_id = arrival.saga_id AND move.kind = 'returned')
FROM inventory_arrival AS arrival LEFT JOIN jsonb_array_elements(arrival.accepted) AS line ON true
WHERE arrival.saga_id = ANY(%b::uuid[]) GROUP BY arrival.saga_id
"""

# What was set aside for one saga, with the products' names.
RESERVED_FOR = """
SELECT held.product_id, coalesce(stock.name, ''), held.quantity, held.status, held.reserved_at,
    held.settled_at
FROM inventory_reservation AS held LEFT JOIN inventory_stock AS stock USING (product_id)
WHERE held.saga_id = %b ORDER BY held.product_id
"""


def stock_of(product_ids: Collection[str]) -> dict[str, StockLevel]:
    """The stock by product id; products that inventory does not know are left out."""
    rows = _database().fetch(STOCK_OF, [list(product_ids)])
    return {row[0]: StockLevel(*row) for row in rows}


def product_count() -> int:
    """How many products inventory knows."""
    [(count,)] = _database().fetch("SELECT count(*) FROM inventory_stock")
    return int(count)


def stock_against_movements() -> list[StockDifference]:
    """The products that break I3: each column of the stock is the sum of its movements."""
    return [StockDifference(*row) for row in _database().fetch(STOCK_AGAINST_MOVEMENTS)]


def reserved_against_reservations() -> list[ReservedDifference]:
    """The products whose reserved pieces are not those of their open reservations."""
    return [ReservedDifference(*row) for row in _database().fetch(RESERVED_AGAINST_RESERVATIONS)]


def negative_stock() -> list[StockLevel]:
    """The products with a column below 0. A constraint forbids them; the proof looks anyway."""
    return [StockLevel(*row) for row in _database().fetch(NEGATIVE_STOCK)]


def open_reservations() -> list[OpenReservation]:
    """What is set aside: of sagas that live, or were confirmed and not yet handed over."""
    return [OpenReservation(*row) for row in _database().fetch(OPEN_RESERVATIONS)]


def reserved_for(saga_id: UUID) -> list[Reserved]:
    """What was set aside for a saga, released and shipped pieces too."""
    return [Reserved(*row) for row in _database().fetch(RESERVED_FOR, [saga_id])]


def arrival_count() -> int:
    """How many returns were expected."""
    return Arrival.objects.count()


def returned_beyond_shipped() -> list[ReturnedBeyond]:
    """What came back though it never left, or for no order at all. None in a sound database."""
    return [ReturnedBeyond(*row) for row in _database().fetch(RETURNED_BEYOND_SHIPPED)]


def restocked_for(saga_ids: Collection[UUID]) -> dict[UUID, RestockedPieces]:
    """What was accepted and put back for these returns; those of which nothing is known are left
    out."""
    rows = _database().fetch(RESTOCKED, [list(saga_ids)])
    return {row[0]: RestockedPieces(*row) for row in rows}


def arrival_of_return(return_id: UUID) -> Arrival | None:
    """What a return expects, the last time that it was asked for; None where it does not yet."""
    return Arrival.objects.filter(return_id=return_id).order_by("announced_at", "id").last()


def arrivals_of(saga_ids: Collection[UUID]) -> list[Arrival]:
    """What these returns expect, and what came of it; the oldest first."""
    return list(Arrival.objects.filter(saga_id__in=saga_ids).order_by("announced_at", "id"))


def stock_effects(saga_ids: Collection[UUID]) -> dict[UUID, StockEffects]:
    """What inventory did for these sagas, by its movements; sagas without any are left out."""
    rows = _database().fetch(STOCK_EFFECTS, [list(saga_ids)])
    return {row[0]: StockEffects(*row) for row in rows}


def _database() -> Database:
    return Database("inventory")
