"""The transactional producer: seen whole or not at all, one per name, no row leaves too early."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import NewTopic
from django.conf import settings

from apps.contracts.catalogue import Action
from apps.contracts.inventory import ReleaseStock, ReserveStock
from apps.contracts.values import Line
from apps.messaging import transactions
from apps.messaging.consumer import ContextConsumer
from apps.messaging.database import Database
from apps.messaging.envelope import Envelope
from apps.messaging.heard import Hearing
from apps.messaging.kafka import (
    admin_client,
    new_transactional_producer,
    topic_name,
    transactional_id,
)
from apps.messaging.outbox import letter_of
from apps.messaging.relay import Relay
from apps.messaging.transactional import TransactionalProducer
from apps.messaging.transactions import Report, Transactions
from tests.kafka import Tap
from tests.messaging.kit import Shelf, envelope, new_saga
from tests.messaging.test_outbox import waiting, write
from tests.messaging.turning import turn_until

pytestmark = pytest.mark.usefixtures("topics")
TOPIC = "inventory-commands"
PATIENCE_SECONDS = 30


@pytest.fixture
def tap() -> Iterator[Tap]:
    with Tap(TOPIC) as opened:
        yield opened


@pytest.fixture
def raw_tap() -> Iterator[Tap]:
    """Sees what is not committed, and what is aborted."""
    with Tap(TOPIC, uncommitted=True) as opened:
        yield opened


@pytest.fixture
def new_producer() -> Iterator[Callable[[], TransactionalProducer]]:
    """Producers of other processes."""
    made: list[TransactionalProducer] = []

    def make() -> TransactionalProducer:
        made.append(TransactionalProducer("inventory"))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def new_relay(new_producer: Callable[[], TransactionalProducer]) -> Callable[[], Relay]:
    def make() -> Relay:
        made = Relay("inventory", new_producer())
        made.attended = True
        return made

    return make


def slot(number: int) -> str:
    return transactional_id("inventory", number)


def produce(producer: Producer, sent: Envelope) -> None:
    """As a relay does."""
    letter = letter_of(sent)
    producer.produce(
        topic_name(TOPIC), letter.payload, str(letter.saga_id), headers=list(letter.headers.items())
    )


def reserve(saga: UUID) -> Envelope:
    return envelope(ReserveStock(order_id=saga, lines=(Line(product_id="tea", quantity=1),)), saga)


def release(saga: UUID) -> Envelope:
    return envelope(ReleaseStock(), saga, action=Action.UNDO)


def begun(id: str) -> Producer:
    """A client in the middle of nothing."""
    producer = new_transactional_producer(id)
    producer.init_transactions(PATIENCE_SECONDS)
    producer.begin_transaction()
    return producer


def send(producer: TransactionalProducer, saga: UUID) -> KafkaError | None:
    """One message, and what became of it."""
    told: list[KafkaError | None] = []

    def report(error: KafkaError | None, message: Message | None) -> None:
        told.append(error)

    producer.produce(topic_name(TOPIC), b"{}", str(saga), headers=[], on_delivery=report)
    assert producer.flush(PATIENCE_SECONDS) == 0
    [outcome] = told
    return outcome


# --- what readers see


def test_an_aborted_message_is_carried_out_by_nobody(
    shelf: Shelf, consumer: ContextConsumer, raw_tap: Tap
) -> None:
    aborted, committed = new_saga(), new_saga()
    producer = begun("any")
    produce(producer, reserve(aborted))
    producer.flush(PATIENCE_SECONDS)
    producer.abort_transaction(PATIENCE_SECONDS)
    producer.begin_transaction()
    produce(producer, reserve(committed))
    producer.commit_transaction(PATIENCE_SECONDS)
    assert len(raw_tap.take(aborted, 1)) == 1  # it is in Kafka, for whoever reads all
    turn_until(consumer, lambda: shelf.log(committed) != {})
    assert shelf.log(committed) == {"reserve_stock": ("done", 1)}
    assert shelf.log(aborted) == {}
    assert shelf.levels() == (9, 1, 0)


def test_an_open_transaction_is_not_seen_before_its_commit(tap: Tap, raw_tap: Tap) -> None:
    saga, producer = new_saga(), begun("any")
    produce(producer, release(saga))
    producer.flush(PATIENCE_SECONDS)
    assert len(raw_tap.take(saga, 1)) == 1
    tap.consumer.poll(0.5)
    assert tap.seen(saga) == []
    producer.commit_transaction(PATIENCE_SECONDS)
    assert len(tap.take(saga, 1)) == 1


def test_who_has_taken_a_transaction_has_taken_its_end_too(
    shelf: Shelf, consumer: ContextConsumer
) -> None:
    """Else the watchdog would wait for ever for what may still be unread."""
    producer = begun("any")
    produce(producer, reserve(saga := new_saga()))
    producer.commit_transaction(PATIENCE_SECONDS)
    turn_until(consumer, lambda: shelf.log(saga) != {})

    def heard_all() -> bool:
        ears = Hearing("inventory", [TOPIC])
        ears.look()
        return ears.has_passed(TOPIC, datetime.now(UTC))

    turn_until(consumer, heard_all)


# --- one living process per name


def test_each_process_has_a_slot_and_the_lowest_is_taken_again(
    new_producer: Callable[[], TransactionalProducer],
) -> None:
    first, second = new_producer(), new_producer()
    assert ids_after_sending(first, second) == [slot(0), slot(1)]
    first.close()
    assert ids_after_sending(new_producer()) == [slot(0)]


def ids_after_sending(*producers: TransactionalProducer) -> list[str]:
    """The name of each, which it has when it sends."""
    found = []
    for each in producers:
        assert send(each, new_saga()) is None
        assert each.transactions
        found.append(each.transactions.id)
    return found


def test_a_successor_fences_a_zombie_and_ends_what_it_left_open(tap: Tap) -> None:
    zombies, successors = new_saga(), new_saga()
    zombie = begun("any")
    produce(zombie, release(zombies))
    zombie.flush(PATIENCE_SECONDS)
    successor = begun("any")
    produce(successor, release(successors))
    successor.commit_transaction(PATIENCE_SECONDS)
    with pytest.raises(KafkaException) as fenced:
        zombie.commit_transaction(PATIENCE_SECONDS)
    assert fenced.value.args[0].code() == KafkaError._FENCED
    assert fenced.value.args[0].fatal()
    assert len(tap.take(successors, 1)) == 1
    assert tap.seen(zombies) == []


def test_who_has_lost_its_session_is_fenced_and_goes_on_in_another_slot(
    new_producer: Callable[[], TransactionalProducer], tap: Tap
) -> None:
    zombie = new_producer()
    assert ids_after_sending(zombie) == [slot(0)]
    end_session_with_slot()
    assert ids_after_sending(new_producer()) == [slot(0)]
    lost, sent = new_saga(), new_saga()
    refusal = send(zombie, lost)
    assert refusal is not None
    assert refusal.code() == KafkaError._FENCED
    assert send(zombie, sent) is None
    assert zombie.transactions
    assert zombie.transactions.id == slot(1)
    assert len(tap.take(sent, 1)) == 1
    assert tap.seen(lost) == []


def end_session_with_slot() -> None:
    """As a database that fails over does."""
    assert Database("inventory").fetch(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'"
        " AND classid::bigint = hashtext('outbox_producer')::bigint & 4294967295"
    ) == [(True,)]


# --- from the outbox


@pytest.mark.usefixtures("quiet_dispatch")
def test_a_row_leaves_the_outbox_only_after_kafkas_commit(
    shelf: Shelf,
    new_relay: Callable[[], Relay],
    raw_tap: Tap,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_commit, commit = threading.Event(), Transactions._commit

    def commit_later(self: Transactions) -> bool:
        may_commit.wait(PATIENCE_SECONDS)
        return commit(self)

    monkeypatch.setattr(Transactions, "_commit", commit_later)
    saga, office = write(), new_relay()
    sent = office._overdue(0)
    office.dispatch(sent)
    assert len(raw_tap.take(saga, 1)) == 1  # Kafka has it
    assert office.tidy() == 0
    may_commit.set()
    assert office.producer.flush(PATIENCE_SECONDS) == 0
    assert office.tidy() == 1
    assert waiting(shelf) == 0


@pytest.mark.usefixtures("quiet_dispatch")
def test_a_crash_between_kafkas_commit_and_the_rows_deletion_sends_again(
    shelf: Shelf, new_relay: Callable[[], Relay], tap: Tap
) -> None:
    saga, crashed = write(), new_relay()
    crashed.dispatch(crashed._overdue(0))
    assert crashed.producer.flush(PATIENCE_SECONDS) == 0  # committed; it dies here
    assert waiting(shelf) == 1
    successor = new_relay()
    assert successor.sweep(overdue_seconds=0) == 1
    assert successor.tidy() == 1
    assert waiting(shelf) == 0
    assert len(tap.take(saga, 2)) == 2


def test_what_cannot_be_sent_holds_up_no_other_message(
    shelf: Shelf, new_relay: Callable[[], Relay], tap: Tap
) -> None:
    saga, office = new_saga(), new_relay()
    good = letter_of(release(saga))
    lost = good._replace(id=new_saga(), topic="never-created")
    huge = good._replace(id=new_saga(), payload=b"x" * 5_000_000)
    office.dispatch([lost, huge, good])
    assert office.producer.flush(PATIENCE_SECONDS) == 0
    assert len(tap.take(saga, 1)) == 1
    with office.acknowledged() as acknowledged:
        assert acknowledged == [good.id]


def test_a_message_that_spoils_its_transaction_is_left_out_of_the_next(
    new_producer: Callable[[], TransactionalProducer], tight_topic: str, tap: Tap
) -> None:
    producer, saga, told = new_producer(), new_saga(), dict[str, int | None]()

    def report(name: str) -> Report:
        return lambda error, message: told.update({name: error.code() if error else None})

    with producer._changed:  # so that both are in one transaction
        producer.produce(tight_topic, b"x" * 200, "k", headers=[], on_delivery=report("bad"))
        producer.produce(
            topic_name(TOPIC), b"{}", str(saga), headers=[], on_delivery=report("good")
        )
    assert producer.flush(PATIENCE_SECONDS) == 0
    assert told == {"bad": KafkaError.MSG_SIZE_TOO_LARGE, "good": None}
    assert len(tap.take(saga, 1)) == 1


@pytest.fixture
def tight_topic() -> Iterator[str]:
    """Its broker refuses a message of 200 bytes, which the client has let pass."""
    name, client = topic_name("tight"), admin_client()
    new = NewTopic(name, num_partitions=1, config={"max.message.bytes": "100"})
    client.create_topics([new])[name].result(PATIENCE_SECONDS)
    yield name
    client.delete_topics([name])[name].result(PATIENCE_SECONDS)


@pytest.mark.usefixtures("quiet_dispatch")
def test_while_kafka_is_away_rows_stay_and_they_go_when_it_is_back(
    shelf: Shelf, new_relay: Callable[[], Relay], tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "ANSWER_SECONDS", 1)
    there = dict(settings.KAFKA)
    settings.KAFKA["bootstrap.servers"] = "127.0.0.1:1"
    saga, office = write(), new_relay()
    try:
        assert office.sweep(overdue_seconds=0) == 1
        assert office.producer.flush(PATIENCE_SECONDS) == 0
    finally:
        settings.KAFKA.update(there)
    assert office.tidy() == 0
    assert waiting(shelf) == 1
    monkeypatch.setattr(transactions, "ANSWER_SECONDS", 30)
    assert office.sweep(overdue_seconds=0) == 1
    assert office.producer.flush(PATIENCE_SECONDS) == 0
    assert office.tidy() == 1
    assert len(tap.take(saga, 1)) == 1


def test_whatever_goes_wrong_the_next_message_is_sent(
    new_producer: Callable[[], TransactionalProducer], tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Transactions, parcels: object) -> None:
        raise ValueError("a bug")

    producer, saga = new_producer(), new_saga()
    with monkeypatch.context() as patched:
        patched.setattr(Transactions, "send", broken)
        refusal = send(producer, new_saga())
    assert refusal is not None
    assert refusal.str() == "a bug"
    assert send(producer, saga) is None
    assert len(tap.take(saga, 1)) == 1


def test_too_many_messages_are_left_to_the_sweeper(
    new_producer: Callable[[], TransactionalProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.messaging.transactional.MOST_WAITING", 1)
    producer = new_producer()
    with producer._changed:  # nothing is taken meanwhile
        producer.produce("any", b"", "k", headers=[], on_delivery=lambda error, message: None)
        with pytest.raises(BufferError, match="1 messages wait for Kafka to commit them"):
            producer.produce("any", b"", "k", headers=[], on_delivery=lambda error, message: None)
