"""How far the consumers are behind: what lies in Kafka and is not committed, by partition."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from apps.messaging.context import ContextConfig
from apps.messaging.kafka import group_name, topic_name
from apps.messaging.wiring import wiring

TIMEOUT_SECONDS = 2  # of each question
Place = tuple[str, int]  # topic and partition
Answer = TypeVar("Answer")


class Lag(NamedTuple):
    """How many messages of a partition a group has yet to settle."""

    group: str
    topic: str
    partition: int
    messages: int


def consumer_lag(client: AdminClient, contexts: Iterable[ContextConfig]) -> list[Lag]:
    """Of every partition that these contexts read: its end less what their group committed.

    Where nothing is committed yet, a group will begin at the beginning. Topics that are missing
    are left out. Raises KafkaException, and TimeoutError.
    """
    read = _partitions(client, contexts)
    committed = _committed(client, read)
    ends = _offsets(client, {place for _, place in committed}, OffsetSpec.latest())
    untouched = {place for (_, place), offset in committed.items() if offset < 0}
    begins = _offsets(client, untouched, OffsetSpec.earliest())
    return [
        Lag(group, *place, max(ends[place] - (begins[place] if offset < 0 else offset), 0))
        for (group, place), offset in committed.items()
    ]


def _partitions(client: AdminClient, contexts: Iterable[ContextConfig]) -> dict[str, list[Place]]:
    """What each group reads."""
    there = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    return {
        group_name(each.label): [
            (topic, partition)
            for topic in map(topic_name, wiring(each.label).topics)
            if topic in there
            for partition in there[topic].partitions
        ]
        for each in contexts
    }


def _committed(client: AdminClient, read: dict[str, list[Place]]) -> dict[tuple[str, Place], int]:
    """Where each group stands; negative where it has committed nothing. All are asked at once."""
    asked = [
        future
        for group, places in read.items()
        if places
        for future in client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, [TopicPartition(*each) for each in places])],
            request_timeout=TIMEOUT_SECONDS,
        ).values()
    ]
    return {
        (told.group_id, (each.topic, each.partition)): each.offset
        for told in map(_result, asked)
        for each in told.topic_partitions
    }


def _offsets(client: AdminClient, places: set[Place], which: OffsetSpec) -> dict[Place, int]:
    """The first or the next offset of partitions."""
    if not places:
        return {}
    asked = client.list_offsets(
        {TopicPartition(*each): which for each in places}, request_timeout=TIMEOUT_SECONDS
    )
    return {(each.topic, each.partition): _result(future).offset for each, future in asked.items()}


def _result(future: Future[Answer]) -> Answer:
    return future.result(TIMEOUT_SECONDS + 1)
