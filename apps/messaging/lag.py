"""How far the consumers are behind: what lies in Kafka and is not committed, by partition."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec, TopicMetadata

from apps.messaging.context import ContextConfig
from apps.messaging.kafka import group_name, standing_observer, topic_name
from apps.messaging.wiring import wiring

TIMEOUT_SECONDS = 2  # of each question
Place = tuple[str, int]  # topic and partition


class Lag(NamedTuple):
    """How many messages of a partition a group has yet to settle."""

    group: str
    topic: str
    partition: int
    messages: int


def consumer_lag(client: AdminClient, contexts: Iterable[ContextConfig]) -> list[Lag]:
    """Of every partition that these contexts read: its end less what their group committed.

    Where nothing is committed yet, a group will begin at the beginning. Topics that are missing
    are left out. Raises KafkaException.
    """
    there = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    committed = {
        (group_name(each.label), place): offset
        for each in contexts
        for place, offset in _committed(each.label, _partitions(each.label, there)).items()
    }
    ends = _offsets(client, {place for _, place in committed}, OffsetSpec.latest())
    untouched = {place for (_, place), offset in committed.items() if offset < 0}
    begins = _offsets(client, untouched, OffsetSpec.earliest())
    return [
        Lag(group, *place, max(ends[place] - (begins[place] if offset < 0 else offset), 0))
        for (group, place), offset in committed.items()
    ]


def _partitions(context: str, there: Mapping[str, TopicMetadata]) -> list[TopicPartition]:
    """What a context reads."""
    return [
        TopicPartition(topic, partition)
        for topic in map(topic_name, wiring(context).topics)
        if topic in there
        for partition in there[topic].partitions
    ]


def _committed(context: str, partitions: list[TopicPartition]) -> dict[Place, int]:
    """Where the context's group stands; negative where it has committed nothing."""
    if not partitions:
        return {}
    told = standing_observer(context).committed(partitions, timeout=TIMEOUT_SECONDS)
    return {(each.topic, each.partition): each.offset for each in told}


def _offsets(client: AdminClient, places: set[Place], which: OffsetSpec) -> dict[Place, int]:
    """The first or the next offset of partitions."""
    if not places:
        return {}
    asked = client.list_offsets(
        {TopicPartition(*each): which for each in places}, request_timeout=TIMEOUT_SECONDS
    )
    return {
        (each.topic, each.partition): future.result(TIMEOUT_SECONDS + 1).offset
        for each, future in asked.items()
    }
