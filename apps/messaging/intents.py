"""Intents: outside calls as rows. The row is the job; who carries it out holds a lease on it.

`calls` makes them. An intent that no worker ever claimed can be withdrawn; one that may be under
way comes to a definite outcome first. Whatever a worker writes names its lease, so that one whose
lease ran out changes nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action, command_topic
from apps.contracts.plan import Mode
from apps.contracts.reading import read
from apps.messaging import barrier
from apps.messaging.database import Database, Row, columns
from apps.messaging.envelope import Envelope, read_envelope
from apps.messaging.handling import Call, CallOutside, OutsideCall
from apps.messaging.logs import order_of
from apps.messaging.models import IntentStatus
from apps.messaging.request import Request
from apps.messaging.tracing import tracer

# Lock the open calls of some steps, so that no worker claims them meanwhile.
LOCK_OPEN = """
SELECT saga_id, step, id, action, generation, operation, subject, key, details, status, attempt,
       called_at, undo, fence, coalesce(leased_until > now(), false), reason
FROM {context}_intent
WHERE (saga_id, step) IN (SELECT * FROM unnest(%b::uuid[], %b::text[]))
  AND status IN ('due', 'claimed', 'unknown', 'waiting', 'refused')
ORDER BY id FOR UPDATE
"""

# Write new calls, due at once.
INSERT = """
INSERT INTO {context}_intent (id, saga_id, step, action, generation, operation, subject, details,
  key, status, due_at, request, created_at, changed_at)
SELECT id, saga_id, step, action, generation, operation, subject, details,
  key, 'due', now(), request, now(), now()
FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::int[], %b::text[], %b::text[],
            %b::bytea[], %b::text[], %b::text[])
  AS given (id, saga_id, step, action, generation, operation, subject, details, key, request)
"""

# due or refused -> withdrawn: never called, or called in vain. The caller holds the rows' locks.
WITHDRAW = """
UPDATE {context}_intent
SET status = 'withdrawn', changed_at = now(), request = (request::jsonb - 'inputs')::text
WHERE id = ANY(%b::uuid[]) AND status IN ('due', 'refused')
"""

# due, claimed, unknown, waiting -> settled: recorded by hand. The caller holds the rows' locks.
SETTLE_BY_HAND = """
UPDATE {context}_intent
SET status = 'settled', lease = NULL, leased_until = NULL, reason = 'by hand', changed_at = now(),
    request = (request::jsonb - 'inputs')::text
WHERE id = ANY(%b::uuid[]) AND status IN ('due', 'claimed', 'unknown', 'waiting', 'refused')
"""

# Ask again now: somebody does not want to wait until the outcome is asked for by itself. If the
# outside world still wants time, it says so again.
HASTEN = """
UPDATE {context}_intent SET due_at = now(), changed_at = now()
WHERE id = ANY(%b::uuid[]) AND status IN ('due', 'unknown', 'waiting') AND due_at > now()
"""

# A compensation or a Fence waits for the outcome of a call; the first one is answered.
REMEMBER = """
UPDATE {context}_intent AS intent
SET undo = coalesce(nullif(intent.undo, ''), given.undo),
    fence = coalesce(nullif(intent.fence, ''), given.fence),
    due_at = CASE WHEN status IN ('waiting', 'unknown') THEN now() ELSE due_at END,
    changed_at = now()
FROM unnest(%b::uuid[], %b::text[], %b::text[]) AS given (id, undo, fence)
WHERE intent.id = given.id
"""

# Claim so many calls of some operations, those that have been due for longest: due, unknown,
# waiting, or claimed under a lease that has run out -> claimed. Of one subject only that which is
# under way is to be had; where none is, the oldest. That is looked for call by call, by subject:
# of a join, or of an index of open calls, PostgreSQL may believe, when many have just come, that
# there is next to nothing in it, and read all of it for each. (So the open states are not named
# there, but the others.) They are chosen in a WITH, which is carried out once: a subquery that is
# joined may be carried out once per row, and each time choose others.
CLAIM = """
WITH chosen AS MATERIALIZED (
  SELECT id, called_at FROM {context}_intent AS candidate
  WHERE status IN ('due', 'claimed', 'unknown', 'waiting')
    AND (status <> 'claimed' AND due_at <= now() OR status = 'claimed' AND leased_until <= now())
    AND operation = ANY(%b::text[])
    AND id = (
      SELECT other.id FROM {context}_intent AS other
      WHERE other.subject = candidate.subject
        AND other.status NOT IN ('refused', 'settled', 'withdrawn')
      ORDER BY other.status = 'due', other.id LIMIT 1)
  ORDER BY due_at LIMIT %b FOR UPDATE SKIP LOCKED)
