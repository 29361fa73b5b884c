"""What a saga does on hearing something: a pure function.

A success is followed by the next step, or the saga is confirmed. A refusal turns it back: the
steps before the refused one are undone in reverse, one at a time, down to the first; then the
saga is undone. An answer counts only where it matches a request that is open, in step, action and
generation; any other changes nothing, but for a compensation that was made after all. `waiting`
says what happens when no answer comes, `moves` what people may do. A saga that events drive is only
followed (`tracker`), until the engine takes it over (`taking_over`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from apps.contracts.base import Undone
from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.plan import Mode
from apps.contracts.reading import read
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.steps import Happened, RecordRefused, StepWaits, UndoRefused
from apps.messaging.request import Request
from apps.processes import OnRefusal
from apps.processes.course import Course, Leg
from apps.sagas.asking import ask, end, go_past, turn_back, undo_from
from apps.sagas.errors import UnexpectedAnswer, UnknownSaga
from apps.sagas.moves import MOVES
from apps.sagas.outcomes import cause_of, matches, outcome_of, overdue_after
from apps.sagas.state import (
    STAYS_OPEN,
    Answer,
    Cause,
    Decision,
    DeskOverdue,
    Driver,
    Note,
    OnDesk,
    Outcome,
    Overdue,
    SagaState,
    Said,
    Status,
    Wish,
)
from apps.sagas.taking_over import by_events, fence, intervene, is_past_pivot
from apps.sagas.tracker import is_unheard, track, unheard
from apps.sagas.waiting import desk_overdue, give_to_desk, overdue, wish
from apps.sagas.wishes import answer_wish, told_again


def decide(course: Course, saga: SagaState | None, said: Said) -> Decision:
    """What follows from what is said; None is a saga that is not yet known.

    Raises UnknownSaga and UnexpectedAnswer for an answer, MoveNotAllowed for a person's move.
    """
    return answer_wish(course, _decide(course, saga, said))


def _decide(course: Course, saga: SagaState | None, said: Said) -> Decision:
    tracked = saga.driver is Driver.EVENTS if saga else by_events(course)
    if isinstance(said, Answer):
        if tracked:
            return track(course, saga, said)
        return hear(course, saga or begin(course, said), said)
    assert saga is not None  # only an answer comes to a saga that is not known
    if isinstance(said, Wish) and (saga.ended or saga.detours.cancel_told):
        return told_again(course, saga)
    if tracked and not isinstance(said, DeskOverdue):
        return intervene(course, saga, said)
    return SAID[type(said)](course, saga, said)


SAID: Mapping[type, Callable[[Course, SagaState, Any], Decision]] = {
    Overdue: overdue,
    DeskOverdue: desk_overdue,
    Wish: wish,
    **MOVES,
}


# --- answers


def hear(course: Course, saga: SagaState, answer: Answer) -> Decision:
    """Take an answer, if it is to a request that is open."""
    if isinstance(answer.event, RecordRefused):
        return record_refused(saga, answer.request, answer.event.reason)
    for each in saga.detours.desk:
        if matches(each.request(saga.saga_id), answer.request) or closes(each, answer):
            return hear_on_desk(course, saga, each, answer)
    if saga.status is Status.AWAITING_DECISION or not matches(saga.pending, answer.request):
        return heard_late(course, saga, answer)
    leg = course.legs[answer.request.step]
    outcome = outcome_of(leg, answer)
    return FOLLOWS[outcome](course, saga, leg, answer)._replace(outcome=outcome)


def heard_late(course: Course, saga: SagaState, answer: Answer) -> Decision:
    """Nothing waits for this. What the services told one another before the saga was taken over is
    its history all the same, and that they have turned back counts."""
    leg = course.legs.get(answer.request.step)
    if answer.request.mode is not Mode.CHOREOGRAPHED or not by_events(course) or leg is None:
        return Decision(saga)
    outcome = outcome_of(leg, answer)
    decision = Decision(saga)
    if outcome is Outcome.REFUSED:
        decision = turned_by_services(course, saga, cause_of(leg, answer.event))
    elif answer.request.action is Action.UNDO and outcome is not Outcome.WAITS:
        decision = turned_by_services(course, saga, unheard(leg.following))
    return decision._replace(outcome=None if outcome in STAYS_OPEN else outcome)


def turned_by_services(course: Course, saga: SagaState, cause: Cause) -> Decision:
    """The services turn back, or did, while the engine asks forward: so does it, or it would ask
    what is undone and gives no answer. What was only known to have turned back learns why."""
    if saga.status is Status.RUNNING and not is_past_pivot(course, saga):
        return fence(course, saga, cause)
    if saga.ended or is_unheard(cause):
        return Decision(saga)
    if is_unheard(saga.detours.cause):
        saga = replace(saga, detours=replace(saga.detours, cause=cause))
    elif is_unheard(saga.cause):
        saga = replace(saga, cause=cause)
    return Decision(saga)


def begin(course: Course, answer: Answer) -> SagaState:
    """A saga whose first step, which its initiator has done, is about to be answered."""
    request = answer.request
    if request.step != course.plan.steps[0] or type(answer.event) is not course.start:
        raise UnknownSaga(saga=str(request.saga_id), told=type(answer.event).__name__)
    return SagaState(saga_id=request.saga_id, status=Status.RUNNING, pending=request)


def record_refused(saga: SagaState, request: Request, reason: str) -> Decision:
    """What a person recorded of the step that it waits for is not taken; nothing has changed."""
    if saga.pending is None or saga.pending.step != request.step:
        return Decision(saga)
    note = Note("record_refused", request, reason)
    return Decision(saga, Outcome.RECORD_REFUSED, notes=(note,))


def closes(asked: OnDesk, answer: Answer) -> bool:
    """Whether an earlier compensation was made after all: that closes the step for those asked
    later too, and nobody may ask again for what a later one was refused."""
    request = answer.request
    same = request.step == asked.step and request.action is Action.UNDO
    return same and isinstance(answer.event, Undone) and request.generation < asked.generation


# --- what follows each outcome


def go_on(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """Ask the next step, or the saga is confirmed."""
    return go_past(course, saga, leg, answer.event, answer.request)


def refused(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """Turn back at once, or wait for a person's decision."""
    cause = cause_of(leg, answer.event)
    if by_events(course):  # the services may have turned back on hearing it: it is final
        return fence(course, saga, cause)
    saga = replace(saga, cause=cause)
    if leg.step.on_refusal is OnRefusal.TURN_BACK or saga.detours.cancel_wished:
        return turn_back(course, saga, leg.previous, answer.request)
    assert saga.cause
    waiting = replace(saga, status=Status.AWAITING_DECISION)
    note = Note("decision_awaited", answer.request, saga.cause.reason)
    return Decision(waiting, wait=leg.step.decide_within, notes=(note,))


