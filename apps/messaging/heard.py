"""How far a context has heard: whether what was told before a moment may still wait in Kafka."""

from collections.abc import Iterable
from datetime import datetime

from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from apps.messaging.kafka import standing_client, standing_observer, topic_name

TIMEOUT_SECONDS = 10
Place = tuple[str, int]  # topic and partition, as the cluster knows them


class Hearing:
    """What one context's consumers have committed, and what there is to read, at one moment.

    `look` raises KafkaException where the cluster does not answer.
    """

    def __init__(self, context: str, topics: Iterable[str]) -> None:
        self.context = context
        self.topics = [topic_name(each) for each in topics]
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
        known = standing_client().list_topics(timeout=TIMEOUT_SECONDS).topics
        return [(topic, each) for topic in self.topics for each in known[topic].partitions]

    def _offsets(self, places: Iterable[Place], spec: OffsetSpec) -> dict[Place, int]:
        """-1 where no message is so young."""
        asked = {TopicPartition(*place): spec for place in places}
        found = standing_client().list_offsets(asked, request_timeout=TIMEOUT_SECONDS)
        return {
            (place.topic, place.partition): future.result(TIMEOUT_SECONDS + 1).offset
            for place, future in found.items()
        }

    def _committed(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where the context's group stands; what it has not begun is left out."""
        asked = [TopicPartition(*place) for place in places]
        found = standing_observer(self.context).committed(asked, timeout=TIMEOUT_SECONDS)
        return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}
