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


class Group(NamedTuple):
    """Who reads some topics together."""

    name: str  # without the deployment's prefix
    topics: tuple[str, ...]
    always: bool = True  # else it need not run: there is such a group once it has committed


# Groups that read what a context tells and are not its own; whoever has some adds them when it is
# loaded. They are told of where the context is.
OTHERS: dict[str, list[Group]] = {}


def groups_of(contexts: Iterable[ContextConfig]) -> list[Group]:
    """Those of these contexts, and the others that read what they tell."""
    return [
        group
        for each in contexts
        for group in (Group(each.label, wiring(each.label).topics), *OTHERS.get(each.label, ()))
    ]


def consumer_lag(groups: Iterable[Group]) -> list[Lag]:
    """Of every partition that these groups read: its end less what the group committed.

    Where nothing is committed yet, a group will begin at the beginning. Topics that are missing
    are left out. Raises KafkaException.
    """
    there = standing_client().list_topics(timeout=TIMEOUT_SECONDS).topics
    committed = {
        (group_name(each.name), place): offset
        for each in groups
        for place, offset in _committed(each, there).items()
    }
    read = {place for _, place in committed}
    untouched = {place for (_, place), offset in committed.items() if offset < 0}
    ends = offsets_of(read, OffsetSpec.latest(), timeout_seconds=TIMEOUT_SECONDS)
    begins = offsets_of(untouched, OffsetSpec.earliest(), timeout_seconds=TIMEOUT_SECONDS)
    return [
        Lag(group, *place, max(ends[place] - (begins[place] if offset < 0 else offset), 0))
        for (group, place), offset in committed.items()
    ]


def _committed(group: Group, there: Mapping[str, TopicMetadata]) -> dict[Place, int]:
    """Where a group stands; nothing where it need not run and never did."""
    places = _partitions(group, there)
    found = committed_by(group.name, places, timeout_seconds=TIMEOUT_SECONDS)
    return found if group.always or any(offset >= 0 for offset in found.values()) else {}


def _partitions(group: Group, there: Mapping[str, TopicMetadata]) -> list[Place]:
    """What a group reads."""
    return [
        (topic, partition)
        for topic in map(topic_name, group.topics)
        if topic in there
        for partition in there[topic].partitions
    ]