UPDATE {context}_intent AS intent
SET status = 'claimed', lease = gen_random_uuid(), leased_until = now() + make_interval(secs => %b),
    attempt = attempt + 1, called_at = coalesce(intent.called_at, now()), changed_at = now()
FROM chosen WHERE intent.id = chosen.id
RETURNING intent.id, lease, saga_id, step, action, generation, operation, subject, key, details,
          attempt, intent.called_at, chosen.called_at IS NOT NULL, undo, fence, request
"""

# due, unknown, waiting, or claimed under a lease that has run out -> due or unknown later: the
# provider of these operations is not called now, so this is no attempt, and what was never called
# can still be withdrawn. What has another lock is put off the next time.
HOLD_BACK = """
UPDATE {context}_intent AS intent
SET status = CASE WHEN status = 'claimed' THEN 'unknown' ELSE status END,
    lease = NULL, leased_until = NULL, due_at = %b, reason = %b, changed_at = now()
WHERE id IN (
  SELECT id FROM {context}_intent
  WHERE status IN ('due', 'claimed', 'unknown', 'waiting')
    AND (status <> 'claimed' AND due_at <= now() OR status = 'claimed' AND leased_until <= now())
    AND operation = ANY(%b::text[])
  ORDER BY due_at LIMIT %b FOR UPDATE SKIP LOCKED)
RETURNING request, undo, fence, due_at
"""

# What was held back for such a reason is due at once.
LET_GO = """
UPDATE {context}_intent SET due_at = now(), changed_at = now()
WHERE id IN (
  SELECT id FROM {context}_intent
  WHERE status IN ('due', 'unknown', 'waiting') AND due_at > now()
    AND operation = ANY(%b::text[]) AND starts_with(reason, %b::text)
  ORDER BY id FOR UPDATE)
"""

# What waits for a call that is still this worker's, locked until its outcome is recorded.
HOLD = """
SELECT request, undo, fence FROM {context}_intent
WHERE id = %b AND lease = %b AND generation = %b AND status = 'claimed' FOR UPDATE
"""

# claimed -> settled or refused, by the worker that has the lease.
CLOSE = """
UPDATE {context}_intent
SET status = %b, lease = NULL, leased_until = NULL, reason = %b, changed_at = now(),
    request = (request::jsonb - 'inputs')::text
WHERE id = %b AND lease = %b AND status = 'claimed'
"""

# They have their outcome, or will never be made: what is personal in them is not needed any more.
FORGET = """
UPDATE {context}_intent AS intent
SET details = convert_to((convert_from(details, 'UTF8')::jsonb - personal)::text, 'UTF8')
FROM unnest(%b::uuid[], %b::text[]) AS given (id, personal) WHERE intent.id = given.id
"""

# claimed -> unknown or waiting, or due again if nothing was called, by the worker with the lease.
# Never at once, whatever time the outside world names.
PUT_OFF = """
UPDATE {context}_intent
SET status = %b, lease = NULL, leased_until = NULL, reason = %b,
    due_at = greatest(%b, now() + make_interval(secs => %b)),
    called_at = CASE WHEN %b THEN called_at END, changed_at = now()
