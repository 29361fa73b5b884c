"""Orders and their timelines as a batch of messages sees them: loaded, decided upon, saved."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from apps.messaging.database import Database, columns
from apps.messaging.handling import Task, Workspace
from apps.orders.errors import OrderHasEnded, UnknownOrder
from apps.orders.models import OrderStatus
from apps.orders.taking_back import follow_cancelled, follow_confirmed

# The orders of some sagas, locked in key order; a timeline may still refer to them meanwhile.
LOCK_ORDERS = """
SELECT saga_id, id, status FROM orders_order WHERE saga_id = ANY(%b::uuid[])
ORDER BY saga_id FOR NO KEY UPDATE
"""

# End placed orders, each with its row on the timeline; returns how many there were.
END_ORDERS = """
WITH ended AS (
  UPDATE orders_order o
  SET status = ending.status, total_cents = coalesce(ending.total, o.total_cents),
    ended_at = clock_timestamp()
  FROM unnest(%b::uuid[], %b::text[], %b::bigint[], %b::text[], %b::text[])
    AS ending (saga_id, status, total, step, type)
  WHERE o.saga_id = ending.saga_id AND o.status = 'placed'
  RETURNING o.id, ending.step, ending.type, o.ended_at
), told AS (
  INSERT INTO orders_orderevent (order_id, step, type, at, facts)
  SELECT id, step, type, ended_at, '{}' FROM ended
)
SELECT count(*) FROM ended
"""

# Put facts on the timelines of the orders they belong to, whether the saga that places an order
# tells them, the one that takes it back, or one of its returns; the first telling of a fact stays.
TELL = """
INSERT INTO orders_orderevent AS known (order_id, step, type, at, facts, about)
SELECT o.id, fact.step, fact.type, fact.at, fact.facts::jsonb, o.about
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::timestamptz[], %b::text[])
  AS fact (saga_id, step, type, at, facts)
JOIN LATERAL (
  SELECT id, NULL::uuid AS about FROM orders_order WHERE saga_id = fact.saga_id
  UNION ALL SELECT order_id, NULL FROM orders_cancellation WHERE saga_id = fact.saga_id
  UNION ALL SELECT order_id, id FROM orders_return WHERE saga_id = fact.saga_id
) AS o ON true
ORDER BY o.id, fact.step, fact.type, o.about
ON CONFLICT (order_id, step, type, about) DO UPDATE SET at = excluded.at, facts = excluded.facts
  WHERE excluded.at < known.at
"""


@dataclass(slots=True)
class OpenOrder:
    """An order as it stands within the batch."""

    id: UUID
    status: OrderStatus


class Ending(NamedTuple):
    """How an order ends, with its row on the timeline."""

    saga_id: UUID
    status: OrderStatus
    total_cents: int | None  # None: it stays
    step: str
    type: str


class Orders(Workspace):
    """The orders of a batch's sagas."""

    def __init__(self, database: Database, orders: dict[UUID, OpenOrder]) -> None:
        super().__init__(database)
        self._orders = orders
        self._endings: list[Ending] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        sagas = [task.request.saga_id for task in tasks]
        rows = database.fetch(LOCK_ORDERS, (sagas,))
        return cls(
            database, {saga: OpenOrder(id, OrderStatus(status)) for saga, id, status in rows}
        )

    def end(self, status: OrderStatus, told_as: str, total_cents: int | None = None) -> UUID:
        """End the request's order; its id. Raises UnknownOrder, or OrderHasEnded."""
        request = self.request
        order = self._orders.get(request.saga_id)
        if order is None:
            raise UnknownOrder(saga_id=request.saga_id)
        if order.status is not OrderStatus.PLACED:
            raise OrderHasEnded(order_id=order.id, status=order.status, wanted=status)
        order.status = status
        self._endings.append(Ending(request.saga_id, status, total_cents, request.step, told_as))
        return order.id

    def save(self) -> None:
        if not self._endings:
            return
        [(ended,)] = self.database.fetch(END_ORDERS, columns(self._endings, 5))
        assert ended == len(self._endings), "an order that was locked as placed is placed"
        follow_cancelled(self.database, self._ended(OrderStatus.CANCELLED))
        follow_confirmed(self.database, self._ended(OrderStatus.CONFIRMED))

    def _ended(self, status: OrderStatus) -> list[UUID]:
        return [each.saga_id for each in self._endings if each.status is status]


class Fact(NamedTuple):
    """One row of a timeline."""

    saga_id: UUID
    step: str
    type: str
    at: datetime
    facts: str  # JSON


class Timeline(Workspace):
    """What is told on the timelines of a batch's orders. It needs to read nothing."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._told: dict[tuple[UUID, str, str], Fact] = {}

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        return cls(database)

    def tell(
        self, saga_id: UUID, step: str, type_name: str, message_id: UUID, facts: dict[str, Any]
    ) -> None:
        """Put a fact on the timeline of the saga's order, unless it was told earlier.

        Its time is that of the message's id, so that it does not matter when it is heard.
        """
        fact = Fact(saga_id, step, type_name, time_of(message_id), json.dumps(facts))
        known = self._told.setdefault(fact[:3], fact)
        if fact.at < known.at:
            self._told[fact[:3]] = fact

    def save(self) -> None:
        if self._told:
            self.database.send(TELL, columns(self._told.values(), 5))


def time_of(id: UUID) -> datetime:
    """When a UUIDv7 was made: its first 48 bits are milliseconds."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)
