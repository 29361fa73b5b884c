"""Parking: a message that cannot be handled is kept as it was read, and others go on.

Later actions of its saga in this context wait behind a parked action. A compensation always
passes: it buries the step and supersedes the parked action in the same transaction. A re-sent
command takes the place of its parked copy. When nothing of a saga is parked any more, what waited
is published again.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from apps.contracts import headers as h
from apps.contracts.catalogue import Action
from apps.messaging.database import Database, columns
from apps.messaging.errors import NothingToReplay
from apps.messaging.models import ParkedStatus
from apps.messaging.outbox import encode_headers, post
from apps.messaging.record import Record
from apps.messaging.relay import Letter
from apps.messaging.request import Request

DEAD_LETTER_SUFFIX = "_dlq"

# What of these sagas is parked.
PARKED = """
SELECT id, saga_id, step, generation FROM {context}_deadletter
WHERE saga_id = ANY(%b::uuid[]) AND status = 'parked' AND blocks_saga
"""

COLUMNS = """
  (id, status, blocks_saga, message_id, saga_id, step, action, generation, type, topic, partition,
   "offset", key, headers, payload, error_type, error, attempts, replays, parked_at)
"""
VALUES = f"VALUES ({', '.join(['%b'] * 18)}, 0, now())"

# Keep one message. A record that is read again after a crash is there already.
KEEP = f"INSERT INTO {{context}}_deadletter {COLUMNS} {VALUES} ON CONFLICT DO NOTHING"

# Park an action; a copy of the same request that is parked already gives way to it.
PARK_ACTION = f"""
INSERT INTO {{context}}_deadletter AS parked {COLUMNS} {VALUES}
ON CONFLICT (saga_id, step, action, generation) WHERE status = 'parked' AND blocks_saga
DO UPDATE SET message_id = excluded.message_id, topic = excluded.topic,
  partition = excluded.partition, "offset" = excluded."offset", headers = excluded.headers,
  payload = excluded.payload, error_type = excluded.error_type, error = excluded.error,
  attempts = parked.attempts + excluded.attempts
"""

# Whether a request was carried out meanwhile, by a copy of its message.
CARRIED_OUT = """
SELECT EXISTS (SELECT FROM {context}_sagalog WHERE saga_id = %b AND step = %b AND generation >= %b)
"""

# parked or waiting -> settled.
SETTLE = """
UPDATE {context}_deadletter AS letter SET status = settled.status, settled_at = now()
FROM unnest(%b::uuid[], %b::text[]) AS settled (id, status)
WHERE letter.id = settled.id AND letter.status IN ('parked', 'waiting')
"""

# What waited behind the parked messages of these sagas, where none is parked any more.
RELEASABLE = """
SELECT id, topic, saga_id, headers, payload FROM {context}_deadletter AS waiting
WHERE saga_id = ANY(%b::uuid[]) AND status = 'waiting'
  AND NOT EXISTS (SELECT FROM {context}_deadletter AS parked
                  WHERE parked.saga_id = waiting.saga_id AND parked.status = 'parked'
                    AND parked.blocks_saga)
ORDER BY id FOR UPDATE
"""

# The parked message of an id, held until it is settled.
TAKE_PARKED = """
SELECT id, topic, saga_id, headers, payload, blocks_saga FROM {context}_deadletter
WHERE id = %b AND status = 'parked' FOR UPDATE
"""

# Count a replay. An action stays parked until its request is carried out.
COUNT_REPLAY = """
UPDATE {context}_deadletter
SET replays = replays + 1,
    status = CASE WHEN blocks_saga THEN status ELSE 'replayed' END,
    settled_at = CASE WHEN blocks_saga THEN NULL ELSE now() END
WHERE id = %b
"""


class ParkedAction(NamedTuple):
    """An action that stands in the dead letters."""

    id: UUID
    saga_id: UUID
    step: str
    generation: int


class DeadLetters:
    """The dead letters of one context."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def parked_of(self, sagas: Iterable[UUID]) -> list[ParkedAction]:
        """The parked actions of these sagas."""
        rows = self.database.fetch(PARKED, [list(set(sagas))])
        return [ParkedAction(*row) for row in rows]

    def park(
        self, record: Record, request: Request | None, error: BaseException, attempts: int
    ) -> None:
        """Keep a message that failed so often, and send a copy to `<topic>_dlq`.

        `request` is the action that waits to be carried out, which later actions of its saga wait
        for; None where the message asks this context for nothing. They do not wait where a copy of
        the message had more luck: nobody would send this one again.
        """
        if request and self._is_carried_out(request):
            request = None
        statement = PARK_ACTION if request else KEEP
        row = _row(record, request, ParkedStatus.PARKED, error, attempts)
        self.database.execute(statement, row)
        post(self.database, [_copy_for_dead_letter_topic(record, error, attempts)])

    def _is_carried_out(self, request: Request) -> bool:
        asked = (request.saga_id, request.step, request.generation)
        return bool(self.database.fetch(CARRIED_OUT, asked)[0][0])

    def wait(self, record: Record, request: Request) -> None:
        """Keep an action until nothing of its saga is parked any more."""
        row = _row(record, request, ParkedStatus.WAITING, None, 0)
        self.database.execute(KEEP, row)

    def settle(self, outcomes: Sequence[tuple[ParkedAction, ParkedStatus]]) -> None:
        """Close parked actions, and let go what waited behind them."""
        rows = [(action.id, status) for action, status in outcomes]
        self.database.execute(SETTLE, columns(rows, 2))
        self._release({action.saga_id for action, _ in outcomes})

    def _release(self, sagas: Iterable[UUID]) -> None:
        rows = self.database.fetch(RELEASABLE, [list(sagas)])
        post(self.database, [_again(*row) for row in rows])
        settled = [(row[0], ParkedStatus.RELEASED) for row in rows]
        self.database.execute(SETTLE, columns(settled, 2))

    def replay(self, letter_id: UUID) -> None:
        """Publish a parked message again, in one transaction. Raises NothingToReplay."""
        with self.database.transaction():
            found = self.database.fetch(TAKE_PARKED, [letter_id])
            if not found:
                raise NothingToReplay(id=str(letter_id), context=self.database.alias)
            post(self.database, [_again(*found[0][:5])])
            self.database.execute(COUNT_REPLAY, [letter_id])


