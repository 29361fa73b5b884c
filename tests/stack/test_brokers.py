"""Three brokers: what they keep of each message, and that one of them may die."""

import os
import signal
from collections.abc import Iterator

import pytest
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from apps.messaging.kafka import PRODUCER
from sagaplatform.stack.environment import read_env
from tests.kafka import MOVING

from .conftest import Foreground, Trial, new_home, until

pytestmark = pytest.mark.slow
MESSAGES, PARTITIONS = 3000, 6
PATIENCE_SECONDS = 120


class Brokers:
    """Three of them, as a client sees them."""

    def __init__(self, trial: Trial, foreground: Foreground) -> None:
        self.trial = trial
        self.foreground = foreground
        self.app = read_env(trial.layout.app_env)
        quiet = {"log_level": 0}  # that a broker is away is no news here
        self.address = {"bootstrap.servers": self.app["KAFKA_BOOTSTRAP_SERVERS"], **quiet}
        self.admin = AdminClient(dict(self.address))

    def create(self, topic: str) -> None:
        """As `create_topics` does with the stack's settings."""
        new = NewTopic(
            topic,
            num_partitions=PARTITIONS,
            replication_factor=int(self.app["KAFKA_REPLICATION"]),
            config={"min.insync.replicas": self.app["KAFKA_MIN_INSYNC"]},
        )
        self.admin.create_topics([new])[topic].result(PATIENCE_SECONDS)
        until(lambda: self.in_sync(topic) == 3, "the topic's copies")

    def in_sync(self, topic: str) -> int:
        """The fewest copies that a partition has."""
        known = self.admin.list_topics(topic, timeout=PATIENCE_SECONDS).topics[topic]
        return min((len(each.isrs) for each in known.partitions.values()), default=0)

    def leader(self, topic: str) -> int:
        """The broker to which messages of the first partition go, when the one asked knows it."""
        while True:
            known = self.admin.list_topics(topic, timeout=PATIENCE_SECONDS).topics[topic]
            if 0 in known.partitions and known.partitions[0].leader > 0:
                return int(known.partitions[0].leader)

    def setting(self, topic: str, name: str) -> str:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        [future] = self.admin.describe_configs([resource]).values()
        return str(future.result(PATIENCE_SECONDS)[name].value)

    def kill(self, number: int) -> None:
        os.kill(self.trial.pid_of(name_of(number)), signal.SIGKILL)

    def read_all(self, topic: str) -> list[int]:
        """Everything that the topic holds, in no order."""
        reader = Consumer({**self.address, "group.id": "all", "auto.offset.reset": "earliest"})
        places = [TopicPartition(topic, each) for each in range(PARTITIONS)]
        there = sum(reader.get_watermark_offsets(each, PATIENCE_SECONDS)[1] for each in places)
        reader.assign([TopicPartition(topic, each.partition, 0) for each in places])
        found = reader.consume(there, PATIENCE_SECONDS)
        reader.close()
        assert len(found) == there
        return [int(each.value()) for each in found]


def is_answered(asking: Consumer) -> bool:
    """Whether somebody keeps the group's offsets: in a new cluster it may still move."""
    try:
        asking.committed([TopicPartition("none", 0)], timeout=PATIENCE_SECONDS)
    except KafkaException as error:
        if error.args[0].code() not in MOVING:
            raise
        return False
    return True


def name_of(broker: int) -> str:
    return "kafka" if broker == 1 else f"kafka-{broker}"


@pytest.fixture(scope="module")
def brokers() -> Iterator[Brokers]:
    trial = Trial(new_home(), BROKERS="3")
    foreground = trial.start("servers")
    try:
        foreground.says("Ctrl-C stops them")
        yield Brokers(trial, foreground)
    finally:
        trial.clear()


def test_every_message_has_three_copies_and_two_must_be_written(brokers: Brokers) -> None:
    brokers.create("copies")
    assert brokers.setting("copies", "min.insync.replicas") == "2"
    assert len(brokers.app["KAFKA_BOOTSTRAP_SERVERS"].split(",")) == 3


def test_what_kafka_keeps_for_itself_has_as_many_copies(brokers: Brokers) -> None:
    transactional = Producer({**brokers.address, "transactional.id": "any"})
    transactional.init_transactions(PATIENCE_SECONDS)
    asking = Consumer({**brokers.address, "group.id": "any"})
    until(lambda: is_answered(asking), "who keeps the group's offsets")
    asking.close()
    for topic in ("__consumer_offsets", "__transaction_state"):
        assert brokers.setting(topic, "min.insync.replicas") == "2"
        until(lambda topic=topic: brokers.in_sync(topic) == 3, f"the copies of {topic}")


def test_a_broker_is_killed_under_load_and_no_message_is_lost_or_doubled(brokers: Brokers) -> None:
    brokers.create("load")
    victim = brokers.leader("load")
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error:
            failed.append(error)

    patient = {"message.timeout.ms": PATIENCE_SECONDS * 1000}  # however slow this machine is
    producer = Producer({**brokers.address, **PRODUCER, **patient})
    for number in range(MESSAGES):
        producer.produce("load", str(number), str(number), on_delivery=delivered)
        if number == MESSAGES // 3:
            assert len(producer) > 0  # some are on their way
            brokers.kill(victim)
        producer.poll(0.001)
    assert producer.flush(PATIENCE_SECONDS) == 0
    assert failed == []
    assert sorted(brokers.read_all("load")) == list(range(MESSAGES))
    until(lambda: brokers.leader("load") != victim, "another broker leads")
    brokers.foreground.says("was started again")
    until(lambda: brokers.in_sync("load") == 3, "the killed broker has caught up")


def test_another_number_of_brokers_is_refused_and_none_given_means_the_same(
    brokers: Brokers,
) -> None:
    other = brokers.trial.call("run", "--bare", "--", "true", BROKERS="1")
    assert other.returncode == 1
    assert "was written by 3 broker(s), and cannot be read by 1. Leave BROKERS out" in other.stdout
    shown = "import os; print(os.environ['KAFKA_BOOTSTRAP_SERVERS'])"
    same = brokers.trial.call("run", "--bare", "--", "python", "-c", shown, BROKERS="")
    assert brokers.app["KAFKA_BOOTSTRAP_SERVERS"] in same.stdout
