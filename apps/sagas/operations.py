"""What people may do to a saga: each move is checked, decided, written down and sent, in one go.

Every operation names the version (revision) of the saga that the person has seen, the actor and a
reason. It is refused, and changes nothing, where the saga has moved on (SagaMoved), where it does
not allow the move now (MoveNotAllowed), where there is no such saga or case (UnknownSagaId,
UnknownCase), and without a reason (ReasonMissing). The audit row is written in the operation's own
transaction.
"""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.messaging import audit
from apps.messaging.audit import Actor
from apps.messaging.context import context
from apps.messaging.database import Database
from apps.messaging.failpoints import reach
from apps.messaging.models import SubjectKind
from apps.messaging.outbox import publish
from apps.sagas import selectors
from apps.sagas.desk import OF_SAGAS
from apps.sagas.engine import Known, Sagas
from apps.sagas.errors import (
    CaseSettlesItself,
    EvidenceMissing,
    PauseTooLong,
    SagaMoved,
    UnknownCase,
    UnknownSagaId,
)
from apps.sagas.state import (
    Compensate,
    Move,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    Retry,
    Skip,
    Substitute,
)

# A pause has an end, within a week: what is forgotten goes on by itself.
WITHIN_A_WEEK = "SELECT %b::timestamptz BETWEEN now() AND now() + interval '7 days'"

# Take an open case off the desk, unless it changed meanwhile.
CLOSE = """
UPDATE sagas_case SET closed_at = now(), closed_by = 'hand', version = version + 1
WHERE id = %b AND version = %b AND closed_at IS NULL
RETURNING saga_id, step
"""

# Give an open case to somebody, unless it changed meanwhile.
ASSIGN = """
UPDATE sagas_case SET owner_id = %b, owner = %b, version = version + 1
WHERE id = %b AND version = %b AND closed_at IS NULL
RETURNING saga_id, step
"""

CASE = "SELECT version, closed_at IS NULL, saga_id, step FROM sagas_case WHERE id = %b"


def retry_step(*, saga_id: UUID, step: str, version: int, actor: Actor, reason: str) -> int:
    """Ask a step again now: under a higher generation after a definite refusal, otherwise the same
    request. Returns the saga's new version, as all of these do."""
    return _move(saga_id, version, Retry(step), actor, reason)


def compensate_saga(*, saga_id: UUID, version: int, actor: Actor, reason: str) -> int:
    """Turn a saga back; where the pivot was sent, by a Fence that finds out whether it can."""
    return _move(saga_id, version, Compensate(reason), actor, reason)


def skip_step(*, saga_id: UUID, step: str, version: int, actor: Actor, reason: str) -> int:
    """Undo the pending step, whatever its outcome, and go on without it."""
    return _move(saga_id, version, Skip(step), actor, reason)


def pause_saga(*, saga_id: UUID, until: datetime, version: int, actor: Actor, reason: str) -> int:
    """Send nothing for a saga until a time within the next seven days; answers are taken, and its
    deadline runs on. Raises PauseTooLong."""
    [(fits,)] = context("sagas").database.fetch(WITHIN_A_WEEK, [until])
    if not fits:
        raise PauseTooLong(until=until.isoformat())
    return _move(saga_id, version, Pause(), actor, reason, paused_until=until)


def resume_saga(*, saga_id: UUID, version: int, actor: Actor, reason: str) -> int:
    """End a pause and send what was held back; past its deadline the saga turns back instead."""
    move = Resume(past_deadline=selectors.is_past_deadline(saga_id))
    return _move(saga_id, version, move, actor, reason)


def resolve_step(
    *, saga_id: UUID, step: str, evidence: str, version: int, actor: Actor, reason: str
) -> int:
    """Settle a compensation on the desk that was made outside, by hand. It takes effect once the
    step's own call is definite, so that nothing is given back twice. Raises EvidenceMissing."""
    return _move(saga_id, version, Resolve(step, proven(evidence)), actor, reason)


def substitute_step(
    *, saga_id: UUID, step: str, command: str, version: int, actor: Actor, reason: str
) -> int:
    """Undo a step on the desk in another way that its definition allows."""
    return _move(saga_id, version, Substitute(step, command), actor, reason)


def record_outcome(
    *, saga_id: UUID, step: str, evidence: str, version: int, actor: Actor, reason: str
) -> int:
    """Record that a pivot, or a step behind it, happened outside. (That it did not happen is found
    out by compensate_saga, which closes the step.) Raises EvidenceMissing."""
    return _move(saga_id, version, RecordOutcome(step, proven(evidence)), actor, reason)


def proven(evidence: str) -> str:
    """The evidence without the blanks around it. Raises EvidenceMissing where it says nothing."""
    if not any(each.isalnum() for each in evidence):
        raise EvidenceMissing(given=evidence)
    return evidence.replace("\0", "").strip()


