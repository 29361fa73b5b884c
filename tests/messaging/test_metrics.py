"""What the messaging layer counts and measures, on real servers and in real processes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from pytest_django import Settings
from uuid_utils.compat import uuid7

from apps.contracts.inventory import ReserveStock
from apps.contracts.values import Line
from apps.inventory import handlers
from apps.messaging import scrape as scraping
from apps.messaging.consumer import ContextConsumer, carry_out
from apps.messaging.context import context
from apps.messaging.database import Database
from apps.messaging.handling import Handler
from apps.messaging.kafka import admin_client, group_name, topic_name
from apps.messaging.lag import consumer_lag, groups_of
from apps.messaging.metrics import serve_metrics
from apps.messaging.outbox import publish
from apps.messaging.serving import start_server
from apps.messaging.wiring import wiring
from tests.kafka import places_of
from tests.messaging.kit import Shelf, envelope, new_saga, release, reserve
from tests.messaging.turning import turn_until
from tests.scraping import Counted, closed_port, forget, samples, scraped, value
from tests.servers import crash

ROOT = Path(__file__).parent.parent.parent
INVENTORY = Database("inventory")
PATIENCE_SECONDS = 60


# --- counted by the consumer


def send(count: int) -> None:
    """Ask inventory through Kafka for one piece of tea, so many times."""
    line = Line(product_id="tea", quantity=1)
    with INVENTORY.transaction():
        asked = [new_saga() for _ in range(count)]
        commands = [envelope(ReserveStock(order_id=each, lines=(line,)), each) for each in asked]
        publish(INVENTORY, commands)


def test_handled_messages_and_their_batches_are_counted(
    consumer: ContextConsumer, shelf: Shelf
) -> None:
    counted = Counted()
    send(5)

    turn_until(consumer, lambda: shelf.levels() == (5, 5, 0))

    # Their own answers are events of inventory's, which it does not read.
    assert counted.rise("messages_handled_total", service="inventory") == 5
    assert counted.rise("messages_parked_total", service="inventory") == 0
    assert counted.rise("batch_size_sum", service="inventory") == 5
    batches = counted.rise("batch_size_count", service="inventory")
    assert 1 <= batches <= 5
    assert counted.rise("batch_seconds_count", service="inventory") == batches
    assert counted.rise("batch_seconds_sum", service="inventory") > 0


def test_a_parked_message_is_counted_as_that_and_not_as_handled(
    consumer: ContextConsumer, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(command: Any, shelves: Any) -> Any:
        raise RuntimeError("no")

    workspace = handlers.COMMANDS[ReserveStock].workspace
    monkeypatch.setitem(handlers.COMMANDS, ReserveStock, Handler(refuse, workspace))
    monkeypatch.setattr("apps.messaging.retry.FIRST_PAUSE_SECONDS", 0.001)
    wiring.cache_clear()
    counted = Counted()
    try:
        send(1)
        turn_until(consumer, lambda: len(shelf.letters()) == 1)
    finally:
        wiring.cache_clear()

    assert counted.rise("messages_parked_total", service="inventory") == 1
    assert counted.rise("messages_handled_total", service="inventory") == 0


def test_a_consumer_that_has_done_nothing_yet_shows_zeros(consumer: ContextConsumer) -> None:
    from prometheus_client import REGISTRY

    for name in ("messages_handled_total", "messages_parked_total"):
        assert REGISTRY.get_sample_value(name, {"service": "inventory"}) is not None


def test_when_the_outbox_was_swept_last_is_told(shelf: Shelf, topics: None) -> None:
    from apps.messaging.relay import relay

    before = time.time()
    relay("inventory").sweep()

    from prometheus_client import REGISTRY

    found = REGISTRY.get_sample_value("outbox_swept_timestamp_seconds", {"service": "inventory"})
    assert found is not None
    assert found >= before


# --- the barrier's decisions


@pytest.mark.usefixtures("quiet")
def test_unusual_decisions_are_counted_and_ordinary_ones_not(shelf: Shelf) -> None:
    saga, never_asked = new_saga(), new_saga()
    counted = Counted()

    carry_out("inventory", [reserve(saga)])
    carry_out("inventory", [reserve(saga), release(never_asked)])
    carry_out("inventory", [release(saga)])
    carry_out("inventory", [reserve(saga)])

    assert rises(counted) == {"answered_again": 1, "nothing_to_undo": 1, "late": 1}


@pytest.mark.usefixtures("quiet")
def test_a_batch_that_is_rolled_back_and_applied_again_counts_its_decisions_once(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga)])
    counted = Counted()

    with monkeypatch.context() as patch:
        patch.setattr("apps.messaging.batch.publish", break_off)
        with pytest.raises(psycopg.errors.DeadlockDetected):
            carry_out("inventory", [reserve(saga)])
    assert rises(counted) == {}
    carry_out("inventory", [reserve(saga)])

    assert rises(counted) == {"answered_again": 1}


def break_off(*_: object) -> None:
    raise psycopg.errors.DeadlockDetected


def rises(counted: Counted) -> dict[str, float]:
    words = ("answered_again", "duplicate", "late", "nothing_to_undo", "run", "undo")
    found = {
        word: counted.rise("barrier_decisions_total", service="inventory", decision=word)
        for word in words
    }
    return {word: times for word, times in found.items() if times}


# --- read from the databases


@pytest.mark.usefixtures("quiet")
def test_what_waits_in_an_outbox_is_told_with_its_age(shelf: Shelf) -> None:
    send(3)
    shelf.owner.execute(
        "UPDATE inventory_outboxmessage SET created_at = now() - interval '1 hour'"
        " WHERE id = (SELECT id FROM inventory_outboxmessage ORDER BY id LIMIT 1)"
    )

    assert scraped("outbox_messages", service="inventory") == 3
    age = scraped("outbox_oldest_seconds", service="inventory")
    assert age is not None
    assert age >= 3600
    assert scraped("outbox_messages", service="pricing") == 0
    assert scraped("outbox_oldest_seconds", service="pricing") == 0


def test_parked_messages_are_told_and_settled_ones_not(
    databases: dict[str, psycopg.Connection],
) -> None:
    for status in ("parked", "parked", "waiting", "replayed"):
        databases["pricing"].execute(
            "INSERT INTO pricing_deadletter (id, status, blocks_saga, step, action, generation,"
            ' type, topic, partition, "offset", headers, payload, error_type, error, attempts,'
            " replays, parked_at) VALUES (%s, %s, false, '', '', 0, '', 't', 0, %s, '{}', '', '',"
            " '', 1, 0, now())",
            [uuid7(), status, uuid7().int % 2**60],
        )

    assert scraped("dead_letters_parked", service="pricing") == 2
    assert scraped("dead_letters_parked", service="orders") == 0


# Calls that are due since so long, or will be.
CALLS = """
INSERT INTO inventory_intent (id, saga_id, step, action, generation, operation, subject, details,
  key, status, due_at, request, created_at, changed_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'receive_goods', 'do', 1, 'await_goods',
  gen_random_uuid()::text, '{}', gen_random_uuid()::text, status, now() + due, '{}', now(), now()
FROM (VALUES (interval '-1 hour', 'due'), ('-1 minute', 'unknown'), ('-1 second', 'waiting'),
  ('1 hour', 'due'), ('-2 hours', 'settled')) AS given (due, status)
"""


def test_outside_calls_that_are_due_are_told(shelf: Shelf) -> None:
    shelf.owner.execute(CALLS)

    assert scraped("intents_due", service="inventory") == 3
    age = scraped("intents_oldest_due_seconds", service="inventory")
    assert age is not None
    assert 3600 <= age < 7200


def test_a_call_whose_worker_died_is_due_since_its_lease_ran_out(shelf: Shelf) -> None:
    shelf.owner.execute(CALLS)
    shelf.owner.execute(
        "UPDATE inventory_intent SET status = 'claimed', lease = gen_random_uuid(), leased_until ="
        " now() + CASE status WHEN 'due' THEN interval '-10 minutes' ELSE '10 minutes' END"
        " WHERE status <> 'settled' AND due_at <= now()"
    )

    assert scraped("intents_due", service="inventory") == 1
    age = scraped("intents_oldest_due_seconds", service="inventory")
    assert age is not None
    assert 600 <= age < 3600


@pytest.mark.usefixtures("databases")
def test_a_context_without_outside_calls_tells_nothing_of_them() -> None:
    assert scraped("intents_due", service="pricing") is None
    assert scraped("intents_oldest_due_seconds", service="pricing") is None


@pytest.mark.usefixtures("databases")
def test_a_database_that_is_away_makes_its_own_metrics_absent_and_no_others() -> None:
    with closed_port("pricing"):
        found = samples(scraping.scrape().decode())

    assert value(found, "sagaplatform_scrape_errors", source="pricing") == 1
    assert value(found, "outbox_messages", service="pricing") is None
    assert value(found, "dead_letters_parked", service="pricing") is None
    assert value(found, "sagaplatform_scrape_errors", source="orders") == 0
    assert value(found, "outbox_messages", service="orders") == 0
    assert scraped("sagaplatform_scrape_errors", source="pricing") == 0
    assert scraped("outbox_messages", service="pricing") == 0


@pytest.mark.usefixtures("databases")
def test_a_database_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()
    monkeypatch.setattr("apps.messaging.asking.PATIENCE_SECONDS", 2)  # enough for an empty list
    asked = {"pricing": hang.wait, "orders": list}
    monkeypatch.setattr(scraping, "questions", lambda: asked)
    forget()
    try:
        found = samples(scraping.scrape().decode())
    finally:
        hang.set()
        forget()

    assert value(found, "sagaplatform_scrape_errors", source="pricing") == 1
    assert value(found, "sagaplatform_scrape_errors", source="orders") == 0


@pytest.mark.usefixtures("databases")
def test_many_scrapes_ask_a_database_once_in_some_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("apps.messaging.asking.FRESH_SECONDS", 60)
    monkeypatch.setattr(scraping, "questions", lambda: {"orders": lambda: asked.append("x") or []})
    forget()

    for _ in range(3):
        scraping.scrape()

    forget()
    assert asked == ["x"]


# --- lag


def test_lag_is_what_is_sent_and_not_committed(consumer: ContextConsumer, shelf: Shelf) -> None:
    turn_until(consumer, lambda: scraped("sagaplatform_scrape_errors", source="kafka") == 0)
    turn_until(consumer, lambda: lag() == 0)
    consumer.office.attended = False  # nobody reads for a while, but the messages go out
    send(3)
    consumer.office.producer.flush(10)

    assert lag() == 3
    turn_until(consumer, lambda: shelf.levels() == (7, 3, 0))
    turn_until(consumer, lambda: lag() == 0)


def lag() -> float:
    """Of inventory's commands, over all partitions, as a scrape tells it."""
    forget()
    told = samples(scraping.scrape().decode())
    wanted = {"group": group_name("inventory"), "topic": topic_name("inventory-commands")}
    found = [
        lag
        for (name, labels), lag in told.items()
        if name == "kafka_consumer_lag" and wanted.items() <= dict(labels).items()
    ]
    partitions = places_of(admin_client(), topic_name("inventory-commands"))
    assert len(found) == len(partitions)  # each is there, with a lag or without
    return sum(found)


@pytest.mark.slow
def test_lag_is_told_again_after_the_broker_was_killed(shelf: Shelf, topics: None) -> None:
    assert scraped("sagaplatform_scrape_errors", source="kafka") == 0

    crash("kafka", signal.SIGKILL)

    until = time.monotonic() + PATIENCE_SECONDS * 2
    while scraped("sagaplatform_scrape_errors", source="kafka") != 0:
        assert time.monotonic() < until, "it is never told again"
    assert lag() >= 0


def test_a_group_that_has_committed_nothing_is_behind_by_all_there_is(settings: Settings) -> None:
    settings.KAFKA_TOPIC_PREFIX = f"lag-{uuid7().hex[-12:]}."
    client, topic = admin_client(), topic_name("inventory-commands")
    [made] = client.create_topics([NewTopic(topic, num_partitions=2)]).values()
    made.result(PATIENCE_SECONDS)
    try:
        producer = Producer(dict(settings.KAFKA))
        for partition in (0, 0, 1):
            producer.produce(topic, b"{}", partition=partition)
        assert producer.flush(PATIENCE_SECONDS) == 0

        told = consumer_lag(groups_of([context("inventory")]))

        group = f"{settings.KAFKA_TOPIC_PREFIX}inventory"
        assert sorted(told) == [(group, topic, 0, 2), (group, topic, 1, 1)]
    finally:
        client.delete_topics([topic])[topic].result(PATIENCE_SECONDS)


# --- several processes

COUNT = """
import sys
import django; django.setup()
from prometheus_client import Gauge
from apps.messaging.metrics import MESSAGES_PARKED, observe_batch, tell_swept
observe_batch("orders", messages=int(sys.argv[1]), parked=1, seconds=0.003)
tell_swept("orders")
Gauge("busy", "Processes that live", multiprocess_mode="livesum").set(1)
print("counted", flush=True)
sys.stdin.read()
"""
TELL = """
import django; django.setup()
from apps.messaging import scrape
scrape.questions = dict
print(scrape.scrape().decode())
"""


class Sharing:
    """Processes that add up their metrics in one folder."""

    def __init__(self, folder: Path) -> None:
        self.environ = {
            **os.environ,
            "PROMETHEUS_MULTIPROC_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "sagaplatform.settings",
        }
        self.running: list[subprocess.Popen[str]] = []

    def count(self, messages: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", COUNT, str(messages)],
            cwd=ROOT, env=self.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.running.append(process)
        assert process.stdout
        assert process.stdout.readline() == "counted\n"
        return process

    def tell(self) -> str:
        words = [sys.executable, "-c", TELL]
        return subprocess.run(
            words, cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, text=True, check=True
        ).stdout


@pytest.fixture
def sharing(tmp_path: Path) -> Iterator[Sharing]:
    made = Sharing(tmp_path / "metrics")
    yield made
    for process in made.running:
        process.kill()
        process.communicate()


def test_processes_add_up_and_a_dead_ones_gauges_are_forgotten(sharing: Sharing) -> None:
    sharing.count(10)
    dead = sharing.count(32)

    both = samples(sharing.tell())
    dead.kill()
    dead.wait()
    after = samples(sharing.tell())

    for found in (both, after):
        assert value(found, "messages_handled_total", service="orders") == 9 + 31
        assert value(found, "messages_parked_total", service="orders") == 2
        assert value(found, "batch_size_count", service="orders") == 2
        assert value(found, "batch_size_sum", service="orders") == 42
        assert value(found, "batch_size_bucket", service="orders", le="10.0") == 1
        assert value(found, "batch_size_bucket", service="orders", le="50.0") == 2
        assert value(found, "batch_seconds_sum", service="orders") == pytest.approx(0.006)
    assert value(both, "busy") == 2
    assert value(after, "busy") == 1
    # A moment that has been stays true.
    swept = [
        value(each, "outbox_swept_timestamp_seconds", service="orders") for each in (both, after)
    ]
    assert swept[0] == swept[1] is not None


def test_every_gauge_of_a_process_dies_with_it_unless_it_tells_a_moment() -> None:
    from prometheus_client import REGISTRY, Gauge

    ours = [
        each
        for each in REGISTRY._collector_to_names
        if isinstance(each, Gauge) and not each._name.startswith(("django_", "python_"))
    ]
    kept = [each._name for each in ours if not each._multiprocess_mode.startswith("live")]
    assert sorted(kept) == [
        "outbox_swept_timestamp_seconds", "watchdog_turned_timestamp_seconds",
    ]  # fmt: skip


@pytest.mark.parametrize("environ", [{}, {"PROMETHEUS_MULTIPROC_DIR": ""}])
def test_importing_makes_no_files(tmp_path: Path, environ: dict[str, str]) -> None:
    script = "import django; django.setup(); import apps.messaging.metrics, apps.sagas.metrics"
    kept = {name: value for name, value in os.environ.items() if "MULTIPROC" not in name}
    given = {"DJANGO_SETTINGS_MODULE": "sagaplatform.settings", "PYTHONPATH": str(ROOT)}

    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**kept, **given, **environ}, check=True
    )

    assert list(tmp_path.iterdir()) == []


