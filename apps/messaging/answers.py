"""What a participant answers, and what its row says then. No storage."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from apps.contracts.base import Compensation, Event, Message, Refusal, Undone
from apps.contracts.catalogue import EVENT_TOPICS, MESSAGES, Action
from apps.contracts.plan import Mode, Plan
from apps.contracts.reading import read
from apps.contracts.steps import (
    OF_ANY_STEP,
    Fenced,
    Happened,
    RecordRefused,
    ResolveOutside,
    StepWaits,
    UndoRefused,
)
from apps.messaging.barrier import Decision, Row, Status
from apps.messaging.envelope import Envelope
from apps.messaging.errors import WrongAnswer
from apps.messaging.handling import CallOutside, Reaction
from apps.messaging.request import Request
from apps.messaging.saga_log import Answer, Entry
from apps.messaging.sorting import Item
from apps.processes.course import course_of
from apps.processes.inputs import inputs_behind


def checked(item: Item, answer: Event | CallOutside | None) -> Event | CallOutside | None:
    """Raises WrongAnswer where a handler returned what its request does not allow."""
    reacts = isinstance(item.handler, Reaction)
    if isinstance(answer, CallOutside) and not reacts:
        return answer
    if answer is None and reacts:
        return answer
    return checked_event(type(item.task.message), answer)


def checked_event(asked: type[msgspec.Struct], answer: object, *, outside: bool = False) -> Event:
    """Raises WrongAnswer where an event is not one that its request allows.

    A compensation is answered by its own event, what a person did by an Undone, an action by
    anything else. Only the world `outside` can refuse to undo something: a handler of ours either
    undoes it or raises.
    """
    if issubclass(asked, ResolveOutside):
        allowed = isinstance(answer, Undone)
    elif issubclass(asked, Compensation):
        allowed = isinstance(answer, asked.answer) or (outside and isinstance(answer, UndoRefused))
    else:
        allowed = not isinstance(answer, Undone | UndoRefused | RecordRefused)
    if not allowed or not isinstance(answer, Event):
        raise WrongAnswer(asked=asked.__name__, answered=type(answer).__name__)
    return answer


def status_after(decision: Decision, answer: Event | CallOutside | None) -> Status:
    """What the row says after a decision that changes it."""
    if decision in (Decision.BURY, Decision.WITHDRAW):
        return Status.TOMBSTONE
    outside = isinstance(answer, CallOutside)
    if decision is Decision.UNDO:
        return Status.UNDOING if outside else Status.UNDONE
    if outside:
        return Status.DOING
    return Status.REFUSED if isinstance(answer, Refusal) else Status.DONE


def generation_after(decision: Decision, row: Row | None, request: Request) -> int:
    """Under which generation the row stands then: the one that it was done under, while it is
    undone."""
    return row.generation if row and decision is Decision.UNDO else request.generation


def nothing_happened(envelope: Envelope, message: msgspec.Struct | None = None) -> Event:
    """The answer to a compensation, or to a Fence, of a step that has no effect."""
    if envelope.request.action is Action.FENCE:
        return Fenced()
    message = message or envelope.open()
    assert isinstance(message, Compensation)
    return message.answer(nothing_to_undo=True)


def answered_request(item: Item) -> Request:
    """What an answer repeats: the request; of a reaction, in the mode of what it heard."""
    return replace(item.task.request, mode=item.envelope.request.mode)


def envelope_of(context: str, asked: Envelope, event: Event, request: Request) -> Envelope:
    """An answer on its way; one that any step may give goes to this context's own events."""
    topic = EVENT_TOPICS[context] if type(event) in OF_ANY_STEP else ""
    return asked.answered(event, request, topic=topic, inputs=inputs_onward(asked, event, request))


def told_to_wait(context: str, asked: Envelope, reason: str, until: datetime) -> Envelope:
    """That a request needs more time, on its way to who waits for it."""
    return envelope_of(context, asked, StepWaits(reason=reason, until=until), asked.request)


def inputs_onward(asked: Envelope, event: Event, request: Request) -> str:
    """What a success carries for the steps behind it, where no engine keeps it for them."""
    if request.mode is not Mode.CHOREOGRAPHED or not asked.inputs:
        return ""
    if request.step not in Plan.from_header(asked.plan).steps:  # a reaction, which nobody follows
        return ""
    leg = course_of(asked.plan).legs[request.step]
    if type(event) is not leg.step.success or not leg.following:
        return ""
    return inputs_behind(leg, asked.inputs, event)


def again(item: Item, entry: Entry, refused: str) -> Event:
    """The stored outcome, as the answer to this very request; `refused` says why an undo was."""
    if entry.row.status is Status.UNDOING:
        return UndoRefused(reason=refused)
    fence = item.task.request.action is Action.FENCE
    if fence and entry.row.status is Status.DONE:
        return happened(entry.answer)
    if fence or entry.row.status is Status.TOMBSTONE:
        return nothing_happened(item.envelope, item.task.message)
    return stored(entry.answer)


def stored(answer: Answer) -> Event:
    """The event that was answered."""
    event: Message = read(bytes(answer.payload), MESSAGES[answer.type, answer.version])
    assert isinstance(event, Event)
    return event


def happened(answer: Answer) -> Happened:
    """The answer to a Fence of a step that had its effect."""
    payload = msgspec.Raw(bytes(answer.payload))
    return Happened(type=answer.type, event_version=answer.version, event=payload)


def kept_answer(envelope: Envelope) -> Answer:
    """An answer as the saga log keeps it."""
    return Answer(envelope.type, envelope.version, envelope.payload)
