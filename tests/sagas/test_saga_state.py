"""The topic saga-state: what is told there, what gets lost, and what a reader makes of it."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import ConfigResource, ResourceType
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.saga_state import SAGA_STATE, SagaSnapshot
from apps.messaging.database import Database
from apps.messaging.kafka import PRODUCER, admin_client, topic_name
from apps.sagas import state_check, state_sender
from apps.sagas.snapshots import all_snapshots, horizon, snapshots
from apps.sagas.state_sender import StateSender
from apps.sagas.state_topic import Report, SagaStates, read_states, tell
from tests.kafka import Tap
from tests.sagas.listening import created, hear, news
from tests.sagas.scenarios import BY_EVENTS, PLAIN, REFUSALS, SUCCESSES, UNDONE

pytestmark = pytest.mark.usefixtures("quiet", "topics")
PATIENCE_SECONDS = 30
SAGAS = Database("sagas")
MOMENT = datetime(2026, 11, 26, 12, 0, 0, 5, UTC)


@pytest.fixture
def owner(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["sagas"]


@pytest.fixture
def tap() -> Iterator[Tap]:
    with Tap(SAGA_STATE) as opened:
        yield opened


def state(saga_id: UUID, revision: int, status: str = "running") -> SagaSnapshot:
    return SagaSnapshot(
        saga_id=saga_id, order_id=saga_id, process="place_order", process_version=1,
        mode="orchestrated", status=status, revision=revision, pending_step="reserve_stock",
        started_at=MOMENT, changed_at=MOMENT, ended_at=None,
    )  # fmt: skip


def new_saga() -> UUID:
    """One that waits for its second step."""
    saga_id = uuid7()
    hear(created(saga_id))
    return saga_id


def go_on(saga_id: UUID, *steps: str) -> None:
    for step in steps:
        hear(news(saga_id, step, SUCCESSES[step]))


def long_ago(owner: psycopg.Connection) -> None:
    """All that has changed did so before the moment that a sender looks at again."""
    owner.execute("""
        UPDATE sagas_saga SET changed_at = changed_at - interval '1 minute',
            ended_at = ended_at - interval '1 minute'
    """)


@contextmanager
def transaction(statement: str, *parameters: object) -> Iterator[None]:
    """In here another connection has a transaction open in which it has done this."""
    begun, commit = threading.Event(), threading.Event()

    def hold() -> None:
        with SAGAS.transaction():
            SAGAS.execute(statement, parameters)
            begun.set()
            commit.wait(PATIENCE_SECONDS)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert begun.wait(PATIENCE_SECONDS)
        yield
    finally:
        commit.set()
        holder.join()


def sent_by(sender: StateSender) -> int:
    """What a turn sends, when Kafka has it."""
    sent = sender.turn()
    assert sender.producer.flush(PATIENCE_SECONDS) == 0
    return sent


def told(tap: Tap, saga_id: UUID, count: int = 1) -> list[SagaSnapshot]:
    return [
        msgspec.json.decode(each.value(), type=SagaSnapshot) for each in tap.take(saga_id, count)
    ]


# --- what is told


def test_a_saga_is_told_as_it_is_with_nothing_personal(owner: psycopg.Connection, tap: Tap) -> None:
    saga_id = new_saga()
    assert sent_by(StateSender()) == 1
    [message] = tap.take(saga_id, 1)
    assert message.headers() == [("version", b"1")]
    told = json.loads(message.value())
    times = {name: told.pop(name) for name in ("started_at", "changed_at")}
    assert told == {
        "saga_id": str(saga_id),
        "order_id": str(saga_id),
        "process": "place_order",
        "process_version": 1,
        "mode": "orchestrated",
        "status": "running",
        "revision": 1,
        "pending_step": "reserve_stock",
        "ended_at": None,
    }
    [started] = owner.execute("SELECT started_at FROM sagas_saga").fetchall()
    assert {datetime.fromisoformat(each) for each in times.values()} == set(started)


def test_many_changes_of_a_saga_are_one_message(owner: psycopg.Connection, tap: Tap) -> None:
    saga_id, sender = new_saga(), StateSender()
    go_on(saga_id, *PLAIN.steps[1:])
    assert sent_by(sender) == 1
    [only] = told(tap, saga_id)
    assert (only.status, only.pending_step) == ("confirmed", None)
    assert only.ended_at == only.changed_at


def test_what_has_not_changed_is_not_told_again(owner: psycopg.Connection, tap: Tap) -> None:
    first, second, sender = new_saga(), new_saga(), StateSender()
    assert sent_by(sender) == 2
    assert sent_by(sender) == 0
    go_on(first, "reserve_stock")
    assert sent_by(sender) == 1
    assert [each.revision for each in told(tap, first, 2)] == [1, 2]
    assert [each.revision for each in told(tap, second)] == [1]


def test_of_two_senders_one_works(owner: psycopg.Connection) -> None:
    new_saga()
    long_ago(owner)
    first, second = StateSender(), StateSender()
    assert (sent_by(first), sent_by(second)) == (1, 0)
    first.close()
    new_saga()
    assert sent_by(second) == 1


# --- what gets lost


def test_what_kafka_did_not_take_is_found_by_the_next_turn(
    owner: psycopg.Connection, tap: Tap
) -> None:
    away = {**settings.KAFKA, **PRODUCER, "bootstrap.servers": "127.0.0.1:1", "log_level": 0}
    saga_id, sender = new_saga(), StateSender(Producer({**away, "message.timeout.ms": 1}))
    assert sent_by(sender) == 1
    sender._producer = None  # Kafka is back
    assert sent_by(sender) == 1
    assert len(told(tap, saga_id)) == 1
    assert sent_by(sender) == 0


def test_what_a_crashed_sender_had_in_hand_is_sent_by_the_next_one(
    owner: psycopg.Connection, tap: Tap
) -> None:
    ended, live = new_saga(), new_saga()
    go_on(ended, *PLAIN.steps[1:])
    away = {**settings.KAFKA, **PRODUCER, "bootstrap.servers": "127.0.0.1:1", "log_level": 0}
    crashed = StateSender(Producer(away))
    assert crashed.turn() == 2
    assert crashed.turn() == 0  # it waits for what is under way, and dies
    crashed.producer.purge()
    crashed.lease.release()
    assert sent_by(StateSender()) == 2
    assert [each.status for each in told(tap, ended)] == ["confirmed"]
    assert [each.status for each in told(tap, live)] == ["running"]


def test_a_pass_that_the_database_interrupts_moves_no_mark(
    owner: psycopg.Connection, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga_ids, sender = {new_saga(), new_saga()}, StateSender()

    def interrupted(database: Database, wanted: Iterable[UUID]) -> Iterator[SagaSnapshot]:
        yield next(snapshots(database, wanted))
        raise psycopg.OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(state_sender, "snapshots", interrupted)
        with pytest.raises(psycopg.OperationalError):
            sender.turn()
    assert sender.producer.flush(PATIENCE_SECONDS) == 0
    assert sent_by(sender) == 1  # the other one
    for each in saga_ids:
        assert len(told(tap, each)) == 1


def test_who_goes_on_begins_where_all_had_arrived(owner: psycopg.Connection, tap: Tap) -> None:
    before = new_saga()
    go_on(before, *PLAIN.steps[1:])
    long_ago(owner)
    first = StateSender()
    assert sent_by(first) == 1
    first.close()
    after = new_saga()
    assert sent_by(StateSender()) == 1
    assert len(told(tap, after)) == 1
    assert len(told(tap, before)) == 1


def test_a_change_that_commits_late_is_not_lost(owner: psycopg.Connection, tap: Tap) -> None:
    """It is dated by its transaction's begin, before changes that were told already."""
    late, sender = new_saga(), StateSender()
    assert sent_by(sender) == 1
    change = "UPDATE sagas_saga SET revision = 2, changed_at = now() WHERE saga_id = %b"
    with transaction(change, late):
        soon = new_saga()
        assert sent_by(sender) == 1
        assert len(told(tap, soon)) == 1
        assert sent_by(sender) == 0
    assert sent_by(sender) == 1
    assert [each.revision for each in told(tap, late, 2)] == [1, 2]


