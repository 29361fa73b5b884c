"""The consumer of a context on a real Kafka: read, carry out, commit; retry, park, go on."""

import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from django.conf import settings
from django.db import connections

from apps.contracts.inventory import ReserveStock
from apps.contracts.values import Line
from apps.inventory import handlers
from apps.messaging import retry
from apps.messaging.consumer import (
    BUSY_FROM,
    LONGEST_WAIT_SECONDS,
    MOST_MESSAGES,
    ContextConsumer,
    patience_after,
)
from apps.messaging.database import Database, touches
from apps.messaging.handling import Handler
from apps.messaging.kafka import topic_name
from apps.messaging.outbox import publish
from apps.messaging.record import Record, read_record
from apps.messaging.resting import Rest
from apps.messaging.retry import ATTEMPTS
from apps.messaging.wiring import wiring
from tests.kafka import is_read_to_its_end
from tests.messaging.kit import Shelf, envelope, new_saga
from tests.messaging.parking import Breakable
from tests.messaging.turning import turn_until

INVENTORY = Database("inventory")
PATIENCE_SECONDS = 60


def send(count: int = 1, product: str = "tea") -> list[Any]:
    """Ask inventory through Kafka for one piece each; the sagas."""
    sagas = [new_saga() for _ in range(count)]
    line = Line(product_id=product, quantity=1)
    with INVENTORY.transaction():
        publish(
            INVENTORY,
            [envelope(ReserveStock(order_id=each, lines=(line,)), each) for each in sagas],
        )
    return sagas


def is_all_committed(consumer: ContextConsumer) -> bool:
    """Whether the group's offsets stand at the end of its commands."""
    return is_read_to_its_end(consumer.consumer, "inventory-commands")


def test_messages_are_carried_out_and_then_their_offsets_committed(
    consumer: ContextConsumer, shelf: Shelf
) -> None:
    send(5)
    turn_until(consumer, lambda: shelf.levels() == (5, 5, 0))
    turn_until(consumer, lambda: is_all_committed(consumer))


@pytest.mark.parametrize(
    ("messages", "seconds", "patience"),
    [
        (0, 0.01, 0.0),
        (BUSY_FROM - 1, 0.01, 0.0),
        (BUSY_FROM, 0.01, 0.01),
        (MOST_MESSAGES - 1, 0.5, LONGEST_WAIT_SECONDS),
        (MOST_MESSAGES, 0.01, 0.0),
    ],
)
def test_only_who_is_busy_waits_for_company(messages: int, seconds: float, patience: float) -> None:
    assert patience_after(messages, seconds) == patience


def test_a_busy_consumer_waits_a_moment_for_company_and_after_a_pause_no_more(
    consumer: ContextConsumer, shelf: Shelf
) -> None:
    asked = Waits(consumer.consumer)
    consumer.consumer = asked
    turn_until(consumer, lambda: send(20) and any(asked.seconds))
    turn_until(consumer, lambda: is_all_committed(consumer))
    turn_until(consumer, lambda: consumer.turn() == 0)
    del asked.seconds[:]
    send(1)
    turn_until(consumer, lambda: asked.seconds)
    assert asked.seconds == [0.0]


class Waits:
    """A consumer, and how long it was told to wait for more."""

    def __init__(self, consumer: Any) -> None:
        self.consumer, self.seconds = consumer, list[float]()

    def consume(self, most: int, seconds: float) -> Any:
        self.seconds.append(seconds)
        return self.consumer.consume(most, seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.consumer, name)


def test_a_lost_connection_is_waited_for_and_costs_nothing(
    consumer: ContextConsumer, shelf: Shelf
) -> None:
    send(1)
    turn_until(consumer, lambda: shelf.levels() == (9, 1, 0))
    for elsewhere in (cut_all_connections, send):
        thread = threading.Thread(target=in_a_thread_of_its_own, args=[elsewhere])
        thread.start()
        thread.join()
    turn_until(consumer, lambda: shelf.levels() == (8, 2, 0))
    assert shelf.letters() == []