def undone(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """Undo the step before; or go on, where the step was undone to be skipped."""
    if saga.status is not Status.SKIPPING:
        return undo_from(course, saga, leg.previous, answer.request)
    skipped = (*saga.detours.skipped, leg.step.name)
    saga = replace(saga, detours=replace(saga.detours, skipped=skipped))
    decision = go_past(course, saga, leg, None, answer.request)
    note = Note("skipped", answer.request, "It goes on without this step")
    return decision._replace(notes=(note, *decision.notes))


def happened(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """The pivot had happened: only forward, with what it told."""
    told = answer.event
    assert isinstance(told, Happened)
    event_type = MESSAGES.get((told.type, told.event_version))
    if event_type is not leg.step.success:
        raise UnexpectedAnswer(step=leg.step.name, action=answer.request.action, told=told.type)
    if step := saga.detours.resume_at:
        detours = replace(saga.detours, cause=None, resume_at="", pivot_happened=True)
        return ask(course, replace(saga, detours=detours), Status.RUNNING, step, Action.DO)
    event = read(told.event, leg.step.success)
    return go_past(course, saga, leg, event, answer.request)


def fenced(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """The pivot never happens: turn back."""
    cause = saga.detours.cause
    assert cause  # a fence is asked for a reason
    saga = replace(saga, cause=cause, detours=replace(saga.detours, cause=None, resume_at=""))
    return turn_back(course, saga, leg.previous, answer.request)


def waits(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """Give it the time that it needs, and afterwards all its attempts again: it did answer."""
    told = answer.event
    assert isinstance(told, StepWaits)
    note = Note("waits", answer.request, told.reason)
    saga = replace(saga, attempt=min(saga.attempt, 1))
    return Decision(saga, wait=overdue_after(leg, told), notes=(note,))


def undo_refused(course: Course, saga: SagaState, leg: Leg, answer: Answer) -> Decision:
    """The compensation is given to the desk at once; the others go on."""
    told = answer.event
    assert isinstance(told, UndoRefused)
    if saga.status is Status.SKIPPING:  # it cannot be skipped: the step stands
        saga = replace(saga, cause=skip_failed(leg.step.name, told.reason))
    saga = give_to_desk(replace(saga, inputs="{}"), answer.request, refused=True)
    note = Note("undo_refused", answer.request, told.reason)
    wait = leg.step.patience.longest
    decision = undo_from(course, saga, leg.previous, answer.request)
    return decision._replace(desk_wait=wait, notes=(note, *decision.notes))


def skip_failed(step: str, reason: str) -> Cause:
    """The step that should be skipped cannot be undone."""
    return Cause(step, "SkipFailed", "{}", f"It could not be skipped: {reason}")


FOLLOWS: Mapping[Outcome, Callable[[Course, SagaState, Leg, Answer], Decision]] = {
    Outcome.DONE: go_on,
    Outcome.REFUSED: refused,
    Outcome.UNDONE: undone,
    Outcome.NOTHING_TO_UNDO: undone,
    Outcome.HAPPENED: happened,
    Outcome.FENCED: fenced,
    Outcome.WAITS: waits,
    Outcome.UNDO_REFUSED: undo_refused,
}


def hear_on_desk(course: Course, saga: SagaState, asked: OnDesk, answer: Answer) -> Decision:
    """A compensation that was given to the desk is answered after all."""
    leg = course.legs[asked.step]
    outcome = outcome_of(leg, answer)
    if isinstance(told := answer.event, StepWaits):
        return Decision(saga, outcome, notes=(Note("waits", answer.request, told.reason),))
    others = tuple(each for each in saga.detours.desk if each is not asked)
    if outcome is Outcome.UNDO_REFUSED:
        told = answer.event
        assert isinstance(told, UndoRefused)
        again = replace(asked, refused=True, command="", payload="")
        note = Note("undo_refused", answer.request, told.reason)
        saga = replace(saga, detours=replace(saga.detours, desk=(*others, again)))
        return Decision(saga, outcome, notes=(note,))
    return settle(course, saga, others, answer.request)._replace(outcome=outcome)


def settle(course: Course, saga: SagaState, desk: tuple[OnDesk, ...], request: Request) -> Decision:
    """Something has left the desk; the saga ends if it was the last thing that was open."""
    saga = replace(saga, detours=replace(saga.detours, desk=desk))
    if saga.pending is None and not desk:
        return end(course, saga, Status.UNDONE, Ending.UNDONE, request)
    status = Status.STUCK if desk else Status.COMPENSATING
    return Decision(replace(saga, status=status))
