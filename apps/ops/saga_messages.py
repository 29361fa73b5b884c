"""What Kafka has of one saga: read when somebody asks, from where its messages can be.

A saga's id is the key of all its messages, so that in each topic they are in one partition; where
the topic had fewer once, also in the one that the key had then. They are read there from the saga's
start until a while after its end, in bounded time and number, by a consumer that belongs to no
group's members and commits nothing.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec
from django.conf import settings

from apps.contracts import headers as h
from apps.contracts.catalogue import ALERTS, EVENT_TOPICS, command_topic
from apps.messaging.kafka import group_name, librdkafka, standing_client, topic_name
from apps.messaging.offsets import Place, offsets_of
from apps.messaging.record import Record, read_record

GROUP = "desk"  # a name that Kafka's client must have; nothing joins it
QUESTION_SECONDS = 3.0  # until Kafka is taken to be away
READING_SECONDS = 6.0
MOST_READ = 50_000
MOST_SHOWN = 500
EARLIER = timedelta(minutes=1)  # clocks differ
LATER = timedelta(minutes=5)  # what reacts to the end


class Said(NamedTuple):
    """A message of the saga, with the time that its producer gave it."""

    record: Record
    at: datetime

    def header(self, name: str) -> str:
        """Empty where there is none."""
        return (self.record.headers.get(name) or b"").decode("utf-8", "replace")


class Reading(NamedTuple):
    """What was found, in the order of time."""

    messages: list[Said]
    looked_at: int  # messages of all sagas in those partitions
    cut: str  # why it ended early; empty: everything was read


def topics_of(contexts: Collection[str]) -> list[str]:
    """Where messages of a saga can be that goes through these contexts."""
    asked = sorted({*contexts, "sagas"})
    return [*(EVENT_TOPICS[each] for each in asked), *map(command_topic, asked), ALERTS]


def messages_of(
    saga_id: UUID, topics: Collection[str], *, since: datetime, until: datetime | None
) -> Reading:
    """The saga's messages from its start to its end. Raises KafkaException where Kafka is away."""
    starts = _starts(saga_id, topics, since - EARLIER)
    with _reader() as consumer:
        consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        return _read(consumer, saga_id, set(starts), until + LATER if until else None)


def message_at(topic: str, partition: int, offset: int) -> Record | None:
    """The message at a place; None where there is none any more. Raises KafkaException."""
    place = (topic_name(topic), partition)
    [first] = offsets_of([place], OffsetSpec.earliest(), timeout_seconds=QUESTION_SECONDS).values()
    if offset < first:
        return None
    with _reader() as consumer:
        consumer.assign([TopicPartition(*place, offset)])
        until = time.monotonic() + QUESTION_SECONDS
        while time.monotonic() < until:
            message = consumer.poll(0.1)
            if message is not None and not _ends(message):
                return read_record(message) if message.offset() == offset else None
            if message is not None:
                return None
    return None


def _starts(saga_id: UUID, topics: Collection[str], since: datetime) -> dict[Place, int]:
    """The partitions of the saga's key in each topic, and the first offset of that time."""
    there = standing_client().list_topics(timeout=QUESTION_SECONDS).topics
    names = [name for name in map(topic_name, topics) if name in there]
    places = [
        (name, partition)
        for name in names
        for partition in partitions_of(saga_id, len(there[name].partitions))
    ]
    spec = OffsetSpec.for_timestamp(int(since.timestamp() * 1000))
    found = offsets_of(places, spec, timeout_seconds=QUESTION_SECONDS)
    return {place: offset for place, offset in found.items() if offset >= 0}


def _read(consumer: Consumer, saga_id: UUID, unread: set[Place], until: datetime | None) -> Reading:
    """Read these partitions to their ends, or to that time."""
    found: list[Said] = []
    looked_at, deadline = 0, time.monotonic() + READING_SECONDS
    while unread and not (cut := _why_stop(looked_at, len(found), deadline)):
        for message in consumer.consume(500, 0.1):
            place = (str(message.topic()), message.partition() or 0)
            if place not in unread:
                continue
            if _ends(message) or (until and _time_of(message) > until):
                unread.discard(place)
                consumer.pause([TopicPartition(*place)])
                continue
            looked_at += 1
            if _is_of(message, saga_id):
                found.append(Said(read_record(message), _time_of(message)))
    found.sort(key=lambda each: (each.at, each.header(h.MESSAGE_ID)))
    return Reading(found[:MOST_SHOWN], looked_at, cut if unread else "")


def _why_stop(looked_at: int, found: int, deadline: float) -> str:
    """Why no more is read, though there is more; empty: go on."""
    if time.monotonic() > deadline:
        return f"It stopped after {READING_SECONDS:.0f} seconds"
    if looked_at >= MOST_READ:
        return f"It stopped after {looked_at:,} messages"
    return f"It stopped at {found} messages of this saga" if found >= MOST_SHOWN else ""


@contextmanager
def _reader() -> Iterator[Consumer]:
    """A consumer that is told what to read. Its group has no members and no offsets."""
    options = {
        **settings.KAFKA,
        "group.id": group_name(GROUP),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 50,
    }
    consumer = Consumer(options, logger=librdkafka)
    try:
        yield consumer
    finally:
        consumer.close()


def _ends(message: Message) -> bool:
    """Whether this says that the partition is read to its end. Raises KafkaException for what is
    no message otherwise."""
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return error is not None


def _is_of(message: Message, saga_id: UUID) -> bool:
    headers: dict[str, object] = dict(message.headers() or ())
    return headers.get(h.SAGA_ID) == str(saga_id).encode()


def _time_of(message: Message) -> datetime:
    return datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)


# --- where a key is


def partitions_of(saga_id: UUID, partitions: int) -> set[int]:
    """Where a saga's messages can be in a topic that may have been given more partitions: they stay
    where they are, and a producer hears of new ones within minutes."""
    return {partition_of(saga_id, each) for each in range(1, partitions + 1)}


def partition_of(saga_id: UUID, partitions: int) -> int:
    """The partition that the producer's `murmur2_random` takes for a saga's key."""
    return (murmur2(str(saga_id).encode()) & 0x7FFFFFFF) % partitions


SEED, MIX, MASK = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """MurmurHash2 of 32 bits as Kafka's clients compute it."""
    hashed = SEED ^ len(key)
    whole = len(key) - len(key) % 4
    for start in range(0, whole, 4):
        word = int.from_bytes(key[start : start + 4], "little") * MIX & MASK
        word = (word ^ word >> 24) * MIX & MASK
        hashed = hashed * MIX & MASK ^ word
    if rest := key[whole:]:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * MIX & MASK
    hashed = (hashed ^ hashed >> 13) * MIX & MASK
    return hashed ^ hashed >> 15
