"""From a commit to Kafka: nothing is sent before it, nothing is lost after it."""

import threading
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from confluent_kafka import KafkaException, Producer
from django.conf import settings
from django.db import connections, transaction

from apps.contracts.catalogue import Action
from apps.contracts.inventory import ReleaseStock
from apps.messaging import relay
from apps.messaging.database import Database
from apps.messaging.errors import OutsideTransaction
from apps.messaging.kafka import PRODUCER, topic_name
from apps.messaging.outbox import letter_of, post, publish
from apps.messaging.relay import Relay
from tests.kafka import Tap
from tests.messaging.kit import Shelf, envelope, new_saga
from tests.threads import at_once

INVENTORY = Database("inventory")


@pytest.fixture
def tap(topics: None) -> Iterator[Tap]:
    with Tap("inventory-commands") as opened:
        yield opened


def write(saga: UUID | None = None) -> UUID:
    """A message in the outbox, in a transaction of its own; its saga."""
    saga = saga or new_saga()
    with INVENTORY.transaction():
        publish(INVENTORY, [envelope(ReleaseStock(), saga, action=Action.UNDO)])
    return saga


def waiting(shelf: Shelf) -> int:
    [count] = shelf.one("SELECT count(*) FROM inventory_outboxmessage")
    return int(count)


def new_relay(**options: object) -> Relay:
    """A relay of another process."""
    made = Relay("inventory", Producer({**settings.KAFKA, **PRODUCER, **options}))
    made.attended = True
    return made


def test_publishing_outside_a_transaction_is_refused(shelf: Shelf) -> None:
    with pytest.raises(OutsideTransaction, match=r"atomic\(using=<the context's database>\)"):
        publish(INVENTORY, [envelope(ReleaseStock(), new_saga(), action=Action.UNDO)])
    assert waiting(shelf) == 0


def test_a_transaction_on_another_connection_does_not_count(shelf: Shelf) -> None:
    sent = envelope(ReleaseStock(), new_saga(), action=Action.UNDO)
    with (
        transaction.atomic(),
        transaction.atomic(using="orders"),
        pytest.raises(OutsideTransaction),
    ):
        publish(INVENTORY, [sent])
    assert waiting(shelf) == 0


def test_a_committed_message_is_sent_with_key_and_headers_and_leaves_the_table(
    shelf: Shelf, tap: Tap
) -> None:
    saga = write()
    [message] = tap.take(saga, 1)
    assert message.value() == b"{}"
    told = {name: value.decode() for name, value in message.headers()}
    assert (told["saga_id"], told["type"], told["action"]) == (str(saga), "ReleaseStock", "undo")
    tap.wait_until(lambda: waiting(shelf) == 0)


def test_a_rolled_back_message_is_never_sent(shelf: Shelf, tap: Tap) -> None:
    lost = new_saga()
    with INVENTORY.transaction():
        publish(INVENTORY, [envelope(ReleaseStock(), lost, action=Action.UNDO)])
        transaction.set_rollback(True, using="inventory")
    seen = write()
    assert tap.take(seen, 1)
    assert tap.seen(lost) == []
    tap.wait_until(lambda: waiting(shelf) == 0)


@pytest.mark.usefixtures("quiet_dispatch")
def test_what_was_not_dispatched_is_swept_when_it_is_overdue(shelf: Shelf, tap: Tap) -> None:
    saga = write()
    sweeper = new_relay()
    assert sweeper.sweep(overdue_seconds=3600) == 0
    assert sweeper.sweep(overdue_seconds=0) == 1
    assert len(tap.take(saga, 1)) == 1
    assert sweeper.sweep(overdue_seconds=0) == 0  # it has the acknowledgement
    assert sweeper.tidy() == 1
    assert waiting(shelf) == 0


@pytest.mark.usefixtures("quiet_dispatch")
def test_of_two_sweepers_one_works(shelf: Shelf, tap: Tap) -> None:
    saga = write()
    holding, done = threading.Event(), threading.Event()

    def hold_the_lock() -> None:
        with INVENTORY.transaction():
            assert INVENTORY.fetch(
                "SELECT pg_try_advisory_xact_lock(hashtext('outbox_sweeper'))"
            ) == [(True,)]
            holding.set()
            done.wait()
        connections.close_all()

    other = threading.Thread(target=hold_the_lock)
    other.start()
    holding.wait()
    assert new_relay().sweep(overdue_seconds=0) == 0
    done.set()
    other.join()
    assert new_relay().sweep(overdue_seconds=0) == 1
    assert len(tap.take(saga, 1)) == 1


@pytest.mark.usefixtures("quiet_dispatch")
def test_a_message_that_commits_late_is_not_lost(shelf: Shelf, tap: Tap) -> None:
    """Its id is lower than one that was swept before it could be seen: a cursor would miss it."""
    early, written, commit = new_saga(), threading.Event(), threading.Event()

    def write_slowly() -> None:
        with INVENTORY.transaction():
            publish(INVENTORY, [envelope(ReleaseStock(), early, action=Action.UNDO)])
            written.set()
            commit.wait()
        connections.close_all()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    written.wait()
    late = write()
    sweeper = new_relay()
    assert sweeper.sweep(overdue_seconds=0) == 1
    assert len(tap.take(late, 1)) == 1
    commit.set()
    slow.join()
    assert sweeper.sweep(overdue_seconds=0) == 1
    assert len(tap.take(early, 1)) == 1


