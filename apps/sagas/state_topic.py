"""The topic saga-state: how a saga is told there, and how all of it is read."""

from collections.abc import Callable
from uuid import UUID

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from apps.contracts.reading import read
from apps.contracts.saga_state import SAGA_STATE, SagaSnapshot
from apps.messaging.kafka import end_told, new_reader, topic_name

TIMEOUT_SECONDS = 10
HEADERS: list[tuple[str, str | bytes | None]] = [("version", str(SagaSnapshot.version))]

Report = Callable[[KafkaError | None, Message], None]


def tell(producer: Producer, saga_id: UUID, state: SagaSnapshot | None, report: Report) -> None:
    """Send where a saga stands, or that there is none. Raises BufferError where the producer's
    queue is full."""
    value = msgspec.json.encode(state) if state else None
    topic = topic_name(SAGA_STATE)
    producer.produce(topic, value, str(saga_id), headers=HEADERS, on_delivery=report)


class SagaStates:
    """What a reader keeps: of each saga the highest revision that it has seen."""

    def __init__(self) -> None:
        self.known: dict[UUID, SagaSnapshot] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """One message. Raises msgspec.DecodeError for what is none of this topic's."""
        saga_id = UUID(key.decode())
        if value is None:
            self.known.pop(saga_id, None)
            return
        state = read(value, SagaSnapshot)
        known = self.known.get(saga_id)
        if known is None or known.revision <= state.revision:
            self.known[saga_id] = state


def read_states() -> SagaStates:
    """All that the topic holds. Raises KafkaException where it cannot be read."""
    states, reader = SagaStates(), new_reader()
    try:
        unread = _partitions(reader)
        name = topic_name(SAGA_STATE)
        reader.assign([TopicPartition(name, each, OFFSET_BEGINNING) for each in unread])
        while unread:
            message = reader.poll(TIMEOUT_SECONDS)
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "Kafka gives nothing more"))
            if end := end_told(message):
                unread.discard(end.partition)
            elif error := message.error():
                raise KafkaException(error)
            else:
                states.take(message.key() or b"", message.value())
    finally:
        reader.close()
    return states


def _partitions(reader: Consumer) -> set[int]:
    name = topic_name(SAGA_STATE)
    known = reader.list_topics(name, timeout=TIMEOUT_SECONDS).topics[name]
    if known.error:
        raise KafkaException(known.error)
    return set(known.partitions)
