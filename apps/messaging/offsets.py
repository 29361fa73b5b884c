"""Where Kafka stands: the offsets of partitions, and how far a context has committed."""

from collections.abc import Collection

from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from apps.messaging.kafka import standing_client, standing_observer

Place = tuple[str, int]  # topic and partition, as the cluster knows them


def offsets_of(
    places: Collection[Place], spec: OffsetSpec, *, timeout_seconds: float
) -> dict[Place, int]:
    """What Kafka says of partitions: their first or next offset, or the first one of a time; -1
    where no message is so young. Raises KafkaException."""
    if not places:
        return {}
    asked = {TopicPartition(*each): spec for each in places}
    found = standing_client().list_offsets(asked, request_timeout=timeout_seconds)
    return {
        (each.topic, each.partition): future.result(timeout_seconds + 1).offset
        for each, future in found.items()
    }


def committed_by(
    context: str, places: Collection[Place], *, timeout_seconds: float
) -> dict[Place, int]:
    """Where the context's group stands; negative where it has committed nothing. Raises
    KafkaException."""
    if not places:
        return {}
    asked = [TopicPartition(*each) for each in places]
    found = standing_observer(context).committed(asked, timeout=timeout_seconds)
    return {(each.topic, each.partition): each.offset for each in found}