@pytest.mark.usefixtures("quiet_dispatch")
def test_what_cannot_be_sent_keeps_the_sweeper_from_nothing_behind_it(
    shelf: Shelf, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SWEEP_LIMIT", 2)
    sweeper = new_relay(**{"topic.metadata.propagation.max.ms": 100})  # soon believed to be missing
    lost = letter_of(envelope(ReleaseStock(), new_saga()))
    with INVENTORY.transaction():
        post(INVENTORY, [lost._replace(id=new_saga(), topic="never-created") for _ in range(2)])
    until_refused(sweeper, "never-created")
    good = write()
    found = [sweeper.sweep(overdue_seconds=0) for _ in range(3)]
    assert found == [2, 1, 2]  # those that cannot be sent have their turn again
    assert len(tap.take(good, 1)) == 1


def until_refused(sweeper: Relay, topic: str) -> None:
    """Until the client knows that there is no such topic: from then on it takes nothing for it."""
    for _ in range(1000):
        try:
            sweeper.producer.produce(topic_name(topic), b"")
        except KafkaException:
            return
        sweeper.producer.poll(0.05)
    raise AssertionError("the client takes messages for a topic that is not there")


@pytest.mark.usefixtures("quiet_dispatch")
def test_a_full_producer_queue_fails_nothing_and_leaves_the_rest_to_the_sweeper(
    shelf: Shelf, tap: Tap
) -> None:
    unreachable = {"bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": 2}
    office = new_relay(**unreachable, **{"log_level": 0})
    sagas = [write() for _ in range(5)]
    office.dispatch([letter_of(envelope(ReleaseStock(), saga)) for saga in sagas])  # must not raise
    assert len(office.producer) == 2
    office.producer.purge()
    assert new_relay().sweep(overdue_seconds=0) == 5
    for saga in sagas:
        assert len(tap.take(saga, 1)) == 1


def test_a_topic_that_is_missing_fails_no_request_and_holds_up_no_other_message(
    shelf: Shelf, tap: Tap
) -> None:
    saga = new_saga()
    good = letter_of(envelope(ReleaseStock(), saga, action=Action.UNDO))
    lost = good._replace(id=new_saga(), topic="never-created")
    with INVENTORY.transaction():
        post(INVENTORY, [lost, good])  # must not raise after the commit
    assert len(tap.take(saga, 1)) == 1
    tap.wait_until(lambda: waiting(shelf) == 1)
    assert shelf.one("SELECT topic FROM inventory_outboxmessage") == ("never-created",)


def test_a_message_that_is_too_large_fails_no_request(shelf: Shelf, tap: Tap) -> None:
    saga = new_saga()
    good = letter_of(envelope(ReleaseStock(), saga, action=Action.UNDO))
    huge = good._replace(id=new_saga(), payload=b"x" * 5_000_000)
    with INVENTORY.transaction():
        post(INVENTORY, [huge, good])
    assert len(tap.take(saga, 1)) == 1
    tap.wait_until(lambda: waiting(shelf) == 1)


def test_acknowledged_rows_are_given_to_one_caller_only(shelf: Shelf, topics: None) -> None:
    """Web threads that deleted the same rows in different orders have met in a deadlock."""
    office, ids = new_relay(), [new_saga() for _ in range(3)]
    for each in ids:
        office._delivered(each, None, None)  # type: ignore[arg-type]
    with office.acknowledged() as taken, office.acknowledged() as taken_by_another:
        assert taken == sorted(ids)
        assert taken_by_another == []


def test_acknowledged_rows_come_back_from_a_caller_that_fails(shelf: Shelf, topics: None) -> None:
    office, id = new_relay(), new_saga()
    office._delivered(id, None, None)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError), office.acknowledged():
        1 / 0  # noqa: B018
    with office.acknowledged() as again:
        assert again == [id]


def test_many_threads_write_and_tidy_one_outbox(shelf: Shelf, tap: Tap) -> None:
    def work() -> list[UUID]:
        return [write() for _ in range(40)]

    sagas = at_once(*[work] * 8)
    assert [len(each) for each in sagas if isinstance(each, list)] == [40] * 8
    tap.wait_until(lambda: waiting(shelf) == 0)


def test_the_run_time_role_cannot_reach_another_context(
    databases: dict[str, psycopg.Connection],
) -> None:
    own = settings.DATABASES["inventory"]
    foreign = settings.DATABASES["payments"]["NAME"]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(
            host=own["HOST"], port=own["PORT"], user=own["USER"], password=own["PASSWORD"] or None,
            dbname=foreign,
        )  # fmt: skip