WHERE id = %b AND lease = %b AND status = 'claimed'
RETURNING request, undo, fence, due_at
"""


class OpenIntent(NamedTuple):
    """An open call as the barrier finds it, locked."""

    id: UUID
    request: Request  # that it answers
    operation: str
    subject: str
    key: str
    details: bytes
    status: IntentStatus
    attempt: int
    called_at: datetime | None
    undo: str
    fence: str
    leased: bool  # a worker has it in hand now
    reason: str  # why it waits, or was refused

    @property
    def for_barrier(self) -> barrier.Intent:
        """What decides about requests."""
        return barrier.Intent(
            generation=self.request.generation,
            tried=self.called_at is not None,
            refused=self.status is IntentStatus.REFUSED,
            undo_requested=bool(self.undo),
        )


class Claimed(NamedTuple):
    """A call that this worker has to itself until its lease ends."""

    id: UUID
    lease: UUID
    request: Request
    operation: str
    subject: str
    key: str
    details: bytes
    attempt: int
    called_at: datetime
    called_before: bool  # it was claimed before, so it may have been made already
    unwanted: bool
    asked: str  # headers of the request that it answers


class Waiting(NamedTuple):
    """Headers of the requests that wait for a call: what it answers, a compensation, a Fence."""

    request: str
    undo: str
    fence: str


class PutOff(NamedTuple):
    """Headers of the requests that wait for a call which is made again later."""

    request: str
    undo: str
    fence: str
    due_at: datetime

    def who_waits(self, context: str) -> Envelope:
        """The request that is told: a compensation, where one has come; else what it answers."""
        return tracer().within(kept(self.undo or self.request, command_topic(context)))


class IntentTable:
    """The intents of one context."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # --- in the transaction of the barrier

    def lock(self, steps: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], OpenIntent]:
        """The open calls of these (saga, step), locked."""
        rows = self.database.fetch(LOCK_OPEN, columns(steps, 2)) if steps else []
        return {(row[0], row[1]): _open(row) for row in rows}

    def add(self, wanted: Sequence[tuple[Envelope, CallOutside]]) -> None:
        """Write the calls that these requests want."""
        if wanted:
            self.database.send(INSERT, columns([_new(*each) for each in wanted], 10))

    def withdraw(self, ids: Iterable[UUID]) -> None:
        """Calls that were never made, or refused, are not to be made any more."""
        self._change(WITHDRAW, ids)

    def settle_by_hand(self, ids: Iterable[UUID]) -> None:
        """Calls whose outcome a person has recorded."""
        self._change(SETTLE_BY_HAND, ids)

    def forget(self, ended: Iterable[tuple[UUID, str]]) -> None:
        """Calls that are open no more do not keep this field of their details."""
        rows = [(id, personal) for id, personal in ended if personal]
        if rows:
            self.database.send(FORGET, columns(rows, 2))

    def hasten(self, ids: Iterable[UUID]) -> None:
        """Calls that wait for a time are to be made now."""
        self._change(HASTEN, ids)

    def remember(self, waiting: Sequence[tuple[UUID, Envelope]]) -> None:
        """Compensations and Fences that are answered when these calls have their outcome."""
        rows = [_remembered(*each) for each in waiting]
        if rows:
            self.database.send(REMEMBER, columns(rows, 3))

    def _change(self, statement: str, ids: Iterable[UUID]) -> None:
        if given := list(ids):
            self.database.send(statement, [given])

    # --- by a worker

    def claim(self, lease_seconds: float, operations: Iterable[str], most: int) -> list[Claimed]:
        """The calls of these operations that have been due for longest, so many at most, in the
        order in which they were wanted, each under a lease of its own. Of one subject there is one
        at most."""
        given = (list(operations), most, float(lease_seconds))
        return sorted(map(_claimed, self.database.fetch(CLAIM, given)), key=attrgetter("id"))

    def hold_back(
        self, operations: Iterable[str], until: datetime, reason: str, most: int
    ) -> list[PutOff]:
        """Calls of these operations that are due are not made before a time; who waits for them.
        So many at most."""
        given = (until, reason, list(operations), most)
        return sorted(PutOff(*row) for row in self.database.fetch(HOLD_BACK, given))

    def let_go(self, operations: Iterable[str], reason: str) -> int:
        """What was held back for a reason that begins so is due now; how many calls."""
        return self.database.execute(LET_GO, (list(operations), reason))

    def hold(self, claimed: Claimed) -> Waiting | None:
        """Who waits for a call, in a transaction that records it. None where the lease is lost."""
        rows = self.database.fetch(HOLD, (claimed.id, claimed.lease, claimed.request.generation))
        return Waiting(*rows[0]) if rows else None

    def close(self, claimed: Claimed, status: IntentStatus, reason: str) -> None:
        """A call that is held has a definite outcome."""
        closed = self.database.execute(CLOSE, (status.value, reason, claimed.id, claimed.lease))
        assert closed == 1, "a call that is held is claimed"

    def put_off(
        self,
        claimed: Claimed,
        status: IntentStatus,
        reason: str,
        *,
        until: datetime | None = None,
        seconds: float,
    ) -> PutOff | None:
        """Ask again in so many seconds, or at a later time; who waits meanwhile, and until when.
        None where the lease is lost."""
        touched = status is not IntentStatus.DUE
        when = (status.value, reason, until, seconds, touched)
        rows = self.database.fetch(PUT_OFF, (*when, claimed.id, claimed.lease))
        return PutOff(*rows[0]) if rows else None


