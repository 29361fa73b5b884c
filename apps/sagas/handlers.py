"""What the engine listens to: every answer of the live definitions, and what starts them."""

from collections.abc import Iterator

from apps.contracts.base import Event
from apps.messaging.handling import Listener
from apps.processes import LIVE, Step
from apps.sagas.engine import Sagas, hear


def answers(step: Step) -> Iterator[type[Event]]:
    """All that a step can be answered with."""
    yield step.success
    if step.refusal:
        yield step.refusal
    if step.compensation:
        yield step.compensation.answer


LISTENERS = {
    event: Listener(hear, Sagas)
    for definition in LIVE
    for step in definition.steps
    for event in answers(step)
}