class ParkedBehind:
    """The parked actions that concern one batch: who waits for them, and who settles them."""

    def __init__(self, letters: DeadLetters, sagas: Iterable[UUID]) -> None:
        self.letters = letters
        self.parked: dict[UUID, list[ParkedAction]] = defaultdict(list)
        self.settled: list[tuple[ParkedAction, ParkedStatus]] = []
        for action in letters.parked_of(sagas):
            self.parked[action.saga_id].append(action)

    def must_wait(self, request: Request) -> bool:
        """Only actions wait, and a re-sent or replayed one does not wait for its own copy."""
        if not self.parked or request.action is not Action.DO:
            return False
        return any(not _is_copy(each, request) for each in self.parked[request.saga_id])

    def carried_out(self, request: Request) -> None:
        """A request was decided: its parked copy is settled; a compensation supersedes it."""
        if not self.parked:
            return
        superseding = request.action is not Action.DO
        outcome = ParkedStatus.SUPERSEDED if superseding else ParkedStatus.REPLAYED
        for each in list(self.parked[request.saga_id]):
            if each.step == request.step and (superseding or _is_copy(each, request)):
                self.parked[request.saga_id].remove(each)
                self.settled.append((each, outcome))

    def save(self) -> None:
        """Write what was settled."""
        if self.settled:
            self.letters.settle(self.settled)


def replay_parked(*, context: str, letter_id: UUID) -> None:
    """Send a parked message to its topic again. Raises NothingToReplay if it is not parked.

    An action stays parked until its request is carried out: if that fails again, it is parked
    where it was, and what waits behind it goes on waiting.
    """
    DeadLetters(Database(context)).replay(letter_id)


def describe(error: BaseException) -> str:
    """An error in one line. Of a database error only its message: its detail holds row values."""
    if isinstance(error, psycopg.Error):
        return error.diag.message_primary or type(error).__name__
    return str(error)[:500].replace("\0", "\\0")  # which PostgreSQL's text cannot hold


def _is_copy(parked: ParkedAction, request: Request) -> bool:
    return parked.step == request.step and request.generation >= parked.generation


def _row(
    record: Record,
    request: Request | None,
    status: ParkedStatus,
    error: BaseException | None,
    attempts: int,
) -> list[Any]:
    envelope = record.envelope
    told = request or (envelope.request if envelope else None)
    return [
        uuid7(),
        status.value,
        request is not None,
        envelope.message_id if envelope else _made_up_id(record),
        record.saga_id,
        told.step if told else "",
        told.action.value if told else "",
        told.generation if told else 0,
        envelope.type if envelope else "",
        record.topic,
        record.partition,
        record.offset,
        record.key,
        encode_headers(_as_text(record)),
        record.payload,
        type(error).__name__ if error else "",
        describe(error) if error else "",
        attempts,
    ]


def _made_up_id(record: Record) -> UUID:
    """For a message whose own id cannot be read: the same whenever this very one is read again."""
    place = f"{record.topic}/{record.partition}/{record.offset}"
    return uuid5(NAMESPACE_OID, place + sha256(record.payload).hexdigest())


def _as_text(record: Record) -> dict[str, str]:
    return {
        name: (value or b"").decode("utf-8", "backslashreplace")
        for name, value in record.headers.items()
    }


def _copy_for_dead_letter_topic(record: Record, error: BaseException, attempts: int) -> Letter:
    place = f"{record.topic}/{record.partition}/{record.offset}"
    headers = _as_text(record) | {
        "error_type": type(error).__name__,
        "error": describe(error),
        "attempts": str(attempts),
        "read_from": place,
    }
    saga_id = record.saga_id or uuid7()
    return Letter(uuid7(), record.topic + DEAD_LETTER_SUFFIX, saga_id, headers, record.payload)


def _again(id: UUID, topic: str, saga_id: UUID | None, headers: str, payload: bytes) -> Letter:
    message_id = uuid7()
    texts = msgspec.json.decode(headers, type=dict[str, str]) | {h.MESSAGE_ID: str(message_id)}
    return Letter(message_id, topic, saga_id or uuid7(), texts, bytes(payload))