def test_a_transaction_that_is_not_seen_yet_lies_behind_the_horizon(
    owner: psycopg.Connection,
) -> None:
    """It is dated before others can see it."""
    found = horizon(SAGAS)
    [(asked,)] = SAGAS.fetch("SELECT clock_timestamp()")
    assert found <= asked - timedelta(seconds=1)


def test_more_than_a_pass_finds_beside_a_long_transaction_is_told_after_its_end(
    owner: psycopg.Connection, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_sender, "MOST_CHANGES", 2)
    sender = StateSender()
    with transaction("SELECT 1"):
        saga_ids = [new_saga() for _ in range(3)]
        assert [sent_by(sender) for _ in range(3)] == [2, 0, 0]
    until = time.monotonic() + PATIENCE_SECONDS
    while not sent_by(sender):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert [len(told(tap, each)) for each in saga_ids] == [1, 1, 1]


def test_a_pass_that_finds_too_much_goes_on_in_the_next(
    owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_sender, "MOST_CHANGES", 2)
    for _ in range(2):
        new_saga()
    hear(*(created(uuid7()) for _ in range(3)))  # at one moment, which no pass divides
    for _ in range(3):
        new_saga()
    long_ago(owner)
    sender = StateSender()
    assert [sent_by(sender) for _ in range(5)] == [2, 3, 2, 1, 0]


