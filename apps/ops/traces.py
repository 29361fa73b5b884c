"""What messaging has of one saga in every context: its log, parked messages, the barrier's notes,
what people did by hand, and its calls outside."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apps.messaging.context import contexts
from apps.messaging.models import IntentStatus, ParkedStatus

LOG, LETTER, NOTE, ACT, CALL = "log", "letter", "note", "act", "call"

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
"""
AND_CALLS = """UNION ALL
SELECT 'call', id, step, action, status, attempt, operation, reason, created_at,
  CASE WHEN status IN ('settled', 'withdrawn') THEN changed_at END
FROM {context}_intent WHERE saga_id = %b
"""
IN_ORDER = "ORDER BY 9"


class Trace(NamedTuple):
    """One row of a saga log, the dead letters, the barrier's notes, the audit, or of the calls."""

    context: str
    table: str  # LOG, LETTER, NOTE, ACT or CALL
    id: UUID | None  # None for a row of a log
    step: str
    action: str  # empty for a row of a log or of the audit
    status: str  # a note's decision, the operation in the audit
    generation: int  # of a call: how many times it was made
    type: str  # of the answer or the parked message; who acted; what was called
    error: str  # why it was parked; why it was done, and the outcome; what a call was told last
    since: datetime
    until: datetime | None  # changed or settled

    @property
    def is_parked(self) -> bool:
        """Whether it is a message that waits for a person."""
        return self.table == LETTER and self.status == ParkedStatus.PARKED

    @property
    def in_vain(self) -> bool:
        """Whether it is a call that was made, has had no good answer yet, and was told why."""
        open_still = self.status in (IntentStatus.UNKNOWN, IntentStatus.REFUSED)
        return self.table == CALL and open_still and bool(self.error)


def traces_of(saga_id: UUID) -> Iterator[Trace]:
    """All traces of a saga, context by context, each in the order of time."""
    for context in contexts():
        query = TRACES_OF + (AND_CALLS if "intent" in context.models else "") + IN_ORDER
        for row in context.database.fetch(query, [saga_id] * query.count("%b")):
            yield Trace(context.label, *row)
