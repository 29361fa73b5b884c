"""What an answer says, and which request it answers. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from apps.contracts.base import Event, Refusal, Undone
from apps.contracts.catalogue import Action
from apps.contracts.steps import Fenced, Happened, StepWaits, UndoneByHand, UndoRefused
from apps.messaging.request import Request
from apps.processes.course import Course, Leg
from apps.sagas.errors import UnexpectedAnswer
from apps.sagas.state import Answer, Cause, Outcome


def matches(open_request: Request | None, request: Request) -> bool:
    """Answers match on step, action and generation, never on message ids."""
    return (
        open_request is not None
        and open_request.step == request.step
        and open_request.action == request.action
        and open_request.generation == request.generation
    )


def expected_outcome(course: Course, answer: Answer) -> Outcome:
    """What an answer says of a step of this course. Raises UnexpectedAnswer."""
    leg = course.legs.get(answer.request.step)
    if leg is None:
        told = type(answer.event).__name__
        raise UnexpectedAnswer(step=answer.request.step, action=answer.request.action, told=told)
    return outcome_of(leg, answer)


def outcome_of(leg: Leg, answer: Answer) -> Outcome:
    """What an answer says. Raises UnexpectedAnswer where the definition does not know it."""
    event, action = answer.event, answer.request.action
    known = OF_ANY_STEP.get((type(event), action))
    if known is None and leg.answers.get(type(event)) is not action:
        raise UnexpectedAnswer(step=leg.step.name, action=action, told=type(event).__name__)
    if isinstance(event, Undone):
        return Outcome.NOTHING_TO_UNDO if event.nothing_to_undo else Outcome.UNDONE
    if known:
        return known
    return Outcome.REFUSED if isinstance(event, Refusal) else Outcome.DONE


OF_ANY_STEP: Mapping[tuple[type[Event], Action], Outcome] = {
    (Fenced, Action.FENCE): Outcome.FENCED,
    (Happened, Action.FENCE): Outcome.HAPPENED,
    (StepWaits, Action.DO): Outcome.WAITS,
    (StepWaits, Action.UNDO): Outcome.WAITS,
    (UndoRefused, Action.UNDO): Outcome.UNDO_REFUSED,
    (UndoneByHand, Action.UNDO): Outcome.UNDONE,
}


def overdue_after(leg: Leg, told: StepWaits) -> datetime:
    """Until when to wait for a step that needs more time: then it asks anew by itself, and has the
    time that an answer may take."""
    return told.until + timedelta(seconds=leg.step.patience.wait(1))


def cause_of(leg: Leg, event: Event) -> Cause:
    """A refusal as it is remembered."""
    assert isinstance(event, Refusal)
    payload = msgspec.json.encode(event).decode()
    return Cause(leg.step.name, type(event).__name__, payload, event.reason)
