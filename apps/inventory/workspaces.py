"""The shelves: stock and reservations of one batch, under lock."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self
from uuid import UUID

from apps.contracts.inventory import ReserveStock, Restock
from apps.contracts.values import AcceptedLine, Line, Shortage
from apps.inventory.errors import EmptyBasket, NotAQuantity, NothingReserved, NotShippedYet
from apps.inventory.models import MovementKind
from apps.messaging.database import Database, columns
from apps.messaging.handling import Task, Workspace

# What these sagas still have set aside, locked: of two that want to settle it, one comes too late.
LOCK_OPEN_RESERVATIONS = """
SELECT saga_id, product_id, quantity FROM inventory_reservation
WHERE saga_id = ANY(%b::uuid[]) AND status = 'reserved'
ORDER BY saga_id, product_id FOR UPDATE
"""

# What is free to sell of these products, locked in key order.
LOCK_STOCK = """
SELECT product_id, on_hand FROM inventory_stock
WHERE product_id = ANY(%b::text[])
ORDER BY product_id FOR UPDATE
"""

# Write the moves of a batch down, open and settle their reservations, and add them to the stock.
SAVE_MOVES = """
WITH move AS (
    SELECT kind, product_id, saga_id, order_id, quantity,
        CASE kind WHEN 'reserved' THEN -quantity WHEN 'shipped' THEN 0 ELSE quantity END
            AS on_hand,
        CASE kind WHEN 'reserved' THEN quantity WHEN 'returned' THEN 0 ELSE -quantity END
            AS reserved,
        CASE kind WHEN 'shipped' THEN quantity WHEN 'returned' THEN -quantity ELSE 0 END
            AS shipped
    FROM unnest(%b::text[], %b::text[], %b::uuid[], %b::uuid[], %b::int[])
        AS given (kind, product_id, saga_id, order_id, quantity)
), written AS (
    INSERT INTO inventory_stockmovement (product_id, kind, on_hand, reserved, shipped, saga_id)
    SELECT product_id, kind, on_hand, reserved, shipped, saga_id FROM move
), opened AS (
    INSERT INTO inventory_reservation (saga_id, product_id, order_id, quantity)
    SELECT saga_id, product_id, order_id, quantity FROM move WHERE kind = 'reserved'
), settled AS (
    UPDATE inventory_reservation AS reservation
    SET status = move.kind, settled_at = statement_timestamp()
    FROM move
    WHERE move.kind IN ('released', 'shipped') AND reservation.status = 'reserved'
        AND reservation.saga_id = move.saga_id AND reservation.product_id = move.product_id
), total AS (
    SELECT product_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved, sum(shipped) AS shipped
    FROM move GROUP BY product_id
)
UPDATE inventory_stock AS stock
SET on_hand = stock.on_hand + total.on_hand, reserved = stock.reserved + total.reserved,
    shipped = stock.shipped + total.shipped
FROM total WHERE stock.product_id = total.product_id
"""


# expected -> withdrawn: the step was settled by hand, past the desk.
WITHDRAW = """
UPDATE inventory_arrival
SET status = 'withdrawn', closed_at = statement_timestamp(), version = version + 1
WHERE saga_id = ANY(%b::uuid[]) AND status = 'expected'
"""


class Move(NamedTuple):
    """So many pieces of a product, moved for a saga."""

    kind: MovementKind
    product_id: str
    saga_id: UUID
    order_id: UUID | None  # known, and needed, where a reservation is opened
    quantity: int


class Arrivals(Workspace):
    """The desk where goods arrive; nothing is read to ask there."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._withdrawn: list[UUID] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        return cls(database)

    def withdraw(self) -> None:
        """The desk is not asked any more."""
        self._withdrawn.append(self.request.saga_id)

    def save(self) -> None:
        if self._withdrawn:
            self.database.send(WITHDRAW, [self._withdrawn])


