"""How far the consumers are behind: what lies in Kafka and is not committed, by partition."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from confluent_kafka.admin import OffsetSpec, TopicMetadata

from apps.messaging.context import ContextConfig
from apps.messaging.kafka import group_name, standing_client, topic_name
from apps.messaging.offsets import Place, committed_by, offsets_of
from apps.messaging.wiring import wiring

TIMEOUT_SECONDS = 2  # of each question


class Lag(NamedTuple):
    """How many messages of a partition a group has yet to settle."""

    group: str
    topic: str
    partition: int
    messages: int


def consumer_lag(contexts: Iterable[ContextConfig]) -> list[Lag]:
    """Of every partition that these contexts read: its end less what their group committed.

    Where nothing is committed yet, a group will begin at the beginning. Topics that are missing
    are left out. Raises KafkaException.
    """
    there = standing_client().list_topics(timeout=TIMEOUT_SECONDS).topics
    committed = {
        (group_name(each.label), place): offset
        for each in contexts
        for place, offset in committed_by(
            each.label, _partitions(each.label, there), timeout_seconds=TIMEOUT_SECONDS
        ).items()
    }
    read = {place for _, place in committed}
    untouched = {place for (_, place), offset in committed.items() if offset < 0}
    ends = offsets_of(read, OffsetSpec.latest(), timeout_seconds=TIMEOUT_SECONDS)
    begins = offsets_of(untouched, OffsetSpec.earliest(), timeout_seconds=TIMEOUT_SECONDS)
    return [
        Lag(group, *place, max(ends[place] - (begins[place] if offset < 0 else offset), 0))
        for (group, place), offset in committed.items()
    ]


def _partitions(context: str, there: Mapping[str, TopicMetadata]) -> list[Place]:
    """What a context reads."""
    return [
        (topic, partition)
        for topic in map(topic_name, wiring(context).topics)
        if topic in there
        for partition in there[topic].partitions
    ]
