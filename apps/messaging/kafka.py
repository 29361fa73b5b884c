"""The clients of Kafka: how we connect, produce and consume, and why each option is set."""

import logging
import os
from collections.abc import Callable
from functools import cache

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from django.conf import settings

log = structlog.get_logger()

Committed = Callable[[KafkaError | None, list[TopicPartition]], None]
librdkafka = logging.getLogger("librdkafka")  # what the client itself has to say

LARGEST_MESSAGE = 1_048_588  # bytes; brokers take no more unless they are told to
PRODUCER = {
    "enable.idempotence": True,  # the client's own retries make no duplicates
    "acks": "all",
    "linger.ms": 0,  # a saga is a chain of hops; waiting for company costs each of them
    "message.max.bytes": LARGEST_MESSAGE,  # so that all that was read can be sent again
    "message.timeout.ms": 30_000,  # then the row is left to the sweeper
    "partitioner": "murmur2_random",  # as Java clients do: same key, same partition
}
TRANSACTIONAL = {
    **PRODUCER,
    "transaction.timeout.ms": 30_000,  # what nobody ends keeps readers waiting for so long
}
CONSUMER = {
    "group.protocol": "consumer",  # KIP-848: joins in 0.2 s where the classic one takes 3.2 s
    "enable.auto.commit": False,  # offsets are committed after the database's commit, never before
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",  # what a transaction aborted is not there
    "enable.partition.eof": True,  # tells where a topic ends: behind the last message or a commit
    "fetch.queue.backoff.ms": 5,  # a full local queue delays the next fetch by this, not by 1 s
    "queued.min.messages": 2000,
    "queued.max.messages.kbytes": 8192,
}


def topic_name(topic: str) -> str:
    """The topic as the cluster knows it."""
    return settings.KAFKA_TOPIC_PREFIX + topic


def plain_topic(name: str) -> str:
    """The topic as the code knows it."""
    return name.removeprefix(settings.KAFKA_TOPIC_PREFIX)


def group_name(context: str) -> str:
    """The consumer group of a context, as the cluster knows it."""
    return settings.KAFKA_TOPIC_PREFIX + context


def new_producer() -> Producer:
    """An idempotent producer with acks=all. Make it after a fork, never before."""
    return Producer({**settings.KAFKA, **PRODUCER}, logger=librdkafka)


def transactional_id(context: str, slot: int) -> str:
    """By which a producer fences another of the same name: of the context's outbox, and a slot."""
    return f"{settings.KAFKA_TOPIC_PREFIX}{context}-outbox-{slot}"


def new_transactional_producer(id: str) -> Producer:
    """A producer whose messages are committed or aborted together. Initialise it before use."""
    options = {**settings.KAFKA, **TRANSACTIONAL, "transactional.id": id}
    return Producer(options, logger=librdkafka)


def new_consumer(context: str, on_commit: Committed | None = None) -> Consumer:
    """A consumer in the context's group. Close it, or its partitions wait for a session timeout.

    `on_commit` is told, while polling, what became of each commit that was not waited for.
    """
    options = {**settings.KAFKA, **CONSUMER, "group.id": group_name(context)}
    if on_commit:
        options["on_commit"] = on_commit
    return Consumer(options, logger=librdkafka)


def new_reader() -> Consumer:
    """A consumer that is given its partitions, is no member of a group and commits nothing."""
    options = {name: value for name, value in CONSUMER.items() if name != "group.protocol"}
    return Consumer(
        {**settings.KAFKA, **options, "group.id": group_name("reader")}, logger=librdkafka
    )


def end_told(message: Message) -> TopicPartition | None:
    """The place and offset of an end, where what a consumer was given tells that one is reached.

    It is behind what follows the last message: a transaction's end takes an offset too.
    """
    error = message.error()
    if error is None or error.code() != KafkaError._PARTITION_EOF:
        return None
    return TopicPartition(message.topic() or "", message.partition() or 0, message.offset() or 0)


def is_error(message: Message, context: str) -> bool:
    """Whether what a consumer was given is no message: Kafka says that something is wrong, which is
    logged, or that there is no more.

    Raises KafkaException for a topic that does not exist: waiting would not bring it.
    """
    error = message.error()
    if error is None:
        return False
    if end_told(message):
        return True
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise KafkaException(error)
    log.warning("kafka_says", context=context, error=str(error))
    return True


def admin_client() -> AdminClient:
    """For topics and the cluster's settings."""
    return AdminClient(dict(settings.KAFKA), logger=librdkafka)


def standing_client() -> AdminClient:
    """One for this process to ask again and again, as metrics and health do. It is never closed:
    closing one that has outlived its broker has crashed the process (confluent-kafka 2.16)."""
    return _standing_client(os.getpid(), settings.KAFKA["bootstrap.servers"])


def standing_observer(context: str) -> Consumer:
    """A consumer to ask where the context's group stands. It joins nothing and gets no partitions.

    An admin client could ask too, but gets no answers about groups any more when it has outlived
    its broker, however long the broker is back.
    """
    return _standing_observer(os.getpid(), group_name(context), context)


@cache
def _standing_client(pid: int, servers: str) -> AdminClient:
    return admin_client()


@cache
def _standing_observer(pid: int, group: str, context: str) -> Consumer:
    return new_consumer(context)
