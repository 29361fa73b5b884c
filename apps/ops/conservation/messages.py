"""The tables that messaging has in every context's database, read set-wise."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apps.messaging.context import contexts
from apps.messaging.wiring import wiring


class LogRow(NamedTuple):
    """What a context's saga log says of one step."""

    context: str
    step: str
    status: str  # messaging.models.Status
    generation: int
    changed_at: datetime


class Overdue(NamedTuple):
    """A message that waits in an outbox."""

    context: str
    message_id: UUID
    topic: str
    created_at: datetime


# The log of some sagas.
LOG_OF = """
SELECT saga_id, step, status, generation, changed_at
FROM {context}_sagalog WHERE saga_id = ANY(%b::uuid[])
"""

# Messages that wait since before a time, oldest first.
OVERDUE = """
SELECT id, topic, created_at FROM {context}_outboxmessage WHERE created_at < %b::timestamptz
ORDER BY created_at
"""

OPEN_LETTERS = "SELECT count(*) FROM {context}_deadletter WHERE status IN ('parked', 'waiting')"
OUTBOX_SIZE = "SELECT count(*) FROM {context}_outboxmessage"


def log_rows(saga_ids: Collection[UUID]) -> dict[UUID, list[LogRow]]:
    """The rows that all contexts have of these sagas."""
    rows: defaultdict[UUID, list[LogRow]] = defaultdict(list)
    for context in contexts():
        for saga_id, *row in context.database.fetch(LOG_OF, [list(saga_ids)]):
            rows[saga_id].append(LogRow(context.label, *row))
    return rows


def reaction_steps() -> frozenset[str]:
    """The steps that are in no plan, as the contexts' handlers declare them."""
    return frozenset[str]().union(*(wiring(each.label).reaction_steps for each in contexts()))


def overdue_messages(before: datetime) -> Sequence[Overdue]:
    """What was written before that time and still waits for the broker."""
    return [
        Overdue(context.label, *row)
        for context in contexts()
        for row in context.database.fetch(OVERDUE, [before])
    ]


def parked_messages() -> int:
    """How many messages are parked, or wait behind one, in all contexts together."""
    return sum(context.database.fetch(OPEN_LETTERS)[0][0] for context in contexts())


def outbox_size() -> int:
    """How many messages wait in all outboxes together."""
    return sum(context.database.fetch(OUTBOX_SIZE)[0][0] for context in contexts())