# --- what a reader makes of it


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_the_highest_revision_wins_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    saga_id, states = uuid7(), SagaStates()
    for revision in order:
        take(states, state(saga_id, revision))
    assert states.known == {saga_id: state(saga_id, 3)}


def test_a_saga_that_is_gone_is_forgotten_until_it_is_told_anew() -> None:
    saga_id, other, states = uuid7(), uuid7(), SagaStates()
    take(states, state(saga_id, 7))
    take(states, state(other, 1))
    states.take(str(saga_id).encode(), None)
    assert states.known == {other: state(other, 1)}
    take(states, state(saga_id, 2))
    assert states.known[saga_id].revision == 2


def take(states: SagaStates, told: SagaSnapshot) -> None:
    states.take(str(told.saga_id).encode(), msgspec.json.encode(told))


def test_the_topic_keeps_the_last_of_each_saga_for_good(topics: None) -> None:
    resource, client = ConfigResource(ResourceType.TOPIC, topic_name(SAGA_STATE)), admin_client()
    [future] = client.describe_configs([resource]).values()
    assert future.result(PATIENCE_SECONDS)["cleanup.policy"].value == "compact"


# --- the command


@pytest.fixture
def command(
    owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Runs it with --json, and returns what it says; the topic says what the database says."""
    monkeypatch.setattr(state_check, "PAUSE_SECONDS", 0.0)

    def run(*arguments: str) -> Any:
        capsys.readouterr()
        call_command("saga_state", *arguments, "--json")
        return json.loads(capsys.readouterr().out)

    run("--republish")
    return run


def test_the_topic_is_counted_and_looked_into(command: Callable[..., Any]) -> None:
    live, undone = new_saga(), new_saga()
    hear(news(undone, "reserve_stock", REFUSALS["reserve_stock"]))
    hear(news(undone, "create_order", UNDONE["create_order"], action=Action.UNDO))
    sent_by(StateSender())
    assert command() == {"running": 1, "undone": 1}
    assert command("--saga", str(live))["pending_step"] == "reserve_stock"
    with pytest.raises(CommandError, match=f"The topic knows no saga {(unknown := uuid7())}"):
        command("--saga", str(unknown))


def test_the_check_names_what_differs(
    command: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    missing, behind, gone, same = new_saga(), new_saga(), uuid7(), new_saga()
    producer = state_sender.new_producer()
    for each in all_snapshots(SAGAS):
        if each.saga_id != missing:
            tell(producer, each.saga_id, each, ignore)
    tell(producer, gone, state(gone, 4), ignore)
    producer.flush(PATIENCE_SECONDS)
    go_on(behind, "reserve_stock")
    with pytest.raises(SystemExit, match="1"):
        command("--check")
    assert json.loads(capsys.readouterr().out) == {
        "differences": {
            str(missing): "the topic has nothing, the database running at revision 1",
            str(behind): "the topic has running at revision 1, the database running at revision 2",
            str(gone): "the topic has running at revision 4, the database nothing",
        }
    }
    assert command("--republish") == {"sent": 4}
    assert command("--check") == {"differences": {}}
    assert same in read_states().known


def test_a_topic_that_is_only_a_moment_late_does_not_differ(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_saga()

    class Clock:
        @staticmethod
        def sleep(seconds: float) -> None:
            """In which the sender takes its turn, and the saga goes on."""
            sent_by(StateSender())
            for (saga_id,) in SAGAS.fetch("SELECT saga_id FROM sagas_saga"):
                go_on(saga_id, "reserve_stock")

    monkeypatch.setattr(state_check, "time", Clock)
    assert command("--check") == {"differences": {}}


def test_what_is_heard_of_a_saga_after_its_end_does_not_differ(
    command: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    saga_id, plan = uuid7(), BY_EVENTS.to_header()
    hear(created(saga_id, plan=plan))
    hear(news(saga_id, "send_confirmation", SUCCESSES["send_confirmation"], plan=plan))
    assert command("--republish") == {"sent": 1}

    hear(news(saga_id, "confirm_order", SUCCESSES["confirm_order"], plan=plan))

    assert [each.revision for each in snapshots(SAGAS, [saga_id])] == [3]
    assert command("--check") == {"differences": {}}
    producer = state_sender.new_producer()
    told = read_states().known[saga_id]
    tell(producer, saga_id, msgspec.structs.replace(told, status="undone"), ignore)
    producer.flush(PATIENCE_SECONDS)
    with pytest.raises(SystemExit, match="1"):
        command("--check")
    assert "the topic has undone at revision 2" in capsys.readouterr().out


def test_a_database_that_was_restored_takes_the_topic_back(command: Callable[..., Any]) -> None:
    saga_id, producer = new_saga(), state_sender.new_producer()
    tell(producer, saga_id, state(saga_id, 9, "confirmed"), ignore)
    producer.flush(PATIENCE_SECONDS)
    with pytest.raises(SystemExit, match="1"):
        command("--check")
    assert command("--republish") == {"sent": 2}
    assert command("--saga", str(saga_id))["revision"] == 1
    assert command("--check") == {"differences": {}}


def test_what_the_sender_tells_meanwhile_is_the_last_word(
    command: Callable[..., Any], tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before it may arrive behind it."""
    saga_id, sender, steps = new_saga(), StateSender(), iter(PLAIN.steps[1:3])

    def overtaken(
        producer: Producer, told: UUID, state: SagaSnapshot | None, report: Report
    ) -> None:
        for step in itertools.islice(steps, 1):
            go_on(saga_id, step)
            assert sent_by(sender) == 1
        tell(producer, told, state, report)

    monkeypatch.setattr(state_check, "tell", overtaken)
    assert command("--republish") == {"sent": 3}
    assert [each.revision for each in told(tap, saga_id, 5)] == [2, 1, 3, 2, 3]


def test_a_kafka_that_is_away_is_told_in_a_sentence(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.sagas.state_topic.TIMEOUT_SECONDS", 1)
    monkeypatch.setitem(settings.KAFKA, "bootstrap.servers", "127.0.0.1:1")
    with pytest.raises(CommandError, match="Is KAFKA_BOOTSTRAP_SERVERS right"):
        command()


def ignore(error: KafkaError | None, message: object) -> None:
    """What becomes of it is read off the topic."""
