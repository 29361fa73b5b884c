"""The kinds of message. A message belongs to the context whose module declares it."""

from typing import ClassVar
from uuid import UUID

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What travels in a payload: typed, versioned, immutable.

    Reading ignores fields that a type does not know, so that a command is exactly what its
    type sees of the inputs that it is built from. A change of fields is a new version.
    """

    version: ClassVar[int] = 1


class Command(Message, frozen=True, kw_only=True):
    """An order to one context: do a step."""


class Event(Message, frozen=True, kw_only=True):
    """A fact that one context tells: a step's success, or something that happened there."""


class Refusal(Event, frozen=True, kw_only=True):
    """A definite no for a business reason. Nothing was changed; asking again changes nothing."""

    @property
    def reason(self) -> str:
        """Why, in a sentence that a customer can read."""
        raise NotImplementedError


class Undone(Event, frozen=True, kw_only=True):
    """A step is compensated. Every field has a default: where nothing was done, nothing is told."""

    nothing_to_undo: bool = False


class Compensation(Command, frozen=True, kw_only=True):
    """An order to undo a step. It carries no inputs: the participant keeps its own row."""

    answer: ClassVar[type[Undone]]


class TakesBack(Command, frozen=True, kw_only=True):
    """An order to take back, after a confirmed end, what another saga did."""

    placed_by: UUID  # the saga that placed the order: participants know their rows by it


def context_of(message_type: type[Message]) -> str:
    """The context that owns a message: commands go to it, events come from it."""
    return message_type.__module__.rpartition(".")[2]
