"""Four eyes: a move that gives back more than the limit is asked for by one person and allowed by
another.

A request is bound to the saga as it was seen. It is carried out in the transaction in which it is
approved, and refused if the saga has moved since. That the same is asked of a service again raises
the saga's version, and is no move: what is stuck is asked every few minutes, and no request would
live to be approved. Who asks never decides, and the database holds that too.

`manage.py sagas` does not ask anybody: see docs/decisions/0034-four-eyes.md.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from uuid_utils.compat import uuid7

from apps.messaging import audit
from apps.messaging.audit import Actor, checked_reason
from apps.messaging.context import context
from apps.messaging.database import Database
from apps.messaging.display import money
from apps.messaging.models import SubjectKind
from apps.sagas import operations
from apps.sagas.errors import (
    AskedAlready,
    MoveNotAllowed,
    NotOpen,
    NotYours,
    OwnRequest,
    SagaMoved,
)
from apps.sagas.preview import Looked, Preview, look, preview
from apps.sagas.state import (
    Compensate,
    Move,
    RecordOutcome,
    Resolve,
    SagaState,
    Skip,
    Substitute,
)

# Requests for the same that can no longer be approved make room for a new one.
LAPSE = """
UPDATE sagas_approval SET status = 'lapsed'
WHERE saga_id = %b AND operation = %b AND step = %b AND status = 'open'
  AND (expires_at <= now() OR position <> %b)
"""

# Ask once: a rival's open request for the same stays.
ASK = """
INSERT INTO sagas_approval (id, operation, saga_id, step, parameters, version, position,
  money_cents, currency, reason, requester_id, requester, requested_at, expires_at)
VALUES (%b, %b, %b, %b, %b::text::jsonb, %b, %b, %b, %b, %b, %b, %b, now(),
  now() + interval '24 hours')
ON CONFLICT DO NOTHING
RETURNING expires_at
"""

READ = """
SELECT operation, saga_id, step, parameters::text, version, position, reason, requester_id,
  requester
