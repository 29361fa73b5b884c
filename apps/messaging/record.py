"""What was read from Kafka, whether or not it can be understood."""

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from confluent_kafka import Message

from apps.messaging.envelope import Envelope, read_envelope
from apps.messaging.errors import UnreadableMessage
from apps.messaging.kafka import plain_topic

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One message as it was read, with its place in Kafka."""

    topic: str  # without the deployment's prefix
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    payload: bytes
    envelope: Envelope | None  # None: the headers cannot be read
    problem: UnreadableMessage | None

    @property
    def saga_id(self) -> UUID | None:
        """Whose message it is, by header or key; None where neither says."""
        if self.envelope:
            return self.envelope.request.saga_id
        try:
            return UUID((self.key or b"").decode())
        except ValueError:
            return None


def read_record(message: Message) -> Record:
    """Take a consumed message apart. Never raises for what is in it."""
    topic = plain_topic(message.topic() or "")
    payload = message.value() or b""
    headers = cast("Headers", message.headers() or [])  # as read, they are always a list
    envelope, problem = None, None
    try:
        envelope = read_envelope(topic, headers, payload)
    except UnreadableMessage as error:
        problem = error
    return Record(
        topic=topic,
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        headers=headers,
        payload=payload,
        envelope=envelope,
        problem=problem,
    )
