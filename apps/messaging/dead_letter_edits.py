"""Correcting a parked message: what may be changed, and that the result can be read.

Pure: nothing here reads or writes a database.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from uuid_utils.compat import uuid7

from apps.contracts import headers as h
from apps.contracts.base import Compensation, Event, Message
from apps.contracts.catalogue import MESSAGES, Action, topic_of
from apps.contracts.plan import Plan
from apps.contracts.reading import read
from apps.messaging.dead_letter_rows import ParkedLetter
from apps.messaging.envelope import Envelope, read_envelope
from apps.messaging.errors import NO_JSON, EditRefused, UnreadableMessage
from apps.messaging.outbox import encode_headers
from apps.messaging.wiring import wiring

CHANGEABLE = (h.TYPE, h.VERSION, h.MODE, h.PLAN, h.CAUSATION_ID, h.TRACEPARENT)
# Why the others are not.
FIXED = {
    **dict.fromkeys(
        (h.SAGA_ID, h.BAGGAGE),
        "it says whose message this is: another saga never asked for it",
    ),
    **dict.fromkeys(
        (h.STEP_ID, h.ACTION, h.GENERATION),
        "whoever asked waits for the answer to exactly this step, action and generation; another"
        " would be an answer to nobody",
    ),
    h.MESSAGE_ID: "every message that is sent gets one of its own",
}
UNREADABLE = (
    f". Only {', '.join(CHANGEABLE)} can be corrected: if another header is unreadable, discard"
    " this message and let whoever sent it send it anew"
)
WHOLE = "$"  # the path of a whole payload


class Edit(NamedTuple):
    """A corrected message, ready to be kept beside the original."""

    headers: str
    payload: bytes
    changes: tuple[str, ...]  # paths and names, never values


def edit_of(
    context: str, letter: ParkedLetter, payload: bytes, headers: Mapping[str, str] | None
) -> Edit:
    """The correction of a letter, checked. Raises EditRefused naming the field that is wrong."""
    given = dict(headers or {})
    _check_names(given)
    before = letter.sent_headers
    after = before | given
    envelope = _readable(letter, after, payload)
    message_type = _known(context, letter, envelope)
    _check_kind(message_type, envelope.request.action)
    _check_payload(message_type, payload)
    renamed = [f"header {name}" for name in given if before.get(name) != given[name]]
    changes = (*renamed, *changed_paths(letter.payload, payload))
    if not changes and letter.edited_payload is None:
        raise EditRefused(problem="nothing was changed; replay it as it is, or correct something")
    return Edit(encode_headers(after), payload, changes)


# --- headers


def _check_names(given: Mapping[str, str]) -> None:
    for name in given:
        if name not in CHANGEABLE:
            why = FIXED.get(name, "no message has such a header")
            may = ", ".join(CHANGEABLE)
            raise EditRefused(field=name, problem=f"cannot be changed: {why}", changeable=may)


def _readable(letter: ParkedLetter, headers: Mapping[str, str], payload: bytes) -> Envelope:
    """The envelope; the message id is made anew when it is sent."""
    raw = {name: text.encode() for name, text in headers.items()}
    raw[h.MESSAGE_ID] = str(uuid7()).encode()
    try:
        envelope = read_envelope(letter.topic, raw, payload)
        Plan.from_header(envelope.plan)
    except UnreadableMessage as error:
        problem: str = error.problem  # type: ignore[attr-defined]
        raise EditRefused(field="headers", problem=problem + UNREADABLE) from error
    except ValueError as error:
        raise EditRefused(field=h.PLAN, problem=str(error)) from error
    return envelope


def _known(context: str, letter: ParkedLetter, envelope: Envelope) -> type[Message]:
    """The message's type, which this context handles and which travels on this topic."""
    key = (envelope.type, envelope.version)
    if key not in MESSAGES:
        versions = [str(version) for name, version in MESSAGES if name == envelope.type]
        there_is = f"; there is version {', '.join(versions)}"
        near = there_is if versions else _nearest(envelope.type, {name for name, _ in MESSAGES})
        problem = f"no message {envelope.type!r} of version {envelope.version} is known{near}"
        raise EditRefused(field=h.VERSION if versions else h.TYPE, problem=problem)
    if topic_of(MESSAGES[key]) != letter.topic or not wiring(context).knows(key):
        problem = f"{context} handles no {envelope.type} from {letter.topic}"
        raise EditRefused(field=h.TYPE, problem=problem)
    return MESSAGES[key]


def _check_kind(message_type: type[Message], action: Action) -> None:
    """A compensation undoes, another command does; an event tells of either."""
    if issubclass(message_type, Event) or action is Action.FENCE:
        return
    if issubclass(message_type, Compensation) is not (action is Action.UNDO):
        problem = f"{message_type.__name__} is not what the action {action.value!r} asks"
        raise EditRefused(field=h.TYPE, problem=problem)


# --- payload


def _check_payload(message_type: type[Message], payload: bytes) -> None:
    """As its type says, and without a field that the type does not know: that is a typo."""
    try:
        message = read(payload, message_type)
        given = msgspec.json.decode(payload)
    except NO_JSON as error:
        raise EditRefused(field="payload", problem=str(error)) from error
    if wrong := next(_unknown(given, msgspec.to_builtins(message), WHOLE), None):
        path, near = wrong
        raise EditRefused(field=path, problem=f"{message_type.__name__} has no such field{near}")


def _unknown(given: Any, typed: Any, path: str) -> Iterator[tuple[str, str]]:
    """The paths in what was given that the type does not know, with the nearest that it does."""
    if isinstance(given, dict) and isinstance(typed, dict):
        for name, value in given.items():
            if name not in typed:
                yield f"{path}.{name}", _nearest(name, set(typed))
            else:
                yield from _unknown(value, typed[name], f"{path}.{name}")
    elif isinstance(given, list) and isinstance(typed, list | tuple):
        for number, (value, known) in enumerate(zip(given, typed, strict=True)):
            yield from _unknown(value, known, f"{path}[{number}]")


def _nearest(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


# --- what an audit may say of it


def changed_paths(before: bytes, after: bytes) -> tuple[str, ...]:
    """Where two payloads differ, without what they say there; the whole if one is no JSON."""
    try:
        return tuple(_differences(msgspec.json.decode(before), msgspec.json.decode(after), WHOLE))
    except NO_JSON:
        return () if before == after else (WHOLE,)


def _differences(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            place = f"{path}.{_speakable(name)}"
            yield from _difference_at(before, after, name, place)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(old, new, f"{path}[{number}]")
    elif before != after or type(before) is not type(after):
        yield path


def _difference_at(before: dict, after: dict, name: str, place: str) -> Iterator[str]:
    if name in before and name in after:
        yield from _differences(before[name], after[name], place)
    else:
        yield place


def _speakable(name: str) -> str:
    """A field's name; what is none may be anything, a person's name too."""
    return name if name.isidentifier() and len(name) <= 40 else "?"


def masked(payload: bytes) -> str:
    """A payload as its fields only: every value is a sign of its kind."""
    try:
        kept = msgspec.json.encode(_mask(msgspec.json.decode(payload)))
    except NO_JSON:
        return f"{len(payload)} bytes that are no JSON"
    return msgspec.json.format(kept).decode()


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they may be shown: of the inputs, which hold an address, only their fields."""
    inputs = {h.INPUTS: masked(headers[h.INPUTS].encode())} if h.INPUTS in headers else {}
    return {**headers, **inputs}


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {_speakable(name): _mask(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_mask(each) for each in value]
    return None if value is None else f"<{type(value).__name__}>"
