"""The topics, created explicitly: the broker's auto-creation is off."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)
from django.conf import settings

from apps.contracts.saga_state import SAGA_STATE
from apps.contracts.topics import topics_of
from apps.messaging.context import contexts, contexts_with_intents
from apps.messaging.dead_letter_copies import DEAD_LETTER_SUFFIX
from apps.messaging.kafka import topic_name

TIMEOUT_SECONDS = 15
WAKE_UPS = "wake-ups"  # Celery's queue, see waking.py
# What nobody has read for a minute says nothing any more. (The broker looks every five minutes.)
OF_WAKE_UPS = {"retention.ms": "60000"}
# The last message of each saga is kept for good, like the saga itself. What is being written to is
# never compacted, so that it must not grow for too long.
OF_SAGA_STATE = {"cleanup.policy": "compact", "segment.ms": "3600000"}
SPECIAL = {WAKE_UPS: OF_WAKE_UPS, SAGA_STATE: OF_SAGA_STATE}
SESSION_TIMEOUT = "group.consumer.session.timeout.ms"
LONGEST_SESSION_TIMEOUT_MS = 30_000


def own_topics() -> list[str]:
    """The topics of the contexts that are installed, each of messages with the one for its dead
    letters; that of wake-ups, which all share, where somebody calls outside; the engine's state."""
    labels = [each.label for each in contexts()]
    owned = [topic for label in labels for topic in topics_of(label)]
    special = [WAKE_UPS] if contexts_with_intents() else []
    special += [SAGA_STATE] if "sagas" in labels else []
    return [*owned, *(topic + DEAD_LETTER_SUFFIX for topic in owned), *special]


def create_topics(client: AdminClient) -> list[str]:
    """Create what is missing of the own topics; the names. Raises KafkaException."""
    wanted = [_new_topic(each) for each in own_topics()]
    futures = client.create_topics(wanted, operation_timeout=TIMEOUT_SECONDS)
    return [name for name, future in futures.items() if _was_created(future)]


def grow_topics(client: AdminClient) -> list[str]:
    """Give the own topics as many partitions as the settings say, where they have fewer; the names.

    What lies in them stays where it is. Kafka gives new partitions to the consumers within seconds;
    who sends hears of them within five minutes. No consumer relies on order, so that it does not
    matter that a key may change its partition; but for saga-state, where a saga's old state would
    outlive its deletion: that one stays as it is. Raises KafkaException.
    """
    there = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    names = [topic_name(each) for each in own_topics() if each != SAGA_STATE]
    wanted = settings.KAFKA_PARTITIONS
    few = [each for each in names if each in there and len(there[each].partitions) < wanted]
    if few:
        more = [NewPartitions(each, wanted) for each in few]
        for future in client.create_partitions(more, request_timeout=TIMEOUT_SECONDS).values():
            future.result(TIMEOUT_SECONDS)
    return few


def missing_topics(client: AdminClient, topics: list[str]) -> list[str]:
    """Which of these the cluster does not have."""
    there = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    return [each for each in topics if topic_name(each) not in there]


def session_timeout_ms(client: AdminClient) -> int | None:
    """How long the brokers wait for a silent consumer; None where they do not tell."""
    brokers = client.list_topics(timeout=TIMEOUT_SECONDS).brokers
    resource = ConfigResource(ResourceType.BROKER, str(next(iter(brokers))))
    [future] = client.describe_configs([resource]).values()
    entry = future.result(TIMEOUT_SECONDS).get(SESSION_TIMEOUT)
    return int(entry.value) if entry else None


def _new_topic(topic: str) -> NewTopic:
    config = {"min.insync.replicas": str(settings.KAFKA_MIN_INSYNC)}
    return NewTopic(
        topic_name(topic),
        num_partitions=settings.KAFKA_PARTITIONS,
        replication_factor=settings.KAFKA_REPLICATION,
        config=config | SPECIAL.get(topic, {}),
    )


def _was_created(future: object) -> bool:
    try:
        future.result(TIMEOUT_SECONDS)  # type: ignore[attr-defined]
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise
    return True
