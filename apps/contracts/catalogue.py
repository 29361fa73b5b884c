"""Every message by name and version, and the topic that each belongs to."""

import enum
from importlib import import_module
from types import ModuleType

from apps.contracts import steps
from apps.contracts.base import (
    Command,
    Compensation,
    Event,
    Message,
    Refusal,
    TakesBack,
    Undone,
    context_of,
)
from apps.contracts.topics import (  # noqa: F401 - whoever asks for messages asks for topics too
    ALERTS,
    CONTEXTS,
    EVENT_TOPICS,
    TOPICS,
    command_topic,
)

KINDS = (Message, Command, Compensation, TakesBack, Event, Refusal, Undone)


class Action(enum.StrEnum):
    """What is asked about a step."""

    DO = "do"
    UNDO = "undo"
    FENCE = "fence"  # tell me the outcome, or make sure that it will never happen


def topic_of(message_type: type[Message]) -> str:
    """Commands go to their context's commands, events to its events.

    Raises KeyError for what belongs to any step: whoever sends it names the topic.
    """
    context = context_of(message_type)
    events = EVENT_TOPICS[context]
    return command_topic(context) if issubclass(message_type, Command) else events


def _messages_of(module: ModuleType) -> list[type[Message]]:
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Message) and each not in KINDS
    ]


MESSAGES: dict[tuple[str, int], type[Message]] = {
    (each.__name__, each.version): each
    for module in (*(import_module(f"apps.contracts.{each}") for each in CONTEXTS), steps)
    for each in _messages_of(module)
}
