"""What is known of a saga that events drive: a fold over what they told, which comes out the same
in whatever order they arrive. It decides nothing. Pure.

Three things say where such a saga is: the furthest step that is done, the refusal that turned it
back, and the first of the steps that are undone. Each fact raises one of them or changes nothing.
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.steps import StepWaits
from apps.messaging.request import Request
from apps.processes.course import Course, Leg
from apps.processes.inputs import inputs_behind
from apps.sagas.asking import end
from apps.sagas.outcomes import cause_of, expected_outcome, matches, overdue_after
from apps.sagas.state import (
    FIRST_GENERATION,
    Answer,
    Cause,
    Decision,
    Driver,
    Note,
    Outcome,
    SagaState,
    Status,
)
from apps.sagas.taking_over import take_over

NOT_HEARD = "NotHeardYet"


def track(course: Course, saga: SagaState | None, answer: Answer) -> Decision:
    """Take a fact into what is known. Raises UnexpectedAnswer where the definition does not know
    it."""
    saga = saga or beginning(course, answer.request)
    outcome = expected_outcome(course, answer)
    leg = course.legs[answer.request.step]
    if saga.ended or outcome not in FOLDS:
        return Decision(saga, outcome)
    return FOLDS[outcome](course, saga, leg, answer)._replace(outcome=outcome)


def beginning(course: Course, told: Request) -> SagaState:
    """A saga of which nothing is known."""
    first = _awaited(told, course.plan.steps[0], Action.DO)
    return SagaState(
        saga_id=told.saga_id, status=Status.RUNNING, pending=first, driver=Driver.EVENTS
    )


def done(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """It is one step further, unless that was known, or it turned back."""
    pending, steps = saga.pending, course.plan.steps
    assert pending  # it lives
    behind = steps.index(leg.step.name) < steps.index(pending.step)
    if saga.status is not Status.RUNNING or behind:
        return Decision(saga)
    if not leg.following:
        return end(course, saga, Status.CONFIRMED, Ending.CONFIRMED, answer.request)
    inputs = answer.inputs or inputs_behind(leg, saga.inputs, answer.event)
    saga = replace(saga, inputs=inputs)
    return await_next(course, saga, _awaited(answer.request, leg.following, Action.DO))


def refused(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """It turned back at once: that is what the services do."""
    return turned_back(course, replace(saga, cause=cause_of(leg, answer.event)), answer)


def undone(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """It is one step further back, unless that was known."""
    steps, known = course.plan.steps, saga.detours.undone_to
    lowest = min((each for each in (leg.step.name, known) if each), key=steps.index)
    saga = replace(saga, detours=replace(saga.detours, undone_to=lowest))
    if saga.cause is None or is_unheard(saga.cause):
        saga = replace(saga, cause=unheard(course.legs[lowest].following))
    return turned_back(course, saga, answer)


def unheard(step: str) -> Cause:
    """What was undone tells that a saga turned back: this step was refused, or one behind it."""
    return Cause(step, NOT_HEARD, "{}", "A step was refused; its event was not heard yet")


def is_unheard(cause: Cause | None) -> bool:
    """Whether it is known that something turned the saga back, but not what."""
    return cause is not None and cause.type == NOT_HEARD


def turned_back(course: Course, saga: SagaState, answer: Answer) -> Decision:
    """Await the undoing of the step before the last that is undone or refused; the saga is undone
    when its first step is, and it is known why."""
    cause, undone_to = saga.cause, saga.detours.undone_to
    assert cause
    first = course.plan.steps[0]
    if undone_to == first and not is_unheard(cause):
        last = _awaited(answer.request, first, Action.UNDO)  # whatever was heard last
        return end(course, saga, Status.UNDONE, Ending.UNDONE, last)
    awaited = course.legs[undone_to or cause.step].previous or first
    saga = replace(saga, status=Status.COMPENSATING, inputs="{}")
    return await_next(course, saga, _awaited(answer.request, awaited, Action.UNDO))


def waits(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """Give it the time that it needs."""
    told = answer.event
    assert isinstance(told, StepWaits)
    if not matches(saga.pending, answer.request):
        return Decision(saga)
    note = Note("waits", answer.request, told.reason)
    return Decision(saga, wait=overdue_after(leg, told), notes=(note,))


def undo_refused(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """Nobody would undo the steps before it: the engine takes over, and brings it onto the desk
    when it is refused again."""
    cause = saga.cause or unheard(leg.following)
    return take_over(course, saga, cause)


FOLDS: Mapping[Outcome, Callable[[Course, SagaState, Leg, Answer], Decision]] = {
    Outcome.DONE: done,
    Outcome.REFUSED: refused,
    Outcome.UNDONE: undone,
    Outcome.NOTHING_TO_UNDO: undone,
    Outcome.WAITS: waits,
    Outcome.UNDO_REFUSED: undo_refused,
}


def await_next(course: Course, saga: SagaState, request: Request) -> Decision:
    """What is expected next, and for how long it may take."""
    if saga.pending == request:
        return Decision(saga)
    patience = course.legs[request.step].step.patience
    return Decision(replace(saga, pending=request), wait=patience.wait(1))


def _awaited(told: Request, step: str, action: Action) -> Request:
    return Request(told.saga_id, step, action, FIRST_GENERATION, Mode.CHOREOGRAPHED)
