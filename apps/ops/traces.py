"""What messaging has of one saga in every context: its log, parked messages, the barrier's notes,
and what people did by hand."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apps.messaging.context import contexts

LOG, LETTER, NOTE, ACT = "log", "letter", "note", "act"

# One context's traces of a saga, in one statement: a page asks every database.
TRACES_OF = """
SELECT 'log', NULL, step, '', status, generation, answer_type, '', started_at, changed_at
FROM {context}_sagalog WHERE saga_id = %b
UNION ALL
SELECT 'letter', id, step, action, status, generation, type,
  concat_ws(': ', nullif(error_type, ''), nullif(error, '')), parked_at, settled_at
FROM {context}_deadletter WHERE saga_id = %b
UNION ALL
SELECT 'note', id, step, action, decision, generation, '', '', noted_at, NULL
FROM {context}_barriernote WHERE saga_id = %b
UNION ALL
SELECT 'act', id, step, '', operation, 0, actor, concat_ws(': ', reason, outcome), at, NULL
FROM {context}_operatoraction WHERE saga_id = %b
ORDER BY 9
"""


class Trace(NamedTuple):
    """One row of a saga log, of the dead letters, of the barrier's notes, or of the audit."""

    context: str
    table: str  # LOG, LETTER, NOTE or ACT
    id: UUID | None  # None for a row of a log
    step: str
    action: str  # empty for a row of a log or of the audit
    status: str  # a note's decision, the operation in the audit
    generation: int
    type: str  # of the answer or the parked message; who acted
    error: str  # why it was parked; why it was done, and the outcome
    since: datetime
    until: datetime | None  # changed or settled


def traces_of(saga_id: UUID) -> Iterator[Trace]:
    """All traces of a saga, context by context, each in the order of time."""
    for context in contexts():
        for row in context.database.fetch(TRACES_OF, [saga_id] * 4):
            yield Trace(context.label, *row)