def cut_all_connections() -> None:
    """A role may end its own connections; this thread's is another than the consumer's."""
    INVENTORY.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = current_user AND datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )


def in_a_thread_of_its_own(work: Callable[[], object]) -> None:
    """With its own connections, and without leaving them open."""
    work()
    connections.close_all()


@pytest.fixture
def impatient(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Who waits for a row is turned away soon, also on the next connection."""
    options = connections["inventory"].settings_dict["OPTIONS"]
    with monkeypatch.context() as patch:
        patch.setitem(options, "options", "-c lock_timeout=50ms")
        INVENTORY.reconnect()
        yield
    INVENTORY.reconnect()


@pytest.mark.usefixtures("impatient")
def test_a_row_that_is_held_for_longer_than_all_attempts_parks_nothing(
    consumer: ContextConsumer, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process does that is frozen in mid-batch, or a migration."""
    pauses: list[float] = []
    with psycopg.connect(os.environ["DATABASE_OWNER_URL_INVENTORY"]) as frozen:

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == ATTEMPTS + 1:
                frozen.rollback()

        monkeypatch.setattr(consumer, "_pause", pause)
        frozen.execute("SELECT FROM inventory_stock WHERE product_id = 'tea' FOR UPDATE")
        send(1)
        turn_until(consumer, lambda: shelf.levels() == (9, 1, 0) or bool(shelf.letters()))
    assert shelf.letters() == []
    assert len(pauses) == ATTEMPTS + 1


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes the handler fail so many times; counts down."""
    sound = handlers.COMMANDS[ReserveStock]
    left = [0]

    def reserve_stock(command: Any, shelves: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise RuntimeError("not yet")
        return sound.decide(command, shelves)

    commands: Any = wiring("inventory").commands
    monkeypatch.setitem(commands, ("ReserveStock", 1), Handler(reserve_stock, sound.workspace))
    return left


def test_an_error_that_passes_is_outlived(
    consumer: ContextConsumer, shelf: Shelf, failing: list[int]
) -> None:
    failing[0] = ATTEMPTS - 1
    send(1)
    turn_until(consumer, lambda: shelf.levels() == (9, 1, 0))
    assert shelf.letters() == []


def test_an_error_that_stays_is_parked_after_all_attempts_and_the_next_message_goes_on(
    consumer: ContextConsumer, shelf: Shelf, failing: list[int]
) -> None:
    failing[0] = ATTEMPTS
    send(1)
    turn_until(consumer, lambda: bool(shelf.letters()))
    assert shelf.letters() == [("parked", "reserve_stock", "do", "RuntimeError")]
    assert shelf.one("SELECT attempts FROM inventory_deadletter") == (ATTEMPTS,)
    assert shelf.levels() == (10, 0, 0)
    send(1)
    turn_until(consumer, lambda: shelf.levels() == (9, 1, 0))


def test_a_rival_that_is_always_faster_holds_up_its_message_alone(
    consumer: ContextConsumer, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "LONGEST_PAUSE_SECONDS", 0.001)

    def be_beaten(shelves: Any) -> None:
        shelves.database.send("SELECT 1 WHERE false", then=touches(1))

    handler, sagas = Breakable(monkeypatch, ReserveStock, be_beaten), send(3)
    handler.break_for(sagas[1])
    turn_until(consumer, lambda: shelf.levels() == (8, 2, 0) and bool(shelf.letters()))
    assert shelf.letters() == [("parked", "reserve_stock", "do", "RivalMovedFirst")]
    assert shelf.log(sagas[1]) == {}


def test_what_was_not_committed_is_read_again_and_done_once(shelf: Shelf, topics: None) -> None:
    """A consumer that dies between the database's commit and Kafka's."""
    forgetful = ContextConsumer("inventory")
    forgetful.open()
    turn_until(forgetful, lambda: bool(forgetful.consumer.assignment()))
    turn_until(forgetful, lambda: forgetful.turn() == 0)
    forgetful._commit_offsets_when_due = lambda idle: None  # type: ignore[method-assign]
    forgetful._commit_offsets_at_once = lambda: None  # type: ignore[method-assign]
    [saga] = send(1)
    turn_until(forgetful, lambda: shelf.levels() == (9, 1, 0))
    forgetful.close()
    heir = ContextConsumer("inventory")
    heir.open()
    turn_until(heir, lambda: ("do", "answered_again") in shelf.notes(saga))
    assert shelf.levels() == (9, 1, 0)
    heir.close()


def test_a_consumer_that_dies_before_the_commit_of_the_database_loses_no_message(
    shelf: Shelf, topics: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    def die(context: str, records: object, **how: object) -> None:
        raise Killed

    mortal = ContextConsumer("inventory")
    mortal.open()
    turn_until(mortal, lambda: bool(mortal.consumer.assignment()))
    turn_until(mortal, lambda: mortal.turn() == 0)
    with monkeypatch.context() as patched:
        patched.setattr("apps.messaging.consumer.carry_out", die)
        send(1)
        with pytest.raises(Killed):
            turn_until(mortal, lambda: False)
    mortal.consumer.close()  # what the broker sees of a death, without its timeout
    heir = ContextConsumer("inventory")
    heir.open()
    turn_until(heir, lambda: shelf.levels() == (9, 1, 0))
    heir.close()


def test_a_partition_that_is_lost_while_paused_is_read_again_when_it_comes_back() -> None:
    """librdkafka remembers the pause across the loss (seen: assigned, and silent for ever)."""

    class Broker:
        """What the consumer asks of its client, with a loss in the middle of a rest."""

        def __init__(self) -> None:
            self.ours = [TopicPartition("inventory-commands", each) for each in range(2)]
            self.silent: set[int] = set()

        def assignment(self) -> list[TopicPartition]:
            return self.ours

        def pause(self, partitions: list[TopicPartition]) -> None:
            self.silent |= {each.partition for each in partitions}

        def resume(self, partitions: list[TopicPartition]) -> None:
            self.silent -= {each.partition for each in partitions}

        def poll(self, timeout: float) -> None:
            return None

    broker = Broker()
    rest = Rest(broker)  # type: ignore[arg-type]
    both, broker.poll = broker.ours, lambda timeout: setattr(broker, "ours", [])  # type: ignore[method-assign]
    rest.take(0.01, until=lambda: False)
    assert broker.silent == {0, 1}
    broker.ours = both[:1]
    rest.resume()
    assert broker.silent == {1}
    broker.ours = both
    rest.resume()
    assert broker.silent == set()


def test_offsets_that_kafka_did_not_take_are_committed_again(
    shelf: Shelf, consumer: ContextConsumer
) -> None:
    [saga] = send()
    turn_until(consumer, lambda: shelf.log(saga) == {"reserve_stock": ("done", 1)})
    turn_until(consumer, lambda: is_all_committed(consumer))
    [taken] = [each for each in committed(consumer) if each.offset > 0][:1]
    before = TopicPartition(taken.topic, taken.partition, taken.offset - 1)
    consumer.consumer.commit(offsets=[before], asynchronous=False)
    assert not is_all_committed(consumer)

    consumer._on_committed(KafkaError(KafkaError._TIMED_OUT), [taken])

    turn_until(consumer, lambda: is_all_committed(consumer))


def test_offsets_that_kafka_took_are_left_alone(consumer: ContextConsumer) -> None:
    consumer._on_committed(None, [TopicPartition(topic_name("inventory-commands"), 0, 1)])

    assert consumer._positions == {}


def test_a_commit_that_fails_late_sets_no_later_one_back(consumer: ContextConsumer) -> None:
    turn_until(consumer, lambda: bool(consumer.consumer.assignment()))
    [taken, *_] = consumer.consumer.assignment()
    place = (taken.topic, taken.partition)
    consumer._noted[place] = 20
    for offset in (10, 20):
        refused = TopicPartition(*place, offset)
        consumer._on_committed(KafkaError(KafkaError._TIMED_OUT), [refused])

    assert consumer._positions == {place: 20}
    consumer._positions.clear()


def test_a_commit_that_fails_at_a_revoke_is_repeated_for_what_stays(
    consumer: ContextConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(Waits):
        def commit(self, **given: Any) -> None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    turn_until(consumer, lambda: len(consumer.consumer.assignment()) > 1)
    leaves, stays, *_ = consumer.consumer.assignment()
    places = [(each.topic, each.partition) for each in (leaves, stays)]
    consumer._noted.update(dict.fromkeys(places, 20))
    consumer._positions.update(dict.fromkeys(places, 20))
    monkeypatch.setattr(consumer, "consumer", Refusing(consumer.consumer))

    consumer._on_revoke(consumer.consumer, [leaves])

    assert places[0] not in consumer._positions
    assert consumer._positions[places[1]] == 20
    consumer._positions.clear()


def test_what_was_in_hand_when_its_partition_went_to_another_is_not_committed(
    consumer: ContextConsumer, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn_until(consumer, lambda: is_all_committed(consumer))
    before = [each.offset for each in committed(consumer)]
    carry_out, ours = consumer._settle, consumer.consumer.assignment

    def revoked_meanwhile(records: Sequence[Record]) -> int:
        parked = carry_out(records)
        consumer._on_revoke(consumer.consumer, ours())
        return parked

    monkeypatch.setattr(consumer, "_settle", revoked_meanwhile)
    [saga] = send()
    turn_until(consumer, lambda: shelf.log(saga) == {"reserve_stock": ("done", 1)})

    assert consumer._positions == {}
    assert [each.offset for each in committed(consumer)] == before


def committed(consumer: ContextConsumer) -> list[TopicPartition]:
    """The group's offsets of its commands."""
    topic = topic_name("inventory-commands")
    ours = [each for each in consumer.consumer.assignment() if each.topic == topic]
    return consumer.consumer.committed(ours, timeout=PATIENCE_SECONDS)


def test_one_message_that_nobody_can_keep_as_it_is_does_not_end_the_consumer(
    consumer: ContextConsumer, shelf: Shelf
) -> None:
    """Its step is longer than an index takes; another is as large as a message may be."""
    saga = new_saga()
    sound = envelope(ReserveStock(order_id=saga, lines=()), saga)
    long_step = {**sound.headers(), "step_id": secrets.token_hex(6_000)}
    produce(long_step, sound.payload)
    produce(sound.headers(), b"x" * 999_000)
    turn_until(consumer, lambda: len(shelf.letters()) == 2)
    assert shelf.letters() == [
        ("parked", "", "", "UnreadableMessage"),
        ("parked", "reserve_stock", "do", "UnreadableMessage"),
    ]
    send(1)
    turn_until(consumer, lambda: shelf.levels() == (9, 1, 0))
    turn_until(consumer, lambda: outbox_is_empty(shelf))


def test_a_message_whose_headers_the_client_cannot_give_is_read_without_them() -> None:
    """The name of a header need not be text; confluent-kafka then raises SystemError."""

    class Odd:
        def headers(self) -> None:
            raise SystemError("returned a result with an exception set")

        def __getattr__(self, name: str) -> Any:
            told = {"topic": "orders-commands", "partition": 1, "offset": 7, "value": b"{}"}
            return lambda: told.get(name)

    read = read_record(Odd())  # type: ignore[arg-type]

    assert (read.offset, read.headers, read.envelope) == (7, {}, None)


def produce(headers: dict[str, str], payload: bytes) -> None:
    """As some other program might, into one partition."""
    producer = Producer(settings.KAFKA)
    topic = topic_name("inventory-commands")
    producer.produce(topic, payload, headers=list(headers.items()), partition=0)
    assert producer.flush(PATIENCE_SECONDS) == 0


def outbox_is_empty(shelf: Shelf) -> bool:
    """Whether all that was sent is acknowledged, and gone."""
    return shelf.one("SELECT count(*) FROM inventory_outboxmessage") == (0,)
