"""What Django checks at each start: that whoever calls outside can do so as `dispatching` does."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error

from apps.messaging.context import ContextConfig, contexts
from apps.messaging.wiring import wiring


def callers_are_equipped(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A context that calls outside has the tables for it, and one description of each provider."""
    callers = [each for each in contexts() if "intent" in each.models]
    return [error for each in callers for error in (*_without_table(each), *_double(each))]


def _without_table(context: ContextConfig) -> Iterator[CheckMessage]:
    if "providerstate" not in context.models:
        yield Error(
            f"{context.label} calls outside and has no table for who does not answer.",
            hint=f"Declare ProviderState in apps/{context.label}/models.py, as payments does.",
            id="messaging.E001",
        )


def _double(context: ContextConfig) -> Iterator[CheckMessage]:
    providers = {each.provider for each in wiring(context.label).calls.values()}
    names = [each.name for each in providers]
    for name in sorted(name for name in set(names) if names.count(name) > 1):
        yield Error(
            f"{context.label} describes the provider {name} in two ways.",
            hint="Let all its CALLS name one Provider.",
            id="messaging.E002",
        )
