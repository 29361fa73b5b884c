"""Parking: a message that cannot be handled is kept as it was read, and others go on.

Later actions of its saga in this context wait behind a parked action. A compensation always
passes: it buries the step and supersedes the parked action in the same transaction. A re-sent
command takes the place of its parked copy. When no action of a saga is parked any more, what waited
is published again. What people do with parked messages is in dead_letter_operations.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from apps.contracts import headers as h
from apps.contracts.catalogue import Action
from apps.messaging.database import Database, columns
from apps.messaging.dead_letter_copies import copy_of, texts_of
from apps.messaging.fingerprint import fingerprint_of
from apps.messaging.models import ParkedStatus
from apps.messaging.outbox import encode_headers, post
from apps.messaging.record import Record
from apps.messaging.relay import Letter
from apps.messaging.request import Request

# What of these sagas is parked and asked of this context. Held until the end of the transaction:
# what one batch lets wait behind a parked action is there when another, or a person who gives a
# parked one up, lets go what waited.
PARKED = """
SELECT id, saga_id, step, action, generation FROM {context}_deadletter
WHERE saga_id = ANY(%b::uuid[]) AND status = 'parked' AND (blocks_saga OR closes_step)
ORDER BY id FOR UPDATE
"""

# Keep one message. A record that is read again after a crash is there already, settled or not; a
# request of which a copy is parked is REPLACEd.
KEEP = """
INSERT INTO {context}_deadletter
  (id, status, version, blocks_saga, closes_step, message_id, saga_id, step, action, generation,
   type, topic, partition, "offset", key, headers, payload, error_type, error, fingerprint,
   attempts, replays, parked_at, failed_at)
VALUES
  (%(id)b, %(status)b, 0, %(blocks_saga)b, %(closes_step)b, %(message_id)b, %(saga_id)b, %(step)b,
   %(action)b, %(generation)b, %(type)b, %(topic)b, %(partition)b, %(offset)b, %(key)b,
   %(headers)b, %(payload)b, %(error_type)b, %(error)b, %(fingerprint)b, %(attempts)b, 0, now(),
   CASE WHEN %(status)b = 'parked' THEN now() END)
ON CONFLICT DO NOTHING
"""

# A request that failed again takes the place of its parked copy, unless this very record was
# settled before. Where it is an operator's correction that failed, the original stays beside it.
REPLACE = """
UPDATE {context}_deadletter AS parked
SET version = version + 1, message_id = %(message_id)b, topic = %(topic)b,
    partition = %(partition)b, "offset" = %(offset)b,
    headers = CASE WHEN edited_payload = %(payload)b THEN headers ELSE %(headers)b END,
    payload = CASE WHEN edited_payload = %(payload)b THEN payload ELSE %(payload)b END,
    error_type = %(error_type)b, error = %(error)b, fingerprint = %(fingerprint)b,
    attempts = attempts + %(attempts)b, failed_at = now()
WHERE saga_id = %(saga_id)b AND step = %(step)b AND action = %(action)b
  AND generation = %(generation)b AND status = 'parked' AND (blocks_saga OR closes_step)
  AND NOT EXISTS (
    SELECT FROM {context}_deadletter AS other
    WHERE other.topic = %(topic)b AND other.partition = %(partition)b
      AND other."offset" = %(offset)b AND other.message_id = %(message_id)b
      AND other.id <> parked.id)
"""

# Whether a request was carried out meanwhile, by a copy of its message.
CARRIED_OUT = """
SELECT EXISTS (SELECT FROM {context}_sagalog WHERE saga_id = %b AND step = %b AND generation >= %b)
"""

# parked or waiting -> settled.
SETTLE = """
UPDATE {context}_deadletter AS letter
SET status = settled.status, version = version + 1, settled_at = now()
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


