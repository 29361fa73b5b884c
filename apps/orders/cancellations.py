"""Wishes to cancel as a batch of messages sees them: those that a saga of their own decides, and
those that the engine has answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from apps.messaging.database import Database, columns
from apps.messaging.errors import RivalMovedFirst
from apps.messaging.handling import Heard, Task, Workspace
from apps.orders.cancelling import CANCEL_ORDER
from apps.orders.errors import UnknownCancellation
from apps.orders.models import CancellationStatus, OrderStatus
from apps.orders.workspaces import Timeline

# The wishes that these sagas carry out, with their orders, locked in key order.
LOCK_WISHES = """
SELECT wish.saga_id, o.id, wish.status, o.status
FROM orders_cancellation AS wish JOIN orders_order AS o ON o.id = wish.order_id
WHERE wish.saga_id = ANY(%b::uuid[]) ORDER BY o.saga_id FOR NO KEY UPDATE
"""

# returning -> cancelled or refused; a cancelled order is confirmed -> cancelled. Told on the
# timeline. Returns how many wishes there were.
DECIDE_WISHES = """
WITH decided AS (
  UPDATE orders_cancellation AS wish
  SET status = decision.status, decided_at = clock_timestamp()
  FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[])
    AS decision (saga_id, status, step, type)
  WHERE wish.saga_id = decision.saga_id AND wish.status = 'returning'
  RETURNING wish.order_id, wish.status, wish.decided_at, decision.step, decision.type
), cancelled AS (
  UPDATE orders_order AS o SET status = 'cancelled', ended_at = decided.decided_at FROM decided
  WHERE o.id = decided.order_id AND decided.status = 'cancelled' AND o.status = 'confirmed'
), told AS (
  INSERT INTO orders_orderevent (order_id, step, type, at, facts)
  SELECT order_id, step, type, decided_at, '{}' FROM decided
)
SELECT count(*) FROM decided
"""

# requested -> accepted or waiting, as the engine has answered; what came of it meanwhile stays.
ANSWER_WISHES = """
UPDATE orders_cancellation AS wish SET status = answer.status
FROM unnest(%b::uuid[], %b::text[]) AS answer (saga_id, status)
JOIN orders_order AS o ON o.saga_id = answer.saga_id
WHERE wish.order_id = o.id AND wish.status = 'requested'
"""

# Why shipping refused, whenever that is heard.
EXPLAIN_WISHES = """
UPDATE orders_cancellation AS wish SET why_not = heard.why_not
FROM unnest(%b::uuid[], %b::text[]) AS heard (saga_id, why_not)
WHERE wish.saga_id = heard.saga_id
"""


@dataclass(slots=True)
class Wish:
    """A wish that a saga of its own carries out, as the batch leaves it."""

    order_id: UUID
    status: str
    order_status: str


class Cancellations(Workspace):
    """The wishes that the batch's sagas carry out."""

    def __init__(self, database: Database, wishes: dict[UUID, Wish]) -> None:
        super().__init__(database)
        self._wishes = wishes
        self._decided: list[tuple[UUID, str, str, str]] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        rows = database.fetch(LOCK_WISHES, [[task.request.saga_id for task in tasks]])
        return cls(database, {saga_id: Wish(*rest) for saga_id, *rest in rows})

    def decide(self, status: CancellationStatus, told_as: str) -> UUID:
        """Decide the request's wish for good; its order's id. Raises UnknownCancellation."""
        saga_id = self.request.saga_id
        wish = self._wishes.get(saga_id)
        if wish is None or wish.status != CancellationStatus.RETURNING:
            raise UnknownCancellation(saga_id=saga_id, found=wish and wish.status)
        if wish.order_status != OrderStatus.CONFIRMED:
            raise UnknownCancellation(saga_id=saga_id, order=wish.order_status)
        wish.status = status
        self._decided.append((saga_id, status.value, self.request.step, told_as))
        return wish.order_id

    def save(self) -> None:
        if not self._decided:
            return
        [(decided,)] = self.database.fetch(DECIDE_WISHES, columns(self._decided, 4))
        if decided != len(self._decided):
            raise RivalMovedFirst(table="orders_cancellation")


class AnsweredWishes(Timeline):
    """What the engine and shipping have answered to wishes, and the timelines that tell it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._answers: dict[UUID, str] = {}
        self._reasons: dict[UUID, str] = {}

    def answer(self, heard: Heard, status: CancellationStatus) -> None:
        """The engine has answered a wish: it is accepted, or waits for the order's end."""
        saga_id, name = heard.request.saga_id, type(heard.event).__name__
        self._answers[saga_id] = status.value
        self.tell(saga_id, CANCEL_ORDER, name, heard.message_id, {})

    def explain(self, heard: Heard, why_not: str) -> None:
        """Shipping keeps no parcel back that has left."""
        request, name = heard.request, type(heard.event).__name__
        self._reasons[request.saga_id] = why_not
        facts = {"why_not": why_not}
        self.tell(request.saga_id, request.step, name, heard.message_id, facts)

    def save(self) -> None:
        super().save()
        if self._answers:
            self.database.send(ANSWER_WISHES, columns(self._answers.items(), 2))
        if self._reasons:
            self.database.send(EXPLAIN_WISHES, columns(self._reasons.items(), 2))
