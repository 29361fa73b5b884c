"""What stands on the desk: cases are opened, kept up to date and closed with their sagas."""

from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from apps.contracts.catalogue import ALERTS, Action
from apps.contracts.plan import Mode
from apps.contracts.sagas import CaseOpened
from apps.messaging.database import Database, Row, columns
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.outbox import publish
from apps.messaging.request import Request
from apps.messaging.starting import new_traceparent
from apps.sagas.state import Concern, Decision, SagaState, Status, concerns
from apps.sagas.statements import CLOSE_CASES, OPEN_CASES, UPDATE_CASES

OF_SAGAS = {"stuck", "decision"}  # kinds of cases that sagas open and close themselves
REASONS = {"stuck", "undo_refused", "waits", "decision_awaited"}  # kinds of notes that say why


class NewCase(NamedTuple):
    """Something that comes onto the desk."""

    kind: str
    context: str  # that told of it
    saga_id: UUID
    step: str
    action: str
    reason: str
    plan: str
    traceparent: str


class Desk:
    """The cases that one batch opens, changes and closes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.opened: list[NewCase] = []
        self.updated: list[Row] = []
        self.closed: list[Row] = []

    def follow(
        self, before: SagaState | None, decision: Decision, plan: str, traceparent: str
    ) -> None:
        """What comes onto the desk by a decision about a saga, stays there, and leaves it. What was
        stuck and now waits for a decision comes anew: other people may look at it."""
        was, now = concerns(before), concerns(decision.saga)
        if not was and not now:
            return
        same = before is not None and kind_of(before) == kind_of(decision.saga)
        kept = now & was if same else frozenset()
        saga_id, said = decision.saga.saga_id, said_of(decision)
        for each in now - kept:
            reason = said.get(each) or why(decision.saga)
            kind = kind_of(decision.saga)
            case = NewCase(kind, "sagas", saga_id, *each, reason, plan, traceparent)
            self.opened.append(case)
        self.updated += [(saga_id, *each, said[each]) for each in kept if said.get(each)]
        self.closed += [(saga_id, *each, how(decision)) for each in was - kept]

    def save(self) -> None:
        """Write what changed. A case that opens is told to those who should look, once."""
        if self.closed:
            self.database.send(CLOSE_CASES, columns(self.closed, 4))
        if self.updated:
            self.database.send(UPDATE_CASES, columns(self.updated, 4))
        if self.opened:
            cases = {uuid7(): each for each in self.opened}
            rows = [(id, *each[:6]) for id, each in cases.items()]
            found = self.database.fetch(OPEN_CASES, columns(rows, 7))
            publish(self.database, [alert(id, cases[id]) for (id,) in found])


def said_of(decision: Decision) -> dict[Concern, str]:
    """Why each request needs a person, as far as it is noted now."""
    return {
        Concern(each.request.step, each.request.action): each.text
        for each in decision.notes
        if each.request and each.kind in REASONS
    }


def why(saga: SagaState) -> str:
    """Why a saga needs a person, where nothing else is said."""
    return saga.cause.reason if saga.cause else "It makes no progress"


def kind_of(saga: SagaState) -> str:
    """A decision is asked for, or something keeps failing."""
    return "decision" if saga.status is Status.AWAITING_DECISION else "stuck"


def how(decision: Decision) -> str:
    """What closed a case: the outcome of an answer, or what was done."""
    if decision.outcome:
        return decision.outcome
    return decision.notes[0].kind if decision.notes else decision.saga.status


def alert(case_id: UUID, case: NewCase) -> Envelope:
    """The news that somebody should look."""
    event = CaseOpened(
        case_id=case_id, kind=case.kind, context=case.context, step=case.step, reason=case.reason
    )
    action = Action(case.action) if case.action else Action.DO
    request = Request(case.saga_id, case.step, action, 1, Mode.ORCHESTRATED)
    traceparent = case.traceparent or new_traceparent()
    return new_envelope(event, request, plan=case.plan, traceparent=traceparent, topic=ALERTS)
