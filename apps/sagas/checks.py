"""What Django checks at each start: that waits fit together."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error

from apps.contracts.base import context_of
from apps.messaging.context import contexts
from apps.messaging.wiring import wiring
from apps.processes import LIVE, Step


def waits_fit(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A step that may call outside waits for longer than a worker has the call to itself, which is
    longer than two of the longest calls: otherwise every slow call would be asked for again."""
    leases = {each.label: wiring(each.label).lease for each in contexts()}
    return [
        Error(
            f"{process}.{step.name} waits {step.patience.timeout:g} s for its answer, but a call "
            f"of {context} may take a lease of {leases[context]:g} s.",
            hint="Raise the step's timeout, or lower `longest` of the context's CALLS.",
            id="sagas.E001",
        )
        for process, step, context in asked()
        if step.name in outside_steps(context) and step.patience.timeout <= leases.get(context, 0)
    ]


def asked() -> Iterator[tuple[str, Step, str]]:
    """Every step of the live definitions that a context is asked for."""
    for definition in LIVE:
        for step in definition.steps:
            if step.command:
                yield definition.name, step, context_of(step.command)


def outside_steps(context: str) -> frozenset[str]:
    """The steps of a context that may call outside."""
    calls = wiring(context).calls if context in {each.label for each in contexts()} else {}
    return frozenset[str]().union(*(each.steps for each in calls.values()))