FROM sagas_approval WHERE id = %b AND status = 'open' AND expires_at > now() FOR UPDATE
"""

# Close a request that is locked. Who withdraws decides nothing.
DECIDE = """
UPDATE sagas_approval
SET status = %b, decided_at = now(), decided_by_id = %b, decided_by = %b, decision = %b
WHERE id = %b
"""
WITHDRAW = "UPDATE sagas_approval SET status = 'withdrawn' WHERE id = %b"


class Operation(NamedTuple):
    """What may need approval: its service and its move. Both take the same parameters."""

    service: Callable[..., int]
    move: Callable[..., Move]


OPERATIONS = {
    "compensate": Operation(operations.compensate_saga, Compensate),
    "skip": Operation(operations.skip_step, Skip),
    "resolve": Operation(operations.resolve_step, Resolve),
    "substitute": Operation(operations.substitute_step, Substitute),
    "record": Operation(operations.record_outcome, RecordOutcome),
}


class Asked(NamedTuple):
    """A request that was written down."""

    id: UUID
    expires_at: datetime


class Request(NamedTuple):
    """A request that is open, under lock."""

    operation: str
    saga_id: UUID
    step: str
    parameters: dict[str, str]
    version: int
    position: str
    reason: str
    requester_id: int
    requester: str


def move_of(operation: str, parameters: Mapping[str, Any], reason: str) -> Move:
    """The move that an operation makes."""
    move = OPERATIONS[operation].move
    return move(reason) if move is Compensate else move(**parameters)


def needs_approval(foreseen: Preview) -> bool:
    """Whether a move gives back more than one person may, in the smallest unit of its currency."""
    return foreseen.money_cents > settings.APPROVAL_LIMIT_CENTS


def act_or_ask(
    *,
    operation: str,
    saga_id: UUID,
    parameters: Mapping[str, str],
    version: int,
    actor: Actor,
    reason: str,
) -> Asked | None:
    """Carry an operation out, or write down that it is asked for where it gives back more than the
    limit. Raises what the operation raises, and what request_approval raises."""
    asked: dict[str, Any] = {"saga_id": saga_id, "version": version}
    asked |= {"actor": actor, "reason": reason}
    foreseen = preview(saga_id=saga_id, move=move_of(operation, parameters, reason))
    # Of the version that was seen it holds; any other is refused by either.
    if foreseen.version == version and needs_approval(foreseen):
        return request_approval(operation=operation, parameters=parameters, **asked)
    OPERATIONS[operation].service(**asked, **parameters)
    return None


def request_approval(
    *,
    operation: str,
    saga_id: UUID,
    parameters: Mapping[str, str],
    version: int,
    actor: Actor,
    reason: str,
) -> Asked:
    """Write down that an operation is asked for; nothing is done to the saga. It can be approved
    for 24 hours. Raises SagaMoved, MoveNotAllowed, AskedAlready, ReasonMissing, EvidenceMissing,
    UnknownSagaId."""
    if "evidence" in parameters:
        parameters = {**parameters, "evidence": operations.proven(parameters["evidence"])}
    seen = look(saga_id)
    foreseen = seen.foresee(move_of(operation, parameters, reason))
    _check_version(seen, version)
    if not foreseen.allowed:
        raise MoveNotAllowed(foreseen.why_not)
    database, id, step = context("sagas").database, uuid7(), parameters.get("step", "")
    position = position_of(seen.state)
    of_saga = (saga_id, step, msgspec.json.encode(parameters).decode(), version, position)
    back = (foreseen.money_cents, foreseen.currency)
    with database.transaction():
        database.execute(LAPSE, (saga_id, operation, step, position))
        signed = (checked_reason(reason), actor.id, actor.name)
        rows = database.fetch(ASK, (id, operation, *of_saga, *back, *signed))
        if not rows:
            raise AskedAlready(operation=operation, saga=str(saga_id))
        [(expires_at,)] = rows
        request = _open_request(database, id)
        outcome = f"asked for, {money(*back)}; waits for another person"
        _write_down(database, id, request, "request", actor, reason, outcome)
    return Asked(id, expires_at)


def approve_request(*, approval_id: UUID, version: int, actor: Actor, reason: str) -> int:
    """Allow what another person asked for, and carry it out as theirs. `version` is the saga's, as
    the approver has seen it; the saga's new version comes back. Raises NotOpen, OwnRequest,
    SagaMoved, MoveNotAllowed, ReasonMissing; then nothing is changed."""
    database = context("sagas").database
    with database.transaction():
        request = _decided_by(database, approval_id, "approved", actor, reason)
        _check_position(request, version)
        asker = Actor(request.requester_id, request.requester)
        now = OPERATIONS[request.operation].service(
            saga_id=request.saga_id,
            version=version,
            actor=asker,
            reason=request.reason,
            **request.parameters,
        )
        outcome = f"carried out as asked for by {request.requester}"
        _write_down(database, approval_id, request, "approve", actor, reason, outcome)
    return now


def decline_request(*, approval_id: UUID, actor: Actor, reason: str) -> None:
    """Say no to what another person asked for. All of a request but its decision is fixed, so no
    version is checked: it has to be open. Raises NotOpen, OwnRequest, ReasonMissing."""
    database = context("sagas").database
    with database.transaction():
        request = _decided_by(database, approval_id, "declined", actor, reason)
        outcome = f"declined what {request.requester} asked for"
        _write_down(database, approval_id, request, "decline", actor, reason, outcome)


def withdraw_request(*, approval_id: UUID, actor: Actor, reason: str) -> None:
    """Take back what one has asked for oneself; as with a no, it has to be open. Raises NotOpen,
    NotYours, ReasonMissing."""
    database = context("sagas").database
    with database.transaction():
        request = _open_request(database, approval_id)
        if request.requester_id != actor.id:
            raise NotYours(asked_by=request.requester)
        database.execute(WITHDRAW, [approval_id])
        _write_down(database, approval_id, request, "withdraw", actor, reason, "withdrawn")


def position_of(saga: SagaState) -> str:
    """Where a saga is, however often anything was asked."""
    asked = saga.pending and (saga.pending.step, saga.pending.action, saga.pending.generation)
    desk = sorted((each.step, each.generation) for each in saga.detours.desk)
    detours = (saga.detours.skipped, saga.detours.cancel_wished)
    return msgspec.json.encode((saga.status, asked, desk, saga.paused, *detours)).decode()


def _open_request(database: Database, approval_id: UUID) -> Request:
    rows = database.fetch(READ, [approval_id])
    if not rows:
        raise NotOpen(request=str(approval_id))
    [(operation, saga_id, step, parameters, *others)] = rows
    return Request(operation, saga_id, step, msgspec.json.decode(parameters), *others)


def _decided_by(
    database: Database, approval_id: UUID, status: str, actor: Actor, reason: str
) -> Request:
    """Close a request as another person decides."""
    request = _open_request(database, approval_id)
    if request.requester_id == actor.id:
        raise OwnRequest(asked_by=request.requester)
    why = checked_reason(reason)
    database.execute(DECIDE, (status, actor.id, actor.name, why, approval_id))
    return request


def _check_position(request: Request, version: int) -> None:
    """Raises SagaMoved. The operation itself checks the version again, under lock."""
    seen = look(request.saga_id)
    _check_version(seen, version)
    if position_of(seen.state) != request.position:
        raise SagaMoved(seen=request.version, now=seen.version, status=str(seen.state.status))


def _check_version(seen: Looked, version: int) -> None:
    if seen.version != version:
        raise SagaMoved(seen=version, now=seen.version, status=str(seen.state.status))


def _write_down(
    database: Database,
    approval_id: UUID,
    request: Request,
    operation: str,
    actor: Actor,
    reason: str,
    outcome: str,
) -> None:
    audit.write_down(
        database,
        actor=actor,
        operation=operation,
        subject_kind=SubjectKind.APPROVAL,
        subject_id=approval_id,
        saga_id=request.saga_id,
        step=request.step,
        version=request.version,
        reason=reason,
        parameters={"operation": request.operation} | request.parameters,
        outcome=outcome,
    )
