"""Reading and writing a context's saga log, set-wise. The barrier decides; this is its storage."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from apps.messaging.barrier import Row, Status
from apps.messaging.database import Database, columns

# Claim the rows that do not exist yet. A rival that holds a key is waited for; the rows that
# were there, or that a rival made, do not come back.
CLAIM = """
INSERT INTO {context}_sagalog
  (saga_id, step, status, generation, answer_type, answer_version, answer, started_at, changed_at)
SELECT saga_id, step, 'doing', generation, '', 1, '', now(), now()
FROM unnest(%b::uuid[], %b::text[], %b::int[]) AS asked (saga_id, step, generation)
ON CONFLICT (saga_id, step) DO NOTHING
RETURNING saga_id, step
"""

# Lock and read rows that were there. A new statement: in the one that claims, the snapshot is
# older than the rival's commit (READ COMMITTED).
READ = """
SELECT log.saga_id, log.step, log.status, log.generation,
       log.answer_type, log.answer_version, log.answer
FROM unnest(%b::uuid[], %b::text[]) AS asked (saga_id, step)
JOIN {context}_sagalog AS log USING (saga_id, step)
ORDER BY log.saga_id, log.step
FOR UPDATE OF log
"""

# Store what the barrier decided in rows that this transaction holds.
SETTLE = """
UPDATE {context}_sagalog AS log
SET status = settled.status, generation = settled.generation, answer_type = settled.answer_type,
    answer_version = settled.answer_version, answer = settled.answer, changed_at = now()
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::int[], %b::text[], %b::int[], %b::bytea[])
  AS settled (saga_id, step, status, generation, answer_type, answer_version, answer)
WHERE log.saga_id = settled.saga_id AND log.step = settled.step
"""

# Take back claims of this transaction.
UNCLAIM = """
DELETE FROM {context}_sagalog AS log
USING unnest(%b::uuid[], %b::text[]) AS given (saga_id, step)
WHERE log.saga_id = given.saga_id AND log.step = given.step
"""

# A step that was done before anybody asked: the start of a saga.
RECORD_DONE = """
INSERT INTO {context}_sagalog
  (saga_id, step, status, generation, answer_type, answer_version, answer, started_at, changed_at)
VALUES (%b, %b, 'done', 1, %b, %b, %b, now(), now())
"""

Key = tuple[UUID, str]


class Answer(NamedTuple):
    """The stored outcome of a step: the event that told of it."""

    type: str = ""
    version: int = 1
    payload: bytes = b""


class Entry(NamedTuple):
    """A row of the log as it was found."""

    row: Row
    answer: Answer


class Settled(NamedTuple):
    """A row of the log as it shall be."""

    saga_id: UUID
    step: str
    status: Status
    generation: int
    answer: Answer


class SagaLogTable:
    """The saga log of one context."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def claim(
        self, asked: Sequence[tuple[UUID, str, int]], found: Sequence[Key] = ()
    ) -> dict[Key, Entry]:
        """Lock one row for each (saga, step, generation); what was there before, by key.

        A key that is missing in the result had no row: it is now claimed, as DOING, and must be
        settled or unclaimed in this transaction. Rows of the keys that are to be `found` are locked
        where they are there, and never made.
        """
        ordered = sorted(asked)
        claimed = set(self.database.fetch(CLAIM, columns(ordered, 3))) if ordered else set()
        present = [(saga, step) for saga, step, _ in ordered if (saga, step) not in claimed]
        present += found
        return self._read(present) if present else {}

    def unclaim(self, keys: Iterable[Key]) -> None:
        """Take back rows that this transaction has claimed, as if nobody had asked for them."""
        if rows := list(keys):
            self.database.send(UNCLAIM, columns(rows, 2))

    def lock(self, saga_id: UUID, step: str) -> Entry:
        """Lock a row that is there. Raises KeyError where it is not."""
        return self._read([(saga_id, step)])[saga_id, step]

    def settle(self, rows: Iterable[Settled]) -> None:
        """Store outcomes in rows that are claimed or locked."""
        flat = [(r.saga_id, r.step, r.status, r.generation, *r.answer) for r in rows]
        if flat:
            self.database.send(SETTLE, columns(flat, 7))

    def record_done(self, saga_id: UUID, step: str, answer: Answer) -> None:
        """Write a step that its own context did unasked. An IntegrityError is raised if it is
        there; in a pipeline by a later statement, or by the commit."""
        self.database.send(RECORD_DONE, (saga_id, step, *answer))

    def _read(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        found = self.database.fetch(READ, columns(keys, 2))
        return {
            (saga, step): Entry(Row(Status(status), generation), Answer(*answer))
            for saga, step, status, generation, *answer in found
        }
