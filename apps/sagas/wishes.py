"""The customer's wish to cancel: what the saga's own way has decided about it. Pure."""

from msgspec.structs import replace

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.contracts.sagas import CancelAccepted, CancelTooLate
from apps.messaging.request import Request
from apps.processes.course import Course
from apps.sagas.state import FIRST_GENERATION, Decision, SagaState, Status, Told
from apps.sagas.taking_over import is_past_pivot


def answer_wish(course: Course, decision: Decision) -> Decision:
    """The same, with news for the customer once a wish is decided. It is told once."""
    saga, detours = decision.saga, decision.saga.detours
    if not detours.cancel_wished or detours.cancel_told:
        return decision
    verdict = verdict_of(course, saga)
    if verdict is None:
        return decision
    told = Told(verdict, _of_the_order(course, saga))
    saga = replace(saga, detours=replace(detours, cancel_told=True))
    return decision._replace(saga=saga, sends=(*decision.sends, told))


def told_again(course: Course, saga: SagaState) -> Decision:
    """A wish after the saga's end, or one that was decided already: the answer again."""
    # Its pivot is fenced though that was told: it had turned back by itself, and was taken over.
    verdict = verdict_of(course, saga) or CancelAccepted()
    return Decision(saga, sends=(Told(verdict, _of_the_order(course, saga)),))


def verdict_of(course: Course, saga: SagaState) -> Event | None:
    """Granted where the saga turned back; None while the pivot is still in question."""
    if is_past_pivot(course, saga):
        return CancelTooLate(step=course.pivot)
    back = saga.status in (Status.COMPENSATING, Status.UNDONE)
    stuck_back = saga.status is Status.STUCK and (
        saga.pending is None or saga.pending.action is Action.UNDO
    )
    return CancelAccepted() if back or stuck_back else None


def _of_the_order(course: Course, saga: SagaState) -> Request:
    """The news is about the whole saga: about its first step, the order."""
    first = course.plan.steps[0]
    return Request(saga.saga_id, first, Action.DO, FIRST_GENERATION, Mode.ORCHESTRATED)
