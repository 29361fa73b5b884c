"""What a context does with each message: its COMMANDS, REACTIONS, LISTENERS and CALLS as tables.

Which events ask its steps to be done and undone, in sagas that nobody coordinates, follows from the
live definitions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TypeVar

from apps.contracts.base import Event, Message
from apps.contracts.catalogue import command_topic, topic_of
from apps.contracts.steps import OF_ANY_STEP
from apps.messaging.handling import Handler, Listener, OutsideCall, Reaction
from apps.processes.choreography import events_beside

Wired = TypeVar("Wired")
TypeKey = tuple[str, int]  # the name and version of a message's type


@dataclass(frozen=True)
class Wiring:
    """The handlers of one context, by the message's type and version."""

    context: str
    commands: Mapping[TypeKey, Handler]
    reactions: Mapping[TypeKey, Reaction]
    listeners: Mapping[TypeKey, Listener]
    calls: Mapping[str, OutsideCall]  # by operation
    follows: frozenset[TypeKey]  # events by which its steps are asked where nobody coordinates
    topics: tuple[str, ...]  # that the context reads
    names: frozenset[str]  # of all types that it knows, whatever the version
    always: frozenset[str]  # of those that concern it in whichever mode

    def hears(self, type_name: str) -> bool:
        """Whether messages of that name concern this context."""
        return type_name in self.names

    def knows(self, key: TypeKey) -> bool:
        """Whether there is a handler for this version of a message."""
        tables = (self.commands, self.reactions, self.listeners, self.follows)
        return any(key in table for table in tables)

    @property
    def lease(self) -> float:
        """Seconds for which a worker has an outside call of this context to itself."""
        return max((each.lease for each in self.calls.values()), default=0.0)

    @property
    def reaction_steps(self) -> frozenset[str]:
        """The steps that are in no plan."""
        return frozenset(each.step for each in self.reactions.values())


@lru_cache(maxsize=32)
def wiring(context: str) -> Wiring:
    """The tables of a context's handlers module; a table that it does not declare is empty."""
    handlers = import_module(f"apps.{context}.handlers")
    commands = getattr(handlers, "COMMANDS", {})
    reactions = getattr(handlers, "REACTIONS", {})
    listeners = getattr(handlers, "LISTENERS", {})
    calls = getattr(handlers, "CALLS", {})
    beside = events_beside(context)
    heard: set[type[Event]] = {*reactions, *listeners, *beside}
    return Wiring(
        context=context,
        commands=_by_key(commands),
        reactions=_by_key(reactions),
        listeners=_by_key(listeners),
        calls=calls,
        follows=frozenset(map(key_of_type, beside)),
        topics=tuple(sorted({command_topic(context), *map(topic_of, heard - OF_ANY_STEP)})),
        names=frozenset(each.__name__ for each in (*commands, *heard)),
        always=frozenset(each.__name__ for each in (*commands, *reactions, *listeners)),
    )


def _by_key(table: Mapping[type[Message], Wired]) -> dict[TypeKey, Wired]:
    return {key_of_type(each): wired for each, wired in table.items()}


def key_of_type(message_type: type[Message]) -> TypeKey:
    return message_type.__name__, message_type.version
