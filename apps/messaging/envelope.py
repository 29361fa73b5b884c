"""A message with its headers, as it lies in the outbox and travels through Kafka."""

from collections.abc import Mapping
from functools import lru_cache
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from apps.contracts import headers as h
from apps.contracts.base import Message
from apps.contracts.catalogue import MESSAGES, Action, topic_of
from apps.contracts.plan import Mode
from apps.contracts.reading import read
from apps.messaging.errors import NO_JSON, UnknownMessage, UnreadableMessage
from apps.messaging.request import Request

RawHeaders = Mapping[str, bytes | None]
LARGEST_COUNT = 2**31 - 1  # what a column of the saga log holds


class Envelope(msgspec.Struct, frozen=True):
    """One message: what it is about, what led to it, and its payload as JSON bytes."""

    message_id: UUID
    request: Request  # what is asked, or what an event tells of
    type: str
    version: int
    plan: str
    causation_id: str  # copied, never looked at
    traceparent: str
    topic: str  # without the deployment's prefix
    payload: bytes
    inputs: str = ""  # JSON: what the steps ahead need; only of a success that others follow

    def open(self) -> Message:
        """The typed message. Raises UnknownMessage or UnreadableMessage."""
        message_type = MESSAGES.get((self.type, self.version))
        if message_type is None:
            raise UnknownMessage(type=self.type, version=self.version)
        try:
            return read(self.payload, message_type)
        except NO_JSON as error:
            raise UnreadableMessage(type=self.type, problem=str(error)) from error

    def headers(self) -> dict[str, str]:
        """All headers as text, in the order of apps.contracts.headers."""
        request, saga_id = self.request, str(self.request.saga_id)
        inputs = {h.INPUTS: self.inputs} if self.inputs else {}
        return {
            h.MESSAGE_ID: str(self.message_id),
            h.SAGA_ID: saga_id,
            h.STEP_ID: request.step,
            h.ACTION: request.action,
            h.TYPE: self.type,
            h.VERSION: str(self.version),
            h.GENERATION: str(request.generation),
            h.MODE: request.mode,
            h.PLAN: self.plan,
            h.CAUSATION_ID: self.causation_id,
            h.TRACEPARENT: self.traceparent,
            h.BAGGAGE: h.baggage_of(saga_id),
            **inputs,
        }

    def answered(
        self,
        event: Message,
        request: Request | None = None,
        *,
        topic: str = "",
        inputs: str = "",
    ) -> "Envelope":
        """The message that this one led to: same saga, plan and trace."""
        return new_envelope(
            event,
            request or self.request,
            plan=self.plan,
            causation_id=str(self.message_id),
            traceparent=self.traceparent,
            topic=topic,
            inputs=inputs,
        )


def new_envelope(
    message: Message,
    request: Request,
    *,
    plan: str,
    traceparent: str,
    causation_id: str = "",
    topic: str = "",
    inputs: str = "",
) -> Envelope:
    """Wrap a message for its way. A message that nothing led to is its own cause.

    `topic` is for messages that belong to any step, and have none of their own.
    """
    message_type = type(message)
    message_id = uuid7()
    return Envelope(
        message_id=message_id,
        request=request,
        type=message_type.__name__,
        version=message_type.version,
        plan=plan,
        causation_id=causation_id or str(message_id),
        traceparent=traceparent,
        topic=topic or _topic_of(message_type),
        payload=msgspec.json.encode(message),
        inputs=inputs,
    )


def read_envelope(topic: str, given: RawHeaders, payload: bytes) -> Envelope:
    """Read what came from Kafka. Raises UnreadableMessage naming the header that is wrong."""
    try:
        return Envelope(
            message_id=UUID(_text(given, h.MESSAGE_ID)),
            request=Request(
                saga_id=UUID(_text(given, h.SAGA_ID)),
                step=_text(given, h.STEP_ID),
                action=ACTIONS[_text(given, h.ACTION)],
                generation=_count(given, h.GENERATION),
                mode=MODES[_text(given, h.MODE)],
            ),
            type=_text(given, h.TYPE),
            version=_count(given, h.VERSION),
            plan=_text(given, h.PLAN),
            causation_id=_text(given, h.CAUSATION_ID),
            traceparent=_text(given, h.TRACEPARENT),
            topic=topic,
            payload=payload,
            inputs=_inputs(given),
        )
    except (KeyError, ValueError) as error:
        raise UnreadableMessage(topic=topic, problem=f"header {error}") from error


def _text(headers: RawHeaders, name: str) -> str:
    value = headers[name]
    text = (value or b"").decode()
    if not text.isprintable() or not text:
        raise ValueError(f"{name!r} is empty or has control characters")
    if len(text) > h.longest(name):
        raise ValueError(f"{name!r} has {len(text)} characters, more than {h.longest(name)}")
    return text


def _inputs(headers: RawHeaders) -> str:
    """A document, which may hold any character; empty where there is none."""
    text = (headers.get(h.INPUTS) or b"").decode()
    if len(text) > h.longest(h.INPUTS):
        raise ValueError(f"{h.INPUTS!r} has {len(text)} characters")
    return text


def _count(headers: RawHeaders, name: str) -> int:
    number = int(_text(headers, name))
    if not 1 <= number <= LARGEST_COUNT:
        raise ValueError(f"{name!r} must be from 1 to {LARGEST_COUNT}")
    return number


ACTIONS = {str(each): each for each in Action}
MODES = {str(each): each for each in Mode}
_topic_of = lru_cache(maxsize=256)(topic_of)
