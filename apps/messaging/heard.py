"""How far a context has heard: whether what was told before a moment may still wait in Kafka."""

from collections.abc import Iterable
from datetime import datetime

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import OffsetSpec

from apps.messaging.kafka import standing_client, topic_name
from apps.messaging.offsets import Place, committed_by, offsets_of

TIMEOUT_SECONDS = 10


class Hearing:
    """What one context's consumers have committed, and what there is to read, at one moment.

    `look` raises KafkaException where the cluster does not answer, or does not know a topic.
    """

    def __init__(self, context: str, topics: Iterable[str]) -> None:
        self.context = context
        self.topics = [topic_name(each) for each in topics]
        self._lagging: dict[Place, int] = {}  # committed so far, where there is more to read

    def look(self) -> None:
        """Read offsets and ends anew."""
        places = self._places()
        ends = offsets_of(places, OffsetSpec.latest(), timeout_seconds=TIMEOUT_SECONDS)
        committed = committed_by(self.context, places, timeout_seconds=TIMEOUT_SECONDS)
        begun = {place: max(offset, 0) for place, offset in committed.items()}
        self._lagging = {place: begun[place] for place, end in ends.items() if begun[place] < end}

    def has_passed(self, topic: str, moment: datetime) -> bool:
        """Whether everything that was told there before the moment has been taken."""
        name = topic_name(topic)
        lagging = {place: offset for place, offset in self._lagging.items() if place[0] == name}
        if not lagging:
            return True
        spec = OffsetSpec.for_timestamp(int(moment.timestamp() * 1000))
        first_after = offsets_of(lagging, spec, timeout_seconds=TIMEOUT_SECONDS)
        return all(0 <= first_after[place] <= offset for place, offset in lagging.items())

    def _places(self) -> list[Place]:
        known = standing_client().list_topics(timeout=TIMEOUT_SECONDS).topics
        missing = [each for each in self.topics if each not in known or not known[each].partitions]
        if missing:  # nothing is known of the answers there: not that there are none
            code = KafkaError.UNKNOWN_TOPIC_OR_PART
            raise KafkaException(KafkaError(code, f"No such topics: {', '.join(missing)}"))
        return [(topic, each) for topic in self.topics for each in known[topic].partitions]
