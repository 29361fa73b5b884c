"""What a saga does when it has waited for too long, or is wished away. Pure.

The pivot rule: from the first sending of the pivot's command neither time nor a wish turns a saga
back, only a definite refusal or a Fence that found that it had not happened. (A Fence is a
person's move.) Until then the request is sent again, and after its last attempt stands on the desk.
"""

from msgspec.structs import replace

from apps.contracts.catalogue import Action
from apps.messaging.request import Request
from apps.processes import Kind
from apps.processes.course import Course, Leg
from apps.sagas.asking import desk_command, send, told_of, turn_back, undo_from
from apps.sagas.state import (
    Cause,
    Decision,
    DeskOverdue,
    Note,
    OnDesk,
    Overdue,
    Resume,
    SagaState,
    Status,
    Wish,
)
from apps.sagas.taking_over import by_events, fence


def overdue(course: Course, saga: SagaState, said: Overdue) -> Decision:
    """Send again; after the last attempt, or past the deadline, give up what can be given up."""
    request = saga.pending
    if request is None or request != said.request or saga.paused:
        return Decision(saga)
    leg = course.legs[request.step]
    late = said.past_deadline or saga.status is Status.AWAITING_DECISION
    if late and not said.restrained and may_turn_back(leg, saga):
        return give_up_waiting(course, saga, leg)
    if saga.status is Status.AWAITING_DECISION:
        return Decision(saga, wait=leg.step.patience.longest)
    attempts = leg.step.patience.attempts
    forward = request.action is not Action.UNDO and not may_turn_back(leg, saga)
    if (
        said.restrained and not forward
    ):  # and afterwards one more wait, however long it was restrained
        return send_again(course, replace(saga, attempt=min(saga.attempt, max(attempts - 2, 0))))
    if saga.attempt < attempts:
        return send_again(course, saga)
    return give_up(course, saga, leg)


def resume(course: Course, saga: SagaState, said: Resume) -> Decision:
    """Send what was held back; what had been sent before the pause is asked again. A deadline that
    passed meanwhile turns back, before a pivot that was held back is sent."""
    saga = replace(saga, paused=False)
    note = Note("resumed", saga.pending, "")
    leg = course.legs[saga.pending.step] if saga.pending else None
    if leg and said.past_deadline and may_turn_back(leg, saga):
        decision = give_up_waiting(course, saga, leg)
        return decision._replace(notes=(note, *decision.notes))
    if saga.pending is None or saga.status is Status.AWAITING_DECISION:
        wait = leg.step.decide_within if leg else None
        return Decision(saga, wait=wait, notes=(note,))
    return send(course, saga)._replace(notes=(note,))


def send_again(course: Course, saga: SagaState) -> Decision:
    """The same request, with the same generation."""
    decision = send(course, saga)
    attempt = decision.saga.attempt
    return decision._replace(notes=(Note("sent_again", saga.pending, f"Sending {attempt}"),))


def may_turn_back(leg: Leg, saga: SagaState) -> bool:
    """Before the pivot's first sending, or while its definite refusal waits for a decision."""
    if saga.status is Status.AWAITING_DECISION:
        return True
    if saga.detours.pivot_happened:
        return False
    if saga.status not in (Status.RUNNING, Status.SKIPPING):
        return False
    unsent_pivot = leg.step.kind is Kind.PIVOT and saga.attempt == 0
    return leg.step.kind is Kind.COMPENSATABLE or unsent_pivot


def give_up(course: Course, saga: SagaState, leg: Leg) -> Decision:
    """The last attempt has had no answer."""
    request = saga.pending
    assert request  # only what is open can be overdue
    text = f"No answer after {saga.attempt} sendings"
    if may_turn_back(leg, saga):
        return turn_back_doubting(course, saga, leg, Cause(leg.step.name, "NoAnswer", "{}", text))
    if request.action is Action.UNDO:
        note = Note("stuck", request, text)
        given = give_to_desk(saga, request, refused=False)
        decision = undo_from(course, given, leg.previous, request)
        notes = (note, *decision.notes)
        return decision._replace(desk_wait=leg.step.patience.longest, notes=notes)
    if saga.status is Status.STUCK:
        return send_again(course, saga)
    decision = send(course, replace(saga, status=Status.STUCK))
    return decision._replace(notes=(Note("stuck", request, text),))


def give_up_waiting(course: Course, saga: SagaState, leg: Leg) -> Decision:
    """The saga's deadline is over, or the time for a decision."""
    if saga.status is Status.AWAITING_DECISION:
        cause = saga.cause
        assert cause  # it waits because of a refusal
    else:
        cause = Cause(leg.step.name, "DeadlinePassed", "{}", "The order took too long")
    return turn_back_doubting(course, saga, leg, cause)


def turn_back_doubting(course: Course, saga: SagaState, leg: Leg, cause: Cause) -> Decision:
    """Undo from the pending step on, which may have had its effect; not from one that refused, and
    not from a pivot that was never sent."""
    request = saga.pending
    assert request  # a live saga that may turn back waits for something
    if by_events(course):
        return fence(course, saga, cause)
    definite = saga.status is Status.AWAITING_DECISION or leg.step.kind is Kind.PIVOT
    first = leg.previous if definite else leg.step.name
    decision = turn_back(course, replace(saga, cause=cause), first, request)
    return decision._replace(notes=(Note("turned_back", request, cause.reason), *decision.notes))


def give_to_desk(saga: SagaState, request: Request, *, refused: bool) -> SagaState:
    """A compensation that a person should look at; it stays asked."""
    asked = OnDesk(request.step, request.generation, saga.attempt, refused)
    return replace(saga, detours=replace(saga.detours, desk=(*saga.detours.desk, asked)))


def desk_overdue(course: Course, saga: SagaState, said: DeskOverdue) -> Decision:
    """Ask all that stands on the desk again, but for what was refused for good."""
    if saga.paused or not saga.detours.desk:
        return Decision(saga, desk_wait=longest_wait(course, saga))
    desk = tuple(
        each if each.refused else replace(each, attempt=each.attempt + 1)
        for each in saga.detours.desk
    )
    sends = tuple(
        told_of(leg, each.request(saga.saga_id), desk_command(leg, each))
        for each in desk
        if not each.refused
        for leg in [course.legs[each.step]]
    )
    saga = replace(saga, detours=replace(saga.detours, desk=desk))
    return Decision(saga, sends=sends, desk_wait=longest_wait(course, saga))


def longest_wait(course: Course, saga: SagaState) -> float | None:
    """Seconds until the desk is asked again; None where it is empty."""
    waits = [course.legs[each.step].step.patience.longest for each in saga.detours.desk]
    return min(waits, default=None)


def wish(course: Course, saga: SagaState, said: Wish) -> Decision:
    """Turn back, if the pivot was not sent; otherwise wait for its answer."""
    request = saga.pending
    if saga.detours.cancel_wished:
        return Decision(saga)
    saga = replace(saga, detours=replace(saga.detours, cancel_wished=True))
    if request is None:  # it turned back, and what is left stands on the desk
        return Decision(saga)
    leg = course.legs[request.step]
    if may_turn_back(leg, saga):
        cause = Cause(leg.step.name, "CancelWished", "{}", said.reason)
        return turn_back_doubting(course, saga, leg, cause)
    return Decision(saga, notes=(Note("cancel_wished", request, said.reason),))
