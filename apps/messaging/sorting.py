"""What the messages of a batch ask of a context, and in which order it is done."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from msgspec.structs import replace

from apps.contracts.base import Event, Message
from apps.contracts.catalogue import Action, command_topic
from apps.contracts.plan import Mode
from apps.contracts.steps import Fence, RecordHappened, ResolveOutside
from apps.messaging.envelope import Envelope
from apps.messaging.errors import NoHandler, UnknownMessage
from apps.messaging.handling import Handler, Heard, Listener, Reaction, Task, Workspace
from apps.messaging.record import Record
from apps.messaging.request import Request
from apps.messaging.wiring import Wiring, wiring

Asked = TypeVar("Asked")
ASKED_OF_ANY_STEP = frozenset(
    (each.__name__, each.version) for each in (Fence, RecordHappened, ResolveOutside)
)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """What one record asks of this context, behind the barrier."""

    record: Record
    envelope: Envelope
    task: Task
    handler: Handler | Reaction | None  # None: what any step can be asked, see barrier and batch


@dataclass(frozen=True, slots=True, eq=False)
class Overheard:
    """An event for a listener."""

    record: Record
    heard: Heard
    listener: Listener


def key_of(envelope: Envelope) -> tuple[str, int]:
    """By which a context's tables know a message."""
    return envelope.type, envelope.version


def concerns(table: Wiring, record: Record) -> bool:
    """Whether a message has to be read: most events are heard by others, and cost a glance."""
    if table.hears(record.type) or not record.type:
        return True
    return record.topic == command_topic(table.context)


def known(table: Wiring, envelope: Envelope) -> Envelope:
    """The same, if the context can handle it. Raises NoHandler for a command that it does not know,
    UnknownMessage for another version of a message that it does."""
    if key_of(envelope) in ASKED_OF_ANY_STEP:
        return envelope
    if not table.hears(envelope.type):
        raise NoHandler(type=envelope.type, context=table.context)
    if not table.knows(key_of(envelope)):
        raise UnknownMessage(type=envelope.type, version=envelope.version)
    return envelope


def item_of(table: Wiring, record: Record, envelope: Envelope, message: Message) -> Item | None:
    """What is asked behind the barrier; None where an event is only listened to."""
    if handler := table.commands.get(key_of(envelope)):
        return Item(record, envelope, Task(envelope.request, message), handler)
    if key_of(envelope) in ASKED_OF_ANY_STEP:
        return Item(record, envelope, Task(envelope.request, message), None)
    if reaction := table.reactions.get(key_of(envelope)):
        saga_id = envelope.request.saga_id
        request = Request(saga_id, reaction.step, Action.DO, 1, Mode.CHOREOGRAPHED)
        return Item(record, envelope, Task(request, message), reaction)
    return None


def request_to_park(context: str, record: Record) -> Request | None:
    """What a record asks of this context, of which one copy is parked: an action, which later
    actions of its saga wait for, or a compensation or fence, which nobody waits for.

    None where it is an event that is only listened to, or cannot be understood at all.
    """
    envelope = record.envelope
    if envelope is None:
        return None
    table = wiring(context)
    if reaction := table.reactions.get(key_of(envelope)):
        return replace(envelope.request, step=reaction.step, action=Action.DO, generation=1)
    return envelope.request if record.topic == command_topic(context) else None


def heard_in(envelope: Envelope, message: Message) -> Heard:
    """An event as its listener sees it."""
    assert isinstance(message, Event)
    return Heard(
        message_id=envelope.message_id,
        request=envelope.request,
        event=message,
        plan=envelope.plan,
        traceparent=envelope.traceparent,
    )


# --- the order of a batch


def waves(items: Iterable[Item]) -> list[list[Item]]:
    """The k-th request to one row of the log goes into the k-th wave."""
    asked: dict[tuple[UUID, str], int] = defaultdict(int)
    result: list[list[Item]] = []
    for item in items:
        key = (item.task.request.saga_id, item.task.request.step)
        if asked[key] == len(result):
            result.append([])
        result[asked[key]].append(item)
        asked[key] += 1
    return result


def by_workspace(
    asked: Iterable[Asked], route: Callable[[Asked], Handler | Reaction | Listener]
) -> list[tuple[type[Workspace], list[Asked]]]:
    """Grouped by workspace, always in the same order, so that batches lock in the same order."""
    groups: dict[type[Workspace], list[Asked]] = defaultdict(list)
    for each in asked:
        groups[route(each).workspace].append(each)
    return sorted(groups.items(), key=lambda group: group[0].__name__)