# --- a port of its own


@pytest.fixture
def port() -> Iterator[Callable[[], int]]:
    """Starts a process's own server on a free port."""
    started: list[Any] = []

    def start() -> int:
        started.append(start_server(0))
        return int(started[-1].server_port)

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def get(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    request = Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


@pytest.mark.usefixtures("databases")
def test_a_process_without_pages_serves_its_metrics_and_nothing_else(
    port: Callable[[], int],
) -> None:
    own = port()

    status, text = get(own)

    assert status == 200
    assert value(samples(text), "outbox_messages", service="orders") == 0
    assert get(own, "/") == (404, "Metrics are at /metrics.\n")


@pytest.mark.usefixtures("databases")
@pytest.mark.parametrize(
    ("method", "status"),
    [("HEAD", 200), ("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 405), ("TRACE", 405)],
)
def test_its_port_gives_nothing_but_what_is_got(
    port: Callable[[], int], method: str, status: int
) -> None:
    connection = HTTPConnection("127.0.0.1", port(), timeout=30)
    with closing(connection):
        connection.request(method, "/metrics")
        answer = connection.getresponse()

        assert (answer.status, answer.read()) == (status, b"")
        assert answer.headers["Allow"] == (None if status == 200 else "GET, HEAD")


@pytest.fixture
def lonely_consumer(
    databases: dict[str, psycopg.Connection], topics: None
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """inventory's consumer with its own database and no other, and the port of its metrics."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = int(free.getsockname()[1])
    unknown = {name: "" for name in os.environ if name.startswith("DATABASE_URL_")}
    own_database = {"DATABASE_URL_INVENTORY": os.environ["DATABASE_URL_INVENTORY"]}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_consumer", "inventory"],
        cwd=ROOT, stderr=subprocess.DEVNULL,
        env={**os.environ, **unknown, **own_database, "METRICS_PORT": str(own)},
    )  # fmt: skip
    yield own, process
    process.terminate()
    process.wait(PATIENCE_SECONDS)


def test_a_consumer_alone_tells_of_itself_its_database_and_its_group(
    lonely_consumer: tuple[int, subprocess.Popen[bytes]],
) -> None:
    own, process = lonely_consumer

    found = samples(until_it_tells(own, process, 'messages_handled_total{service="inventory"}'))

    assert value(found, "outbox_messages", service="inventory") == 0
    assert value(found, "outbox_messages", service="orders") is None
    assert value(found, "sagas_in_flight", status="running") is None
    groups = {dict(labels)["group"] for name, labels in found if name == "kafka_consumer_lag"}
    assert groups == {group_name("inventory")}


def until_it_tells(own: int, process: subprocess.Popen[bytes], text: str) -> str:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None
        assert time.monotonic() < until
        try:
            told = get(own)[1]
        except OSError:  # it is starting
            told = ""
        if text in told:
            return told
        time.sleep(0.1)


def test_its_port_asks_for_the_token_too(port: Callable[[], int], settings: Settings) -> None:
    settings.METRICS_TOKEN = "scrape-me"
    own = port()

    status, text = get(own, Authorization="Bearer wrong")

    assert status == 403
    assert text.startswith("Metrics are given to who sends the header `Authorization: Bearer`")
    assert get(own, Authorization="Bearer scrape-me")[0] == 200


def test_no_port_is_opened_unless_one_is_set() -> None:
    before = set(threading.enumerate())

    serve_metrics()

    assert set(threading.enumerate()) == before
