"""One process of the floor: reads, writes rows, sends the next messages. Bare clients only.

`python -m benchmarks.hop SPEC` with a file that `floor.py` writes; ends at SIGTERM.
"""

import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, Producer
from uuid_utils.compat import uuid7

from benchmarks.rows import Rows, Sent, Writer

MOST_MESSAGES = 100  # in one batch, as the platform
IDLE_SECONDS = 0.1
COMMIT_OFFSETS_EVERY_SECONDS = 0.2


class Letter(msgspec.Struct, frozen=True):
    """A message as the platform once sent it: the floor's are like it in number and size."""

    topic: str
    headers: list[tuple[str, str]]
    payload: bytes

    @property
    def size(self) -> int:
        """Bytes of headers and payload."""
        return len(self.payload) + sum(len(name) + len(value) for name, value in self.headers)


class Spec(msgspec.Struct, frozen=True):
    """What a process of the floor is told."""

    url: str
    schema: str
    producer: dict[str, Any]
    consumer: dict[str, Any]
    topics: list[str]
    tables: list[Rows]  # per hop
    effects: dict[str, list[Letter]]  # what a message of each type that is heard leads to


class Post:
    """Sends messages, and knows which the broker has."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.producer = Producer(config)
        self._acknowledged: deque[UUID] = deque()
        self._telling = threading.Lock()

    def send(self, letter: Letter, sent: Sent, trace: str) -> None:
        """A message like the letter, with ids and trace of its own."""
        own = {"message_id": str(sent.id), "saga_id": str(sent.saga_id), "traceparent": trace}
        headers: list[tuple[str, str | bytes | None]] = [
            (name, own.get(name, value)) for name, value in letter.headers
        ]
        self.producer.produce(
            letter.topic,
            letter.payload,
            str(sent.saga_id),
            headers=headers,
            on_delivery=lambda error, message: self._delivered(sent.id, error),
        )

    def acknowledged(self) -> list[UUID]:
        """What the broker has since this was asked last; each is told to one thread only."""
        self.producer.poll(0)
        with self._telling:
            return [self._acknowledged.popleft() for _ in range(len(self._acknowledged))]

    def _delivered(self, id: UUID, error: KafkaError | None) -> None:
        assert error is None, error
        self._acknowledged.append(id)


class Hop:
    """What stands in for one context."""

    def __init__(self, spec: Spec) -> None:
        self.effects = spec.effects
        self.writer = Writer(spec.url, spec.schema, spec.tables)
        self.post = Post(spec.producer)
        self.consumer = Consumer(spec.consumer)
        self.consumer.subscribe(spec.topics)
        self.stopping = False
        self._committed_at = time.monotonic()
        self._uncommitted = False

    def run(self) -> None:
        """Work until SIGTERM."""
        signal.signal(signal.SIGTERM, self._on_signal)
        while not self.stopping:
            first = self.consumer.poll(IDLE_SECONDS)
            if first is None:
                self._be_idle()
            else:
                self._carry_out([first, *self.consumer.consume(MOST_MESSAGES - 1, 0)])
        self.consumer.close()
        self.post.producer.flush(5)

    def _carry_out(self, messages: Sequence[Message]) -> None:
        sagas: list[UUID] = []
        sending: list[tuple[Letter, Sent, str]] = []
        for message in messages:
            headers = dict(message.headers() or ())
            effects = self.effects.get(text(headers["type"]))
            if effects is None:
                continue
            saga_id, trace = UUID(text(headers["saga_id"])), text(headers["traceparent"])
            sagas.append(saga_id)
            sending += [
                (letter, Sent(uuid7(), saga_id, bytes(letter.size)), trace) for letter in effects
            ]
        if sagas:
            self.writer.write(sagas, [sent for _, sent, _ in sending], self.post.acknowledged())
        for letter, sent, trace in sending:
            self.post.send(letter, sent, trace)
        self._uncommitted = True
        self._commit_offsets_when_due()

    def _be_idle(self) -> None:
        if acknowledged := self.post.acknowledged():
            self.writer.tidy(acknowledged)
        self._commit_offsets_when_due(idle=True)

    def _commit_offsets_when_due(self, *, idle: bool = False) -> None:
        late = time.monotonic() - self._committed_at > COMMIT_OFFSETS_EVERY_SECONDS
        if self._uncommitted and (idle or late):
            self.consumer.commit(asynchronous=True)
            self._committed_at = time.monotonic()
            self._uncommitted = False

    def _on_signal(self, number: int, frame: object) -> None:
        self.stopping = True


def text(value: str | bytes | None) -> str:
    """A header as it is read."""
    return value.decode() if isinstance(value, bytes) else value or ""


def main(spec: str) -> None:
    Hop(msgspec.json.decode(Path(spec).read_bytes(), type=Spec)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
