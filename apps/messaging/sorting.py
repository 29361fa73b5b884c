"""What the messages of a batch ask of a context, and in which order it is done."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

from apps.contracts.base import Event, Message
from apps.contracts.catalogue import MESSAGES, Action, command_topic
from apps.contracts.plan import Mode
from apps.contracts.steps import Fence, RecordHappened, ResolveOutside
from apps.messaging.envelope import Envelope
from apps.messaging.errors import NoHandler, UnknownMessage
from apps.messaging.handling import Handler, Heard, Listener, Reaction, Task, Workspace
from apps.messaging.record import Record
from apps.messaging.request import Request
from apps.messaging.wiring import Wiring, wiring
from apps.processes.choreography import asked_by
from apps.processes.course import course_of
from apps.processes.errors import NoDefinition
from apps.processes.inputs import inputs_of_start

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
    if record.type in table.always or not record.type:
        return True
    if table.hears(record.type) and record.mode == Mode.CHOREOGRAPHED:
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


def items_of(table: Wiring, record: Record, envelope: Envelope, message: Message) -> Iterator[Item]:
    """What is asked behind the barrier; nothing where an event is only listened to."""
    if handler := table.commands.get(key_of(envelope)):
        yield Item(record, envelope, Task(envelope.request, message), handler)
    if key_of(envelope) in ASKED_OF_ANY_STEP:
        yield Item(record, envelope, Task(envelope.request, message), None)
    if reaction := table.reactions.get(key_of(envelope)):
        saga_id = envelope.request.saga_id
        request = Request(saga_id, reaction.step, Action.DO, 1, Mode.CHOREOGRAPHED)
        yield Item(record, envelope, Task(request, message), reaction)
    if asked := as_command(table, envelope):
        command = asked.open()
        asked = replace(asked, payload=msgspec.json.encode(command))
        handler = table.commands.get(key_of(asked))
        if handler is None:
            raise NoHandler(type=asked.type, context=table.context)
        yield Item(record, asked, Task(asked.request, command), handler)


def as_command(table: Wiring, event: Envelope) -> Envelope | None:
    """What an event of a saga that nobody coordinates asks of this context, as if it were sent a
    command: the plan that came with the event says it, and its inputs are the command's.

    An event of an orchestrated saga asks nothing. Raises NoDefinition.
    """
    told = event.request
    if told.mode is not Mode.CHOREOGRAPHED or key_of(event) not in table.follows:
        return None
    asked = asked_by(event.plan, told.step, told.action, MESSAGES[key_of(event)])
    if asked is None or asked.context != table.context:
        return None
    inputs = carried(event) if asked.action is Action.DO else ""
    return replace(
        event,
        request=Request(told.saga_id, asked.step, asked.action, 1, Mode.CHOREOGRAPHED),
        type=asked.command.__name__,
        version=asked.command.version,
        topic=command_topic(table.context),
        payload=inputs.encode() or b"{}",
        inputs=inputs,
    )


def carried(event: Envelope) -> str:
    """The inputs that came with a success; the event that starts a saga is its own inputs."""
    leg = course_of(event.plan).legs[event.request.step]
    return event.inputs or inputs_of_start(leg, event.payload)


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
    if asked := asked_if_known(table, envelope):
        return asked.request
    return envelope.request if record.topic == command_topic(context) else None


def asked_if_known(table: Wiring, envelope: Envelope) -> Envelope | None:
    """Like as_command; None also where no definition says what is asked."""
    try:
        return as_command(table, envelope)
    except NoDefinition:
        return None


def heard_in(envelope: Envelope, message: Message) -> Heard:
    """An event as its listener sees it."""
    assert isinstance(message, Event)
    return Heard(
        message_id=envelope.message_id,
        request=envelope.request,
        event=message,
        plan=envelope.plan,
        traceparent=envelope.traceparent,
        inputs=envelope.inputs,
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
