"""How far a context has heard, read off a real Kafka."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from django.conf import settings

from apps.messaging.heard import Hearing
from apps.messaging.kafka import group_name, topic_name

TOPIC = "pricing-events"
CONTEXT = "sagas"


@pytest.fixture
def reader(databases: dict[str, psycopg.Connection], topics: None) -> Consumer:
    """The engine's group, moved by hand; it starts at the topic's end."""
    options = {"group.id": group_name(CONTEXT), "enable.auto.commit": False}
    consumer = Consumer({**settings.KAFKA, **options})
    commit(consumer, {place.partition: end(consumer, place) for place in places(consumer)})
    return consumer


def places(consumer: Consumer) -> list[TopicPartition]:
    known = consumer.list_topics(topic_name(TOPIC), timeout=10).topics[topic_name(TOPIC)]
    return [TopicPartition(topic_name(TOPIC), each) for each in known.partitions]


def end(consumer: Consumer, place: TopicPartition) -> int:
    return int(consumer.get_watermark_offsets(place, timeout=10)[1])


def commit(consumer: Consumer, offsets: dict[int, int]) -> None:
    given = [TopicPartition(topic_name(TOPIC), *each) for each in offsets.items()]
    consumer.commit(offsets=given, asynchronous=False)


def tell(moment: datetime) -> int:
    """A message of that time in partition 0; its offset."""
    told: list[int] = []
    producer = Producer(dict(settings.KAFKA))
    producer.produce(
        topic_name(TOPIC), b"{}", partition=0, timestamp=int(moment.timestamp() * 1000),
        on_delivery=lambda error, message: told.append(message.offset()),
    )  # fmt: skip
    producer.flush(10)
    return told[0]


def hearing() -> Hearing:
    found = Hearing(CONTEXT, [TOPIC])
    found.look()
    return found


def test_who_has_read_to_the_end_has_heard_everything(reader: Consumer) -> None:
    assert hearing().has_passed(TOPIC, datetime.now(UTC))
    reader.close()


def test_an_unread_message_from_before_the_moment_may_be_the_answer(reader: Consumer) -> None:
    now = datetime.now(UTC)
    first = tell(now - timedelta(seconds=60))
    tell(now + timedelta(seconds=60))

    found = hearing()
    assert not found.has_passed(TOPIC, now)

    commit(reader, {0: first + 1})
    found.look()
    assert found.has_passed(TOPIC, now)  # what is left came later
    assert not found.has_passed(TOPIC, now + timedelta(seconds=120))
    reader.close()


def test_of_a_topic_that_is_not_there_nothing_is_known(topics: None) -> None:
    with pytest.raises(KafkaException, match=r"No such topics: .*nowhere-events"):
        Hearing(CONTEXT, [TOPIC, "nowhere-events"]).look()
