"""Listening to real topics in tests."""

import time
from collections.abc import Callable
from typing import Any, Self
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from django.conf import settings

from apps.contracts.saga_state import SAGA_STATE
from apps.messaging.kafka import admin_client, topic_name

PATIENCE_SECONDS = 30
MOVING = (  # what Kafka says while a group's coordinator comes up, or goes elsewhere
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)


class Tap:
    """Reads all of a topic from the moment it is opened; what is not committed only if asked to."""

    def __init__(self, topic: str, *, uncommitted: bool = False) -> None:
        self.topic = topic_name(topic)
        self.messages: list[Message] = []
        isolation = "read_uncommitted" if uncommitted else "read_committed"
        options = {"group.id": "tap", "enable.auto.commit": False, "isolation.level": isolation}
        self.consumer = Consumer({**settings.KAFKA, **options})

    def __enter__(self) -> Self:
        places = places_of(self.consumer, self.topic)
        for place in places:
            _, place.offset = self.consumer.get_watermark_offsets(place, timeout=PATIENCE_SECONDS)
        self.consumer.assign(places)
        return self

    def __exit__(self, *_: Any) -> None:
        self.consumer.close()

    def seen(self, saga_id: UUID) -> list[Message]:
        """The messages of a saga that were read so far."""
        return [each for each in self.messages if each.key() == str(saga_id).encode()]

    def take(self, saga_id: UUID, count: int) -> list[Message]:
        """The messages of a saga, when so many of them are there."""
        self.wait_until(lambda: len(self.seen(saga_id)) >= count)
        return self.seen(saga_id)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Read on until something holds. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"{len(self.messages)} messages were read from {self.topic}")
            message = self.consumer.poll(0.05)
            if message is not None and message.error() is None:
                self.messages.append(message)


def places_of(client: Consumer | AdminClient, name: str) -> list[TopicPartition]:
    """The partitions that a topic has now, named as the cluster knows it."""
    found = client.list_topics(name, timeout=PATIENCE_SECONDS).topics[name].partitions
    return [TopicPartition(name, each) for each in found]


def is_read_to_its_end(reader: Consumer, topic: str) -> bool:
    """Whether the offsets of the reader's group stand at the end of each partition of a topic."""
    places = places_of(reader, topic_name(topic))
    ends = [reader.get_watermark_offsets(each, timeout=PATIENCE_SECONDS)[1] for each in places]
    found = reader.committed(places, timeout=PATIENCE_SECONDS)
    return [max(each.offset, 0) for each in found] == ends


def empty(*topics: str) -> None:
    """Remove what lies in these topics: nobody reads it any more. A compacted one refuses that."""
    client = admin_client()
    known = client.list_topics(timeout=PATIENCE_SECONDS).topics
    to_the_end = [
        TopicPartition(name, each, -1)
        for name in map(topic_name, topics)
        if name != topic_name(SAGA_STATE)
        for each in known[name].partitions
    ]
    for future in client.delete_records(to_the_end).values():
        future.result(PATIENCE_SECONDS)