# --- headers of requests, kept until they are answered


def keep(envelope: Envelope) -> str:
    """A request's headers as text. Compensations and Fences have nothing else that matters."""
    return msgspec.json.encode(envelope.headers() | {"payload": envelope.payload.decode()}).decode()


def kept(text: str, topic: str) -> Envelope:
    """The request again."""
    headers = read(text, dict[str, str])
    payload = headers.pop("payload").encode()
    raw: dict[str, bytes | None] = {name: value.encode() for name, value in headers.items()}
    return read_envelope(topic, raw, payload)


def call_of(found: OpenIntent | Claimed, operation: OutsideCall) -> Call:
    """The call as it is made and recorded."""
    return Call(
        request=found.request,
        operation=found.operation,
        subject=found.subject,
        key=found.key,
        details=read(found.details, operation.details),
        attempt=found.attempt,
        called_at=found.called_at,  # type: ignore[arg-type]  # by hand: perhaps never made
        unwanted=isinstance(found, Claimed) and found.unwanted,
    )


def facts(claimed: Claimed) -> dict[str, str]:
    """Which call it is, for the log."""
    request = claimed.request
    return {
        "saga_id": str(request.saga_id), "step": request.step, "operation": claimed.operation,
        **order_of(claimed.details),
    }  # fmt: skip


def key_of(request: Request, operation: str) -> str:
    """Under which the outside world knows a call: one per step, operation and generation."""
    return f"{request.saga_id}-{request.step}-{operation}-{request.generation}"


def _new(envelope: Envelope, wanted: CallOutside) -> Row:
    request = envelope.request
    return (
        uuid7(), request.saga_id, request.step, request.action, request.generation,
        wanted.operation, wanted.subject, msgspec.json.encode(wanted.details),
        key_of(request, wanted.operation), keep(without_inputs(envelope)),
    )  # fmt: skip


def without_inputs(envelope: Envelope) -> Envelope:
    """What is answered needs no payload; an address has no place here."""
    return msgspec.structs.replace(envelope, payload=b"{}")


def _remembered(intent_id: UUID, envelope: Envelope) -> Row:
    headers = keep(envelope)
    undo = envelope.request.action is Action.UNDO
    return (intent_id, headers if undo else "", "" if undo else headers)


def _request(saga_id: UUID, step: str, action: str, generation: int) -> Request:
    return Request(saga_id, step, Action(action), generation, Mode.ORCHESTRATED)


def _open(row: Row) -> OpenIntent:
    saga_id, step, id, action, generation, operation, subject, key, details, status, *rest = row
    request = _request(saga_id, step, action, generation)
    facts = (operation, subject, key, bytes(details), IntentStatus(status))
    return OpenIntent(id, request, *facts, *rest)


def _claimed(row: Row) -> Claimed:
    id, lease, saga_id, step, action, generation, operation, subject, key, details, *rest = row
    attempt, called_at, called_before, undo, fence, asked = rest
    request = _request(saga_id, step, action, generation)
    facts = (operation, subject, key, bytes(details), attempt, called_at, called_before)
    return Claimed(id, lease, request, *facts, bool(undo or fence), asked)
