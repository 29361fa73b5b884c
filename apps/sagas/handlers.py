"""What the engine listens to: every answer of the live definitions, and what starts them; what any
step may be answered with; and the customer's wish to cancel."""

from collections.abc import Iterator

from apps.contracts.base import Event
from apps.contracts.orders import CancelRequested
from apps.contracts.steps import (
    Fenced,
    Happened,
    PersonNeeded,
    RecordRefused,
    StepWaits,
    UndoneByHand,
    UndoRefused,
)
from apps.messaging.handling import Listener
from apps.processes import LIVE, Step
from apps.sagas.engine import Sagas, hear, hear_of_need, hear_wish


def answers(step: Step) -> Iterator[type[Event]]:
    """All that a step can be answered with."""
    yield step.success
    if step.refusal:
        yield step.refusal
    if step.compensation:
        yield step.compensation.answer


OF_ANY_STEP: tuple[type[Event], ...] = (
    Fenced, Happened, StepWaits, UndoRefused, RecordRefused, UndoneByHand,
)  # fmt: skip
ANSWERS = {each for definition in LIVE for step in definition.steps for each in answers(step)}

LISTENERS: dict[type[Event], Listener] = {
    **{event: Listener(hear, Sagas) for event in (*ANSWERS, *OF_ANY_STEP)},
    PersonNeeded: Listener(hear_of_need, Sagas),
    CancelRequested: Listener(hear_wish, Sagas),
}
