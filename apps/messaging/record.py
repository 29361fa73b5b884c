"""What was read from Kafka, whether or not it can be understood."""

from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from confluent_kafka import Message

from apps.contracts import headers as h
from apps.messaging.envelope import Envelope, read_envelope
from apps.messaging.errors import UnreadableMessage
from apps.messaging.kafka import plain_topic


@dataclass(frozen=True, eq=False)
class Record:
    """One message as it was read, with its place in Kafka."""

    topic: str  # without the deployment's prefix
    partition: int
    offset: int
    key: bytes | None
    headers: dict[str, bytes | None]
    payload: bytes

    @property
    def place(self) -> str:
        """Where in Kafka it lies: topic, partition and offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def type(self) -> str:
        """The name of the message's type; empty where the headers do not tell."""
        return (self.headers.get(h.TYPE) or b"").decode("ascii", "replace")

    @property
    def mode(self) -> str:
        """Who asks, see Mode; empty where the headers do not tell."""
        return (self.headers.get(h.MODE) or b"").decode("ascii", "replace")

    def read(self) -> Envelope:
        """The message with its headers. Raises UnreadableMessage."""
        if isinstance(self._reading, UnreadableMessage):
            raise self._reading
        return self._reading

    @property
    def envelope(self) -> Envelope | None:
        """The message with its headers; None where they cannot be read."""
        return None if isinstance(self._reading, UnreadableMessage) else self._reading

    @property
    def saga_id(self) -> UUID | None:
        """Whose message it is, by header or key; None where neither says."""
        if self.envelope:
            return self.envelope.request.saga_id
        try:
            return UUID((self.key or b"").decode())
        except ValueError:
            return None

    @cached_property
    def _reading(self) -> Envelope | UnreadableMessage:
        try:
            return read_envelope(self.topic, self.headers, self.payload)
        except UnreadableMessage as error:
            return error


def read_record(message: Message) -> Record:
    """Take a consumed message as it is. Never raises for what is in it."""
    return Record(
        topic=plain_topic(message.topic() or ""),
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        headers=_headers(message),
        payload=message.value() or b"",
    )


def _headers(message: Message) -> dict[str, bytes | None]:
    """None at all where a name is no text: the client cannot give any of them then."""
    try:
        return dict(message.headers() or ())  # type: ignore[arg-type]  # as read, all are bytes
    except SystemError:  # seen with confluent-kafka 2.16
        return {}
