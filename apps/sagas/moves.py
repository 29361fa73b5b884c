"""What people may do to a saga, and what then happens. Pure.

Each move is refused with MoveNotAllowed, in words that say what can be done instead, where it would
break the pivot rule or where there is nothing to act on.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.steps import RecordHappened, ResolveOutside
from apps.messaging.request import Request
from apps.processes import Kind
from apps.processes.course import Course
from apps.sagas.asking import ask, desk_command, told_of
from apps.sagas.errors import MoveNotAllowed
from apps.sagas.state import (
    Cause,
    Compensate,
    Decision,
    Note,
    OnDesk,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    Retry,
    SagaState,
    Skip,
    Status,
    Substitute,
)
from apps.sagas.taking_over import NOT_SKIPPED, by_events, fence
from apps.sagas.waiting import may_turn_back, resume, send_again, turn_back_doubting


def compensate(course: Course, saga: SagaState, move: Compensate) -> Decision:
    """Turn the saga back; where the pivot was sent, by a Fence that finds out whether it still
    can."""
    request = _pending(saga, "turned back")
    leg = course.legs[request.step]
    cause = saga.cause or Cause(leg.step.name, "TurnedBack", "{}", move.reason)
    if may_turn_back(leg, saga):
        return turn_back_doubting(course, saga, leg, cause)
    if leg.step.kind is Kind.PIVOT and request.action is Action.DO:
        return fence(course, saga, cause, by_hand=True)
    if request.action is not Action.DO:
        raise MoveNotAllowed(f"It is turning back already: {request.step} is asked.")
    raise MoveNotAllowed(
        f"The pivot has happened: the saga only goes forward. Retry {request.step}, or record its "
        "outcome."
    )


def retry(course: Course, saga: SagaState, move: Retry) -> Decision:
    """Ask a step again now: after a definite refusal under a higher generation, otherwise the same
    request."""
    _not_paused(saga)
    if on_desk := _on_desk(saga, move.step):
        again = replace(on_desk, generation=on_desk.generation + on_desk.refused, refused=False)
        return ask_on_desk(course, saga, on_desk, again)
    request = _pending(saga, "retried")
    if request.step != move.step:
        raise MoveNotAllowed(f"It does not wait for {move.step}, but for {request.step}.")
    if saga.status is not Status.AWAITING_DECISION:
        return send_again(course, replace(saga, attempt=min(saga.attempt, 1)))
    generations = saga.detours.generations | {move.step: request.generation + 1}
    detours = replace(saga.detours, generations=generations)
    saga = replace(saga, cause=None, detours=detours)
    decision = ask(course, saga, Status.RUNNING, move.step, Action.DO)
    return decision._replace(notes=(Note("retried", decision.saga.pending, ""),))


def skip(course: Course, saga: SagaState, move: Skip) -> Decision:
    """Undo a step whatever its outcome is, then go on without it."""
    request = _pending(saga, "skipped")
    if by_events(course):
        raise MoveNotAllowed(NOT_SKIPPED)
    leg = course.legs.get(move.step)
    if leg is None or not leg.step.skippable:
        raise MoveNotAllowed(f"{move.step} cannot be skipped: its definition does not say so.")
    waits_for_it = request.step == move.step and request.action is Action.DO
    if not waits_for_it or saga.status not in (Status.RUNNING, Status.AWAITING_DECISION):
        raise MoveNotAllowed(f"It does not wait for {move.step} to be done, so nothing is skipped.")
    saga = replace(saga, cause=None)
    return ask(course, saga, Status.SKIPPING, move.step, Action.UNDO)


def pause(course: Course, saga: SagaState, move: Pause) -> Decision:
    """Take answers, send nothing. The service says until when; the deadline runs on."""
    if saga.ended:
        raise MoveNotAllowed("The saga has ended; there is nothing to pause.")
    return Decision(replace(saga, paused=True), notes=(Note("paused", saga.pending, ""),))


def end_pause(course: Course, saga: SagaState, move: Resume) -> Decision:
    """Send what was held back; past the deadline turn back where that still can be."""
    if not saga.paused:
        raise MoveNotAllowed("The saga is not paused.")
    return resume(course, saga, move)


def resolve(course: Course, saga: SagaState, move: Resolve) -> Decision:
    """A compensation was made by hand, outside."""
    message = ResolveOutside(evidence=move.evidence)
    payload = msgspec.json.encode(message).decode()
    return _instead(course, saga, move.step, ResolveOutside.__name__, payload)


def substitute(course: Course, saga: SagaState, move: Substitute) -> Decision:
    """Undo a step in another way than its definition's first."""
    leg = course.legs.get(move.step)
    known = [each.__name__ for each in leg.step.substitutes] if leg else []
    if move.command not in known:
        others = ", ".join(known) or "none"
        raise MoveNotAllowed(
            f"{move.command} is no substitute of {move.step}; there are: {others}."
        )
    assert (move.command, 1) in MESSAGES  # a definition names types that exist
    return _instead(course, saga, move.step, move.command, "{}")