class Shelves(Workspace):
    """What is free to sell and what the batch's sagas have set aside.

    Locks go reservations first, then stock, each in key order.
    """

    def __init__(
        self, database: Database, on_hand: dict[str, int], held: dict[UUID, tuple[Line, ...]]
    ) -> None:
        super().__init__(database)
        self._on_hand = on_hand
        self._held = held
        self._moves: list[Move] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        held = _held_by(database, _sagas_to_settle(tasks))
        products = {line.product_id for line in _lines_to_move(tasks)}
        products.update(line.product_id for lines in held.values() for line in lines)
        return cls(database, dict(database.fetch(LOCK_STOCK, [sorted(products)])), held)

    def shortage(self, lines: Iterable[Line]) -> tuple[Shortage, ...]:
        """The products of which fewer are free than the lines want together."""
        return tuple(
            Shortage(product_id=product_id, wanted=wanted, available=available)
            for product_id, wanted in self._wanted(lines).items()
            if (available := self._on_hand.get(product_id, 0)) < wanted
        )

    def reserve(self, order_id: UUID, lines: Iterable[Line]) -> None:
        """Set the lines aside for the saga. Raises EmptyBasket where there are none."""
        wanted = self._wanted(lines)
        if not wanted:
            raise EmptyBasket(order_id)
        for product_id, quantity in wanted.items():
            self._on_hand[product_id] -= quantity
            saga_id = self.request.saga_id
            self._moves.append(Move(MovementKind.RESERVED, product_id, saga_id, order_id, quantity))

    def release(self, saga_id: UUID) -> tuple[Line, ...]:
        """Make what a saga holds free again. Raises NothingReserved where it holds nothing."""
        lines = self._settle(MovementKind.RELEASED, saga_id)
        for line in lines:
            self._on_hand[line.product_id] += line.quantity
        return lines

    def ship(self) -> tuple[Line, ...]:
        """What the saga holds has left the house. Raises NothingReserved where it holds nothing."""
        return self._settle(MovementKind.SHIPPED, self.request.saga_id)

    def put_back(self, placed_by: UUID, accepted: Iterable[AcceptedLine]) -> tuple[Line, ...]:
        """What came back undamaged of a saga's order can be sold again; which lines that are.
        Raises NotShippedYet where it is still set aside here."""
        if self._held.get(placed_by):
            raise NotShippedYet(placed_by)
        lines = tuple(
            Line(product_id=each.product_id, quantity=each.quantity - each.damaged)
            for each in accepted
            if each.quantity > each.damaged
        )
        for line in lines:
            self._on_hand[line.product_id] += line.quantity
            of = (line.product_id, self.request.saga_id, None)
            self._moves.append(Move(MovementKind.RETURNED, *of, line.quantity))
        return lines

    def save(self) -> None:
        if self._moves:
            self.database.send(SAVE_MOVES, columns(self._moves, 5))

    def _wanted(self, lines: Iterable[Line]) -> Counter[str]:
        """Pieces by product: a basket may have a product on several lines, at several prices."""
        wanted: Counter[str] = Counter()
        for line in lines:
            if line.quantity < 1:
                raise NotAQuantity(line.product_id, line.quantity)
            wanted[line.product_id] += line.quantity
        return wanted

    def _settle(self, kind: MovementKind, saga_id: UUID) -> tuple[Line, ...]:
        lines = self._held.pop(saga_id, ())
        if not lines:
            raise NothingReserved(saga_id)
        self._moves += [Move(kind, line.product_id, saga_id, None, line.quantity) for line in lines]
        return lines


def _lines_to_move(tasks: Sequence[Task]) -> Iterable[Line]:
    """Those that the messages themselves name."""
    for task in tasks:
        if isinstance(task.message, ReserveStock):
            yield from task.message.lines
        elif isinstance(task.message, Restock):
            yield from task.message.accepted


def _sagas_to_settle(tasks: Sequence[Task]) -> list[UUID]:
    return [task.about for task in tasks if not isinstance(task.message, ReserveStock)]


def _held_by(database: Database, saga_ids: list[UUID]) -> dict[UUID, tuple[Line, ...]]:
    held: defaultdict[UUID, tuple[Line, ...]] = defaultdict(tuple)
    if saga_ids:
        for saga_id, product_id, quantity in database.fetch(LOCK_OPEN_RESERVATIONS, [saga_ids]):
            held[saga_id] += (Line(product_id=product_id, quantity=quantity),)
    return dict(held)
