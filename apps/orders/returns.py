"""Returns as a batch of messages sees them: those that a saga decides, and what is heard of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec

from apps.contracts.values import AcceptedLine
from apps.messaging.database import Database, columns
from apps.messaging.errors import RivalMovedFirst
from apps.messaging.handling import Heard, Task, Workspace
from apps.orders.errors import UnknownReturn
from apps.orders.models import ReturnStatus
from apps.orders.workspaces import Timeline

# The returns of these sagas, with their orders, locked in key order.
LOCK_RETURNS = """
SELECT parcel.saga_id, o.id, parcel.status
FROM orders_return AS parcel JOIN orders_order AS o ON o.id = parcel.order_id
WHERE parcel.saga_id = ANY(%b::uuid[]) ORDER BY o.saga_id, parcel.id FOR NO KEY UPDATE
"""

# announced -> completed or refused, told on the timeline; the pieces that were announced and not
# accepted can be returned again. Returns how many returns there were.
DECIDE_RETURNS = """
WITH decided AS (
  UPDATE orders_return AS parcel
  SET status = decision.status, refunded_cents = decision.cents, decided_at = clock_timestamp()
  FROM unnest(%b::uuid[], %b::text[], %b::bigint[], %b::text[], %b::text[], %b::text[])
    AS decision (saga_id, status, cents, accepted, step, type)
  WHERE parcel.saga_id = decision.saga_id AND parcel.status = 'announced'
  RETURNING parcel.id, parcel.order_id, parcel.decided_at, decision.accepted, decision.step,
    decision.type
), found AS (
  SELECT line.parcel_id, decided.order_id, line.product_id, line.quantity,
    coalesce(sum(given.quantity), 0)::int AS accepted
  FROM decided JOIN orders_returnline AS line ON line.parcel_id = decided.id
  LEFT JOIN LATERAL jsonb_to_recordset(decided.accepted::jsonb)
    AS given (product_id text, quantity int) ON given.product_id = line.product_id
  GROUP BY line.parcel_id, decided.order_id, line.product_id, line.quantity
), lines AS (
  UPDATE orders_returnline AS line SET accepted = found.accepted FROM found
  WHERE line.parcel_id = found.parcel_id AND line.product_id = found.product_id
), back AS (
  SELECT order_id, product_id, sum(quantity - accepted) AS pieces FROM found GROUP BY 1, 2
), freed AS (
  UPDATE orders_orderline AS bought SET returned = bought.returned - back.pieces FROM back
  WHERE bought.order_id = back.order_id AND bought.product_id = back.product_id
    AND back.pieces > 0
), told AS (
  INSERT INTO orders_orderevent (order_id, step, type, at, facts, about)
  SELECT order_id, step, type, decided_at, '{}', id FROM decided
)
SELECT count(*) FROM decided
"""

# Until when the goods are awaited.
AWAIT_RETURNS = """
UPDATE orders_return AS parcel SET awaited_until = heard.until
FROM unnest(%b::uuid[], %b::timestamptz[]) AS heard (saga_id, until)
WHERE parcel.saga_id = heard.saga_id
"""

# Why inventory refused, whenever that is heard.
EXPLAIN_RETURNS = """
UPDATE orders_return AS parcel SET why_not = heard.why_not
FROM unnest(%b::uuid[], %b::text[]) AS heard (saga_id, why_not)
WHERE parcel.saga_id = heard.saga_id
"""


@dataclass(slots=True)
class OpenReturn:
    """A return as the batch leaves it."""

    order_id: UUID
    status: str


class Returns(Workspace):
    """The returns of a batch's sagas."""

    def __init__(self, database: Database, returns: dict[UUID, OpenReturn]) -> None:
        super().__init__(database)
        self._returns = returns
        self._decided: list[tuple[UUID, str, int, str, str, str]] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        rows = database.fetch(LOCK_RETURNS, [[task.request.saga_id for task in tasks]])
        return cls(database, {saga_id: OpenReturn(*rest) for saga_id, *rest in rows})

    def decide(
        self,
        status: ReturnStatus,
        told_as: str,
        *,
        refunded_cents: int = 0,
        accepted: Sequence[AcceptedLine] = (),
    ) -> UUID:
        """Decide the request's return for good; its order's id. Raises UnknownReturn."""
        saga_id = self.request.saga_id
        found = self._returns.get(saga_id)
        if found is None or found.status != ReturnStatus.ANNOUNCED:
            raise UnknownReturn(saga_id=saga_id, found=found and found.status)
        found.status = status
        lines = msgspec.json.encode(accepted).decode()
        of = (saga_id, status.value, refunded_cents, lines)
        self._decided.append((*of, self.request.step, told_as))
        return found.order_id

    def save(self) -> None:
        if not self._decided:
            return
        [(decided,)] = self.database.fetch(DECIDE_RETURNS, columns(self._decided, 6))
        if decided != len(self._decided):
            raise RivalMovedFirst(table="orders_return")


class HeardReturns(Timeline):
    """What inventory says of returns, and the timelines that tell it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._until: dict[UUID, datetime] = {}
        self._reasons: dict[UUID, str] = {}

    def await_goods(self, heard: Heard, until: datetime) -> None:
        """The goods are expected, and until when."""
        saga_id, name = heard.request.saga_id, type(heard.event).__name__
        self._until[saga_id] = until
        self.tell(saga_id, heard.request.step, name, heard.message_id, {"until": until.isoformat()})

    def explain(self, heard: Heard, why_not: str) -> None:
        """Nothing is taken back."""
        request, name = heard.request, type(heard.event).__name__
        self._reasons[request.saga_id] = why_not
        self.tell(request.saga_id, request.step, name, heard.message_id, {"why_not": why_not})

    def save(self) -> None:
        super().save()
        if self._until:
            self.database.send(AWAIT_RETURNS, columns(self._until.items(), 2))
        if self._reasons:
            self.database.send(EXPLAIN_RETURNS, columns(self._reasons.items(), 2))
