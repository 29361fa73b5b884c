"""How far a context has heard: whether what was told before a moment may still wait in Kafka."""

from collections.abc import Iterable
from datetime import datetime

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from apps.messaging.kafka import admin_client, group_name, topic_name

TIMEOUT_SECONDS = 10
Place = tuple[str, int]  # topic and partition, as the cluster knows them


class Hearing:
    """What one context's consumers have committed, and what there is to read, at one moment.

    `look` raises KafkaException where the cluster does not answer.
    """

    def __init__(self, context: str, topics: Iterable[str]) -> None:
        self.group = group_name(context)
        self.topics = [topic_name(each) for each in topics]
        self.client: AdminClient = admin_client()
        self._lagging: dict[Place, int] = {}  # committed so far, where there is more to read

    def look(self) -> None:
        """Read offsets and ends anew."""
        places = self._places()
        ends = self._offsets(places, OffsetSpec.latest())
        committed = self._committed(places)
        self._lagging = {
            place: committed.get(place, 0)
            for place, end in ends.items()
            if committed.get(place, 0) < end
        }

    def has_passed(self, topic: str, moment: datetime) -> bool:
        """Whether everything that was told there before the moment has been taken."""
        name = topic_name(topic)
        lagging = {place: offset for place, offset in self._lagging.items() if place[0] == name}
        if not lagging:
            return True
        spec = OffsetSpec.for_timestamp(int(moment.timestamp() * 1000))
        first_after = self._offsets(list(lagging), spec)
        return all(0 <= first_after[place] <= offset for place, offset in lagging.items())

    def _places(self) -> list[Place]:
        known = self.client.list_topics(timeout=TIMEOUT_SECONDS).topics
        return [(topic, each) for topic in self.topics for each in known[topic].partitions]

    def _offsets(self, places: Iterable[Place], spec: OffsetSpec) -> dict[Place, int]:
        """-1 where no message is so young."""
        asked = {TopicPartition(*place): spec for place in places}
        found = self.client.list_offsets(asked, request_timeout=TIMEOUT_SECONDS)
        return {(p.topic, p.partition): future.result().offset for p, future in found.items()}

    def _committed(self, places: Iterable[Place]) -> dict[Place, int]:
        asked = ConsumerGroupTopicPartitions(self.group, [TopicPartition(*p) for p in places])
        [future] = self.client.list_consumer_group_offsets(
            [asked], request_timeout=TIMEOUT_SECONDS
        ).values()
        found = future.result().topic_partitions or []
        return {(p.topic, p.partition): p.offset for p in found if p.offset >= 0}