def record_outcome(course: Course, saga: SagaState, move: RecordOutcome) -> Decision:
    """Tell the step's barrier that its outside call happened; its answer comes from there, or to a
    stuck Fence when that is asked again."""
    request = _pending(saga, "recorded")
    _not_paused(saga)
    leg = course.legs[request.step]
    forward = request.step == move.step and request.action is not Action.UNDO
    if not forward or leg.step.kind is Kind.COMPENSATABLE or saga.status is not Status.STUCK:
        raise MoveNotAllowed(
            f"Only the outcome of a pivot, or of a step behind it, that is stuck can be recorded; "
            f"{move.step} is not."
        )
    if not leg.step.outside:
        raise MoveNotAllowed(
            f"{move.step} happens in our own database, which knows whether it did: retry it, or "
            "replay its parked message."
        )
    done = replace(request, action=Action.DO)
    told = told_of(leg, done, RecordHappened(evidence=move.evidence))
    return Decision(saga, sends=(told,), notes=(Note("outcome_recorded", request, ""),))


def _instead(course: Course, saga: SagaState, step: str, command: str, payload: str) -> Decision:
    """Ask a step on the desk with another compensation: a higher generation replaces the undo
    whose call was never made or was refused."""
    on_desk = _on_desk(saga, step)
    _not_paused(saga)
    if on_desk is None:
        raise MoveNotAllowed(f"The undoing of {step} does not stand on the desk.")
    again = OnDesk(step, on_desk.generation + 1, 0, command=command, payload=payload)
    return ask_on_desk(course, saga, on_desk, again)


def ask_on_desk(course: Course, saga: SagaState, asked: OnDesk, again: OnDesk) -> Decision:
    """Replace what stands on the desk by what is asked now, and send it."""
    again = replace(again, attempt=again.attempt + 1)
    desk = tuple(again if each is asked else each for each in saga.detours.desk)
    leg = course.legs[again.step]
    request = again.request(saga.saga_id)
    told = told_of(leg, request, desk_command(leg, again))
    saga = replace(saga, detours=replace(saga.detours, desk=desk))
    note = Note("sent_again", request, again.command or f"Sending {again.attempt}")
    return Decision(saga, sends=(told,), desk_wait=leg.step.patience.longest, notes=(note,))


def _not_paused(saga: SagaState) -> None:
    if saga.paused:
        raise MoveNotAllowed("The saga is paused; resume it first.")


def _on_desk(saga: SagaState, step: str) -> OnDesk | None:
    return next((each for each in saga.detours.desk if each.step == step), None)


def _pending(saga: SagaState, wanted: str) -> Request:
    if saga.ended:
        raise MoveNotAllowed(f"The saga has ended as {saga.status}; nothing can be {wanted}.")
    if saga.pending is None:
        steps = ", ".join(each.step for each in saga.detours.desk)
        raise MoveNotAllowed(
            f"Nothing else can be {wanted}: it waits only for what stands on the desk ({steps}), "
            "which can be retried, resolved or substituted."
        )
    return saga.pending


MOVES: dict[type, Callable[[Course, SagaState, Any], Decision]] = {
    Compensate: compensate,
    Retry: retry,
    Skip: skip,
    Pause: pause,
    Resume: end_pause,
    Resolve: resolve,
    Substitute: substitute,
    RecordOutcome: record_outcome,
}