class ParkedRequest(NamedTuple):
    """What stands in the dead letters and was asked of this context."""

    id: UUID
    saga_id: UUID
    step: str
    action: str
    generation: int

    @property
    def blocks_saga(self) -> bool:
        """Whether later actions of its saga wait behind it."""
        return self.action == Action.DO


class DeadLetters:
    """The dead letters of one context."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def parked_of(self, sagas: Iterable[UUID]) -> Callable[[], list[ParkedRequest]]:
        """Lock the parked requests of these sagas; what this gives tells them."""
        rows = self.database.ask(PARKED, [list(set(sagas))])
        return lambda: [ParkedRequest(*row) for row in rows()]

    def park(
        self, record: Record, request: Request | None, error: BaseException, attempts: int
    ) -> None:
        """Keep a message that failed so often, and send a copy to `<topic>_dlq`.

        `request` is what it asks of this context, of which one copy is kept; None where it asks
        for nothing. Nobody waits for an action of which a copy had more luck: nobody would send
        this one again.
        """
        if request and self._is_carried_out(request):
            request = None
        row = _row(record, request, ParkedStatus.PARKED, error, attempts)
        self._keep(row)
        post(self.database, [copy_of(record, **named(error), attempts=attempts)])

    def park_bare(
        self, record: Record, error: BaseException, attempts: int, in_the_way: BaseException
    ) -> None:
        """Keep only place, saga and payload of a message that cannot be parked as it was read, and
        what was in the way of that. It holds nobody up, and no copy is sent."""
        bare = Record(record.topic, record.partition, record.offset, None, {}, record.payload)
        row = _row(bare, None, ParkedStatus.PARKED, error, attempts)
        why = ", ".join(named(in_the_way).values())
        row["error"] += f" (kept without headers: {why})"
        row["saga_id"] = record.saga_id
        self._keep(row)

    def _keep(self, row: dict[str, Any]) -> None:
        """One of three takes it: nothing was there, a copy was, or a copy is settled meanwhile."""
        for statement in (KEEP, REPLACE, KEEP):
            if self.database.execute(statement, row):
                return

    def _is_carried_out(self, request: Request) -> bool:
        if request.action is not Action.DO:
            return False
        asked = (request.saga_id, request.step, request.generation)
        return bool(self.database.fetch(CARRIED_OUT, asked)[0][0])

    def wait(self, record: Record, request: Request) -> None:
        """Keep an action until nothing of its saga is parked any more."""
        self.database.execute(KEEP, _row(record, request, ParkedStatus.WAITING, None, 0))

    def settle(self, outcomes: Sequence[tuple[UUID, UUID | None, ParkedStatus]]) -> None:
        """Close parked messages, each (id, saga, outcome), and let go what waited behind them."""
        rows = [(id, status) for id, _, status in outcomes]
        self.database.execute(SETTLE, columns(rows, 2))
        self._release({saga_id for _, saga_id, _ in outcomes if saga_id})

    def _release(self, sagas: Iterable[UUID]) -> None:
        rows = self.database.fetch(RELEASABLE, [list(sagas)])
        post(self.database, [sent_again(*row[1:]) for row in rows])
        settled = [(row[0], ParkedStatus.RELEASED) for row in rows]
        self.database.execute(SETTLE, columns(settled, 2))


class ParkedBehind:
    """The parked requests that concern one batch: who waits for them, and who settles them."""

    def __init__(self, letters: DeadLetters, sagas: Iterable[UUID]) -> None:
        self.letters = letters
        self.settled: list[tuple[UUID, UUID | None, ParkedStatus]] = []
        self._found = letters.parked_of(sagas)

    @cached_property
    def parked(self) -> dict[UUID, list[ParkedRequest]]:
        """By saga, the oldest first. Waits for the database, the first time."""
        parked: dict[UUID, list[ParkedRequest]] = defaultdict(list)
        for each in self._found():
            parked[each.saga_id].append(each)
        return parked

    def must_wait(self, request: Request) -> bool:
        """See waits_behind."""
        return bool(self.parked) and waits_behind(self.parked[request.saga_id], request)

    def carried_out(self, request: Request) -> None:
        """A request was decided: its parked copy is settled; a compensation supersedes it."""
        if not self.parked:
            return
        for each in list(self.parked[request.saga_id]):
            if outcome := outcome_of(each, request):
                self.parked[request.saga_id].remove(each)
                self.settled.append((each.id, each.saga_id, outcome))

    def save(self) -> None:
        """Write what was settled."""
        if self.settled:
            self.letters.settle(self.settled)


def describe(error: BaseException) -> str:
    """An error in one line. Of a database error only its message: its detail holds row values."""
    if isinstance(error, psycopg.Error):
        return error.diag.message_primary or type(error).__name__
    line = " ".join(str(error).split())
    return line[:500].replace("\0", "\\0")  # which PostgreSQL's text cannot hold


def named(error: BaseException) -> dict[str, str]:
    """An error by its type, and in a line."""
    return {"error_type": type(error).__name__, "error": describe(error)}


def sent_again(topic: str, saga_id: UUID | None, headers: str, payload: bytes) -> Letter:
    """A kept message as it is published once more, with a message id of its own."""
    message_id = uuid7()
    texts = msgspec.json.decode(headers, type=dict[str, str]) | {h.MESSAGE_ID: str(message_id)}
    return Letter(message_id, topic, saga_id or uuid7(), texts, bytes(payload))


def waits_behind(parked: Iterable[ParkedRequest], request: Request) -> bool:
    """Only actions wait. A re-sent or replayed one waits neither for its own copy nor for those
    that were parked after it: they wait for it. `parked` is in order, the oldest first."""
    if request.action is not Action.DO:
        return False
    oldest = next((each for each in parked if each.blocks_saga), None)
    return oldest is not None and not is_copy(oldest, request)


def is_copy(parked: ParkedRequest, request: Request) -> bool:
    """Whether carrying out the request carries out what is parked."""
    return (parked.step, parked.action) == (request.step, request.action) and (
        request.generation >= parked.generation
    )


def outcome_of(parked: ParkedRequest, request: Request) -> ParkedStatus | None:
    """What becomes of a parked request when another of its saga is carried out; None: nothing."""
    if is_copy(parked, request):
        return ParkedStatus.REPLAYED
    closed = parked.step == request.step and request.action is not Action.DO
    return ParkedStatus.SUPERSEDED if closed and parked.blocks_saga else None


def _row(
    record: Record,
    request: Request | None,
    status: ParkedStatus,
    error: BaseException | None,
    attempts: int,
) -> dict[str, Any]:
    envelope = record.envelope
    told = request or (envelope.request if envelope else None)
    step = told.step if told else ""
    type_name = envelope.type if envelope else ""
    return {
        "id": uuid7(),
        "status": status.value,
        "blocks_saga": request is not None and request.action is Action.DO,
        "closes_step": request is not None and request.action is not Action.DO,
        "message_id": envelope.message_id if envelope else _made_up_id(record),
        "saga_id": record.saga_id,
        "step": step,
        "action": told.action.value if told else "",
        "generation": told.generation if told else 0,
        "type": type_name,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key,
        "headers": encode_headers(texts_of(record)),
        "payload": record.payload,
        "attempts": attempts,
        **_why(error, type_name, step),
    }


def _why(error: BaseException | None, type_name: str, step: str) -> dict[str, str]:
    """Empty for a message that only waits."""
    if error is None:
        return {"error_type": "", "error": "", "fingerprint": ""}
    facts = named(error)
    return {**facts, "fingerprint": fingerprint_of(**facts, type=type_name, step=step)}


def _made_up_id(record: Record) -> UUID:
    """For a message whose own id cannot be read: the same whenever this very one is read again."""
    return uuid5(NAMESPACE_OID, record.place + sha256(record.payload).hexdigest())
