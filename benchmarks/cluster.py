"""Topics of the benchmark's own, and what lies in them."""

import time
from collections.abc import Iterable, Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import NewTopic
from django.conf import settings

from apps.contracts.catalogue import TOPICS
from apps.messaging.kafka import CONSUMER, admin_client, topic_name

TIMEOUT_SECONDS = 30.0
ENDS_TOPIC = "notification-events"  # where the last step of a saga tells that it is done
ONLY_MESSAGES = {"enable.partition.eof": False}  # and no news of where a topic ends
END = b"ConfirmationSent"  # what it tells


def platform_topic(topic: str) -> str:
    """A topic of the platform as the cluster knows it."""
    return topic_name(topic)


def floor_topic(floor: str, topic: str) -> str:
    """A floor's topic in place of a topic of the platform."""
    return topic_name(f"{floor}-{topic}")


def create(names: Iterable[str]) -> None:
    """Create topics with the platform's partitions, replication and min ISR."""
    config = {"min.insync.replicas": str(settings.KAFKA_MIN_INSYNC)}
    wanted = [
        NewTopic(
            name,
            num_partitions=settings.KAFKA_PARTITIONS,
            replication_factor=settings.KAFKA_REPLICATION,
            config=config,
        )
        for name in names
    ]
    client = admin_client()  # it must outlive its futures
    for future in client.create_topics(wanted).values():
        future.result(TIMEOUT_SECONDS)


def delete_all_of_run() -> None:
    """Delete the topics and groups that this run has created."""
    client, prefix = admin_client(), settings.KAFKA_TOPIC_PREFIX
    topics = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    ours = [name for name in topics if name.startswith(prefix)]
    if ours:
        for future in client.delete_topics(ours).values():
            future.result(TIMEOUT_SECONDS)


def message_count(names: Sequence[str]) -> int:
    """How many messages have been written to these topics so far."""
    consumer = new_reader()
    try:
        return sum(end_of(consumer, each) for each in partitions(names))
    finally:
        consumer.close()


def messages(names: Sequence[str]) -> Iterator[Message]:
    """All messages that lie in these topics."""
    consumer, left = new_reader(), message_count(names)
    consumer.assign([TopicPartition(each.topic, each.partition, 0) for each in partitions(names)])
    try:
        while left:
            message = consumer.poll(TIMEOUT_SECONDS)
            assert message is not None, "what was counted can be read"
            assert message.error() is None, message.error()
            left -= 1
            yield message
    finally:
        consumer.close()


def reader_from_end(names: Sequence[str]) -> Consumer:
    """A consumer that reads what is written from now on."""
    consumer = new_reader()
    now = [
        TopicPartition(each.topic, each.partition, end_of(consumer, each))
        for each in partitions(names)
    ]
    consumer.assign(now)
    return consumer


def end_of(consumer: Consumer, place: TopicPartition) -> int:
    """The offset that the next message gets; of a new topic, as soon as a broker leads it.

    Raises KafkaException.
    """
    until = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return int(consumer.get_watermark_offsets(place, timeout=TIMEOUT_SECONDS)[1])
        except KafkaException as error:
            led = error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION
            if led or time.monotonic() > until:
                raise
            time.sleep(0.1)


def new_reader() -> Consumer:
    """A consumer in no group's balance: it is told its partitions."""
    group = f"{settings.KAFKA_TOPIC_PREFIX}benchmarks"
    options = {name: value for name, value in CONSUMER.items() if name != "group.protocol"}
    return Consumer({**settings.KAFKA, **options, **ONLY_MESSAGES, "group.id": group})


def partitions(names: Sequence[str]) -> list[TopicPartition]:
    return [TopicPartition(name, n) for name in names for n in range(settings.KAFKA_PARTITIONS)]


PLAIN_TOPICS = TOPICS
