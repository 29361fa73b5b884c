"""Taking over: the engine drives a saga on that events drove so far, for good. Pure.

What is known of such a saga may be old, so in it the pivot counts as asked from the start: every
turning back begins with a Fence to the pivot, and once that is fenced every step before it is
undone, known or not. Forward, the step that was awaited is asked by command, under the same
generation; who has done it tells so again.
"""

from msgspec.structs import replace

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.processes import Kind
from apps.processes.course import Course
from apps.sagas.asking import ask
from apps.sagas.errors import MoveNotAllowed
from apps.sagas.state import (
    Cause,
    Compensate,
    Decision,
    Driver,
    Move,
    Note,
    Overdue,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    Retry,
    SagaState,
    Skip,
    Status,
    Substitute,
    Wish,
)


def by_events(course: Course) -> bool:
    """Whether events drive the sagas of this course, or ever did."""
    return course.plan.mode is Mode.CHOREOGRAPHED


def take_over(
    course: Course, saga: SagaState, cause: Cause | None, text: str = "", *, by_hand: bool = False
) -> Decision:
    """The engine goes on: back, where something has turned the saga back or does so now and the
    pivot is not known to have happened; else forward."""
    pending = saga.pending
    assert pending  # only what lives is taken over
    cause = saga.cause or cause
    taken = replace(saga, driver=Driver.ENGINE)
    if cause is None or is_past_pivot(course, saga):
        decision = ask(course, taken, Status.RUNNING, pending.step, Action.DO)
    else:
        decision = fence(course, taken, cause, by_hand=by_hand)
    note = Note("taken_over", pending, text or (cause.reason if cause else ""))
    return decision._replace(notes=(note, *decision.notes))


def fence(course: Course, saga: SagaState, cause: Cause, *, by_hand: bool = False) -> Decision:
    """Ask the pivot for its outcome, or never to happen. If it has happened, the step that was
    awaited is asked again: what it told is needed by those behind it."""
    pending = saga.pending
    assert pending
    forward = pending.action is Action.DO and pending.step != course.pivot
    resume_at = pending.step if forward else saga.detours.resume_at
    detours = replace(saga.detours, cause=cause, resume_at=resume_at)
    saga = replace(saga, cause=None, detours=detours)
    decision = ask(course, saga, Status.FENCING, course.pivot, Action.FENCE)
    kind = "fencing" if by_hand else "fence_first"
    return decision._replace(notes=(Note(kind, decision.saga.pending, cause.reason),))


def is_past_pivot(course: Course, saga: SagaState) -> bool:
    """Whether the pivot is known to have happened."""
    if saga.status is Status.CONFIRMED or saga.detours.pivot_happened:
        return True
    pending = saga.pending
    return pending is not None and course.legs[pending.step].step.kind is Kind.RETRIABLE


# --- what is said to a saga that events drive


def intervene(course: Course, saga: SagaState, said: Overdue | Wish | Move) -> Decision:
    """Time, the customer or a person has something to say: the engine takes over.

    Raises MoveNotAllowed for what cannot be done to a saga that events drive.
    """
    if saga.ended or saga.pending is None:
        raise MoveNotAllowed(f"The saga has ended as {saga.status}.")
    step = saga.pending.step
    if isinstance(said, Overdue):
        return overdue(course, saga, said)
    if isinstance(said, Wish):
        return wished(course, saga, said)
    if isinstance(said, Compensate):
        if is_past_pivot(course, saga):
            raise MoveNotAllowed("The pivot has happened: the saga only goes forward.")
        cause = Cause(step, "TurnedBack", "{}", said.reason)
        return take_over(course, saga, cause, said.reason, by_hand=True)
    if isinstance(said, Retry):
        if said.step != step:
            raise MoveNotAllowed(f"It does not wait for {said.step}, but for {step}.")
        return take_over(course, saga, None)
    raise MoveNotAllowed(WHY_NOT[type(said)])


NOT_SKIPPED = (
    "Events drive this saga, or did, so that others may have undone their steps: nothing is "
    "skipped. Compensate turns it back if it still can."
)
NOT_ON_DESK = (
    "Events drive this saga, so that nothing stands on the desk. Compensate lets the engine take "
    "it over and turn it back if it still can; an undoing that fails then comes to the desk."
)
# Why a person's move does not take a saga over, and which do instead. To hold a saga the engine
# would have to fence it, and what is fenced can only turn back: a pause would be no pause.
WHY_NOT: dict[type, str] = {
    Pause: "Events drive this saga, so that nothing holds it. Retry lets the engine take it over "
    "and ask the awaited step again, and what the engine asks can be paused; compensate takes it "
    "over and turns it back if it still can.",
    Resume: "The saga is not paused.",
    Skip: NOT_SKIPPED,
    Resolve: NOT_ON_DESK,
    Substitute: NOT_ON_DESK,
    RecordOutcome: "Events drive this saga, so that nobody knows it to be stuck. Retry lets the "
    "engine take it over and ask the awaited step again; what gives no answer then can be "
    "recorded.",
}


def overdue(course: Course, saga: SagaState, said: Overdue) -> Decision:
    """It has waited for too long: ask again; past the deadline turn back."""
    pending = saga.pending
    if pending is None or pending != said.request:
        return Decision(saga)
    cause = None
    if said.past_deadline and not said.restrained:
        cause = Cause(pending.step, "DeadlinePassed", "{}", "The order took too long")
    return take_over(course, saga, cause, "No event came in time")


def wished(course: Course, saga: SagaState, said: Wish) -> Decision:
    """The customer wishes to cancel: turn back, if it did not do so by itself."""
    pending = saga.pending
    assert pending
    saga = replace(saga, detours=replace(saga.detours, cancel_wished=True))
    note = Note("cancel_wished", pending, said.reason)
    if saga.status is not Status.RUNNING or is_past_pivot(course, saga):
        return Decision(saga, notes=(note,))
    cause = Cause(pending.step, "CancelWished", "{}", said.reason)
    decision = take_over(course, saga, cause)
    return decision._replace(notes=(note, *decision.notes))
