"""What a saga does on hearing an answer: a pure function.

A success is followed by the next step, or the saga is confirmed. A refusal turns it back: the
steps before the refused one are undone in reverse, one at a time, down to the first; then the
saga is undone. An answer counts only where it matches the pending request in step, action and
generation; any other changes nothing.
"""

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from apps.contracts.base import Command, Event, Message, Refusal, Undone
from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.sagas import SagaEnded
from apps.messaging.request import Request
from apps.sagas.course import Course, Leg
from apps.sagas.errors import UnexpectedAnswer, UnknownSaga


class Status(enum.StrEnum):
    """Where a saga is."""

    RUNNING = "running"  # steps are being done; one request is pending
    COMPENSATING = "compensating"  # a step was refused; those before it are being undone
    CONFIRMED = "confirmed"  # every step of the plan is done; the end
    UNDONE = "undone"  # no step of the plan has any effect left; the end


LIVE = (Status.RUNNING, Status.COMPENSATING)
FIRST_GENERATION = 1


class Outcome(enum.StrEnum):
    """What became of one request."""

    DONE = "done"  # the step had its effect
    REFUSED = "refused"  # a definite no; nothing was changed
    UNDONE = "undone"  # the effect was reversed
    NOTHING_TO_UNDO = "nothing_to_undo"  # there was none, and never will be


class Refused(msgspec.Struct, frozen=True):
    """Which step was refused, and why."""

    step: str
    type: str
    payload: str  # JSON
    reason: str  # for people


class SagaState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a saga and needed to decide."""

    saga_id: UUID
    status: Status
    pending: Request | None  # what is asked and not yet answered; None at the end
    inputs: str = "{}"  # JSON object of what the steps ahead need, and nothing else
    refused: Refused | None = None


class Answer(NamedTuple):
    """A fact told by a participant. The event that starts a saga answers its first step."""

    request: Request
    event: Event


class Told(NamedTuple):
    """A message to send, and the request that it asks or tells of."""

    message: Message
    request: Request


class Decision(NamedTuple):
    """The saga as it is now. No outcome: the answer was not what it waits for, nothing changed."""

    saga: SagaState
    outcome: Outcome | None = None
    sends: tuple[Told, ...] = ()


def decide(course: Course, saga: SagaState | None, answer: Answer) -> Decision:
    """Take an answer to a saga; None is one that is not yet known, which only its start begins.

    Raises UnknownSaga and UnexpectedAnswer.
    """
    if saga is None:
        saga = begin(course, answer)
    elif not matches(saga.pending, answer.request):
        return Decision(saga)
    leg = course.legs[answer.request.step]
    outcome = outcome_of(leg, answer)
    return FOLLOWS[outcome](course, saga, leg, answer)._replace(outcome=outcome)


def begin(course: Course, answer: Answer) -> SagaState:
    """A saga whose first step, which its initiator has done, is about to be answered."""
    request = answer.request
    if request.step != course.plan.steps[0] or type(answer.event) is not course.start:
        raise UnknownSaga(saga=str(request.saga_id), told=type(answer.event).__name__)
    return SagaState(saga_id=request.saga_id, status=Status.RUNNING, pending=request)


def matches(pending: Request | None, request: Request) -> bool:
    """Answers match on step, action and generation, never on message ids."""
    return (
        pending is not None
        and pending.step == request.step
        and pending.action == request.action
        and pending.generation == request.generation
    )


def outcome_of(leg: Leg, answer: Answer) -> Outcome:
    """What an answer says. Raises UnexpectedAnswer where the definition does not know it."""
    event, action = answer.event, answer.request.action
    if leg.answers.get(type(event)) is not action:
        raise UnexpectedAnswer(step=leg.step.name, action=action, told=type(event).__name__)
    if isinstance(event, Undone):
        return Outcome.NOTHING_TO_UNDO if event.nothing_to_undo else Outcome.UNDONE
    return Outcome.REFUSED if isinstance(event, Refusal) else Outcome.DONE


# --- what follows each outcome


def go_on(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """Ask the next step, or the saga is confirmed."""
    if not leg.following:
        return end(course, saga, Status.CONFIRMED, Ending.CONFIRMED, answer)
    saga = replace(saga, inputs=inputs_behind(leg, saga.inputs, answer.event))
    command = read_command(course.legs[leg.following], saga.inputs)
    return ask(saga, Status.RUNNING, leg.following, Action.DO, command)


def turn_back(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """Remember the refusal, forget the inputs, and undo what was done before."""
    event = answer.event
    assert isinstance(event, Refusal)
    payload = msgspec.json.encode(event).decode()
    refused = Refused(leg.step.name, type(event).__name__, payload, event.reason)
    return undo_next(course, replace(saga, refused=refused, inputs="{}"), leg, answer)


def undo_next(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """Undo the step before, or the saga is undone."""
    if not leg.previous:
        return end(course, saga, Status.UNDONE, Ending.UNDONE, answer)
    compensation = course.legs[leg.previous].step.compensation
    assert compensation is not None  # a definition is checked: only such steps precede a refusal
    return ask(saga, Status.COMPENSATING, leg.previous, Action.UNDO, compensation())


FOLLOWS: Mapping[Outcome, Callable[[Course, SagaState, Leg, Answer], Decision]] = {
    Outcome.DONE: go_on,
    Outcome.REFUSED: turn_back,
    Outcome.UNDONE: undo_next,
    Outcome.NOTHING_TO_UNDO: undo_next,
}


def ask(saga: SagaState, status: Status, step: str, action: Action, command: Command) -> Decision:
    """A new pending request, and its command."""
    request = Request(saga.saga_id, step, action, FIRST_GENERATION, Mode.ORCHESTRATED)
    saga = replace(saga, status=status, pending=request)
    return Decision(saga, sends=(Told(command, request),))


def end(
    course: Course, saga: SagaState, status: Status, ending: Ending, answer: Answer
) -> Decision:
    """Nothing is pending any more, and whoever listens is told."""
    saga = replace(saga, status=status, pending=None, inputs="{}")
    refused_step = saga.refused.step if saga.refused else None
    ended = SagaEnded(process=course.plan.process, outcome=ending, refused_step=refused_step)
    return Decision(saga, sends=(Told(ended, answer.request),))


# --- inputs


def read_command(leg: Leg, inputs: str) -> Command:
    """A command is what its type sees of the inputs."""
    assert leg.reader is not None  # a definition is checked: only the first step has no command
    return leg.reader.decode(inputs)


def inputs_behind(leg: Leg, inputs: str, event: Event) -> str:
    """The inputs for what follows: with what the step gives, without what nobody needs then."""
    if not leg.changes_inputs:
        return inputs
    known = read_document(inputs)
    kept = {name: value for name, value in known.items() if name in leg.needed}
    given = {name: getattr(event, name) for name in leg.gives}
    return msgspec.json.encode(kept | given).decode()


read_document = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