def _move(
    saga_id: UUID,
    version: int,
    move: Move,
    actor: Actor,
    reason: str,
    *,
    paused_until: datetime | None = None,
) -> int:
    database = context("sagas").database
    with database.transaction():
        sagas = Sagas.lock(database, {saga_id})
        known = _seen(sagas, saga_id, version)
        sent = sagas.tell(saga_id, move, paused_until=paused_until)
        sagas.save()
        now = sagas.known[saga_id]
        requests = [each.request for each in sent]
        after = partial(reach, "operation.after_commit", requests)
        transaction.on_commit(after, using=database.alias)
        publish(database, [sagas.envelope(each) for each in sent])
        facts = parameters_of(move) | ({"until": paused_until.isoformat()} if paused_until else {})
        write_down(database, saga_id, known, now, type(move).__name__, facts, actor, reason)
        reach("operation.before_commit", requests)
    return now.revision


def _seen(sagas: Sagas, saga_id: UUID, version: int) -> Known:
    """The saga, if it is as the person has seen it."""
    known = sagas.known.get(saga_id)
    if known is None:
        raise UnknownSagaId(saga=str(saga_id))
    if known.revision != version:
        status = known.state.status if known.state else ""
        raise SagaMoved(seen=version, now=known.revision, status=str(status))
    return known


def write_down(
    database: Database,
    saga_id: UUID,
    before: Known,
    after: Known,
    operation: str,
    parameters: dict[str, Any],
    actor: Actor,
    reason: str,
) -> None:
    """The audit row of a move: what was asked, and where the saga went."""
    was, now = before.state, after.state
    assert was
    assert now
    waiting = f", waits for {now.pending.step} ({now.pending.action})" if now.pending else ""
    audit.write_down(
        database,
        actor=actor,
        operation=operation.lower(),
        subject_kind=SubjectKind.SAGA,
        subject_id=saga_id,
        saga_id=saga_id,
        step=str(parameters.get("step", "")),
        version=before.revision,
        reason=reason,
        parameters=parameters,
        outcome=f"{was.status} -> {now.status}{waiting}",
    )


def parameters_of(move: Move) -> dict[str, Any]:
    """What was asked for beside the reason."""
    facts = move._asdict()
    facts.pop("reason", None)
    return facts


# --- cases


def assign_case(*, case_id: UUID, owner: Actor, version: int, actor: Actor, reason: str) -> int:
    """Make somebody the owner of an open case; its new version."""
    database = context("sagas").database
    with database.transaction():
        rows = database.fetch(ASSIGN, (owner.id, owner.name, case_id, version))
        if not rows:
            raise _why_not(database, case_id, version)
        [(saga_id, step)] = rows
        _write_down_case(
            database, case_id, saga_id, step, version, "assign", {"owner": owner.name},
            actor, reason, f"it is {owner.name}'s",
        )  # fmt: skip
    return version + 1


def add_note(*, case_id: UUID, actor: Actor, reason: str) -> None:
    """Put a remark on a case, open or closed: `reason` is the remark. It adds to whatever stands
    there, so no version is checked."""
    database = context("sagas").database
    with database.transaction():
        rows = database.fetch(CASE, [case_id])
        if not rows:
            raise UnknownCase(case=str(case_id))
        [(version, _, saga_id, step)] = rows
        _write_down_case(
            database, case_id, saga_id, step, version, "note", {}, actor, reason, "noted"
        )


def close_case(*, case_id: UUID, version: int, actor: Actor, reason: str) -> None:
    """Take a case off the desk that nothing else closes. What a saga itself has on the desk stays
    there until that is settled: raises CaseSettlesItself."""
    database = context("sagas").database
    with database.transaction():
        if (kind := selectors.case(case_id).kind) in OF_SAGAS:
            raise CaseSettlesItself(kind=kind)
        rows = database.fetch(CLOSE, (case_id, version))
        if not rows:
            raise _why_not(database, case_id, version)
        [(saga_id, step)] = rows
        _write_down_case(
            database, case_id, saga_id, step, version, "close", {}, actor, reason, "closed"
        )


def _why_not(database: Database, case_id: UUID, version: int) -> Exception:
    rows = database.fetch(CASE, [case_id])
    if not rows or not rows[0][1]:
        return UnknownCase(case=str(case_id))
    return SagaMoved(seen=version, now=rows[0][0], status="open")


def _write_down_case(
    database: Database,
    case_id: UUID,
    saga_id: UUID,
    step: str,
    version: int,
    operation: str,
    parameters: dict[str, Any],
    actor: Actor,
    reason: str,
    outcome: str,
) -> None:
    audit.write_down(
        database,
        actor=actor,
        operation=operation,
        subject_kind=SubjectKind.CASE,
        subject_id=case_id,
        saga_id=saga_id,
        step=step,
        version=version,
        reason=reason,
        parameters=parameters,
        outcome=outcome,
    )
