"""Alerts go from the topic to people, by mail and by webhook."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import psycopg
import pytest
import requests
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from django.core import mail
from msgspec.structs import replace
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.contracts.sagas import CaseOpened, CompensationHeld
from apps.contracts.steps import Happened, RecordHappened
from apps.messaging.database import Database
from apps.messaging.envelope import new_envelope
from apps.messaging.kafka import CONSUMER, group_name
from apps.messaging.lag import OTHERS, consumer_lag
from apps.messaging.outbox import publish
from apps.messaging.relay import relay
from apps.messaging.request import Request
from apps.ops.alerts import ATTEMPTS, Alert, AlertReader, Way, alert_of, chosen_ways, run_together
from apps.ops.alerts.ways import LOG, MAIL, WEBHOOK, NotTaken, by_mail, by_webhook
from apps.sagas.desk import NewCase, alert
from tests.running import ROOT
from tests.sagas.scenarios import PLAIN

OPENED = CaseOpened(
    case_id=uuid7(), kind="stuck", context="sagas", step="authorize_payment",
    reason="The card is closed",
)  # fmt: skip

HAPPENED = Happened(type="OrderCreated", event_version=1, event=msgspec.Raw(b"{}"))
UNDO = Request(uuid7(), "authorize_payment", Action.UNDO, 1, Mode.ORCHESTRATED)


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; answers as it is told, ever so slowly if it is told to drip."""

    posted: list[dict[str, Any]] = []
    answers: list[int] = []  # in place of 204, one after the other
    fetched = 0
    drips = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if Hook.drips:
            self.drip()
            return
        status = Hook.answers.pop(0) if Hook.answers else 204
        if status == 204:
            Hook.posted.append(body)
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        Hook.fetched += 1
        self.send_response(200)
        self.end_headers()

    def drip(self) -> None:
        for each in b"HTTP/1.1 204 No Content\r\nX-Slow: " + b"." * 100:
            try:
                self.wfile.write(bytes([each]))
            except OSError:  # cut off
                return
            time.sleep(0.1)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hook(settings: Any) -> Iterator[type[Hook]]:
    Hook.posted, Hook.answers, Hook.fetched, Hook.drips = [], [], 0, False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{server.server_address[1]}/"
    yield Hook
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_ways_are_those_that_are_set(settings: Any) -> None:
    assert chosen_ways() == [LOG]
    settings.ALERT_MAIL_TO = ["ops@shop.example"]
    assert chosen_ways() == [LOG, MAIL]
    settings.ALERT_WEBHOOK_URL = "https://hooks.example/s3cret"
    assert chosen_ways() == [LOG, MAIL, WEBHOOK]
    assert [each.group for each in chosen_ways()] == ["alerts-log", "alerts-mail", "alerts-webhook"]


def test_a_case_in_words() -> None:
    found = alert_of(OPENED, UNDO)

    assert found.subject == "[sagaplatform] Stuck: undo authorize_payment"
    look = f"manage.py sagas show {UNDO.saga_id}"
    assert found.text == f"The card is closed\n\nLook:  {look}\n"
    assert (found.facts["type"], found.facts["action"]) == ("CaseOpened", "undo")


def test_a_case_of_what_was_to_be_done_in_words() -> None:
    found = alert_of(OPENED, replace(UNDO, action=Action.DO))

    assert found.subject == "[sagaplatform] Stuck: authorize_payment"


def test_the_brake_in_words() -> None:
    found = alert_of(CompensationHeld(live=100, late=60), UNDO)

    assert found.subject == "[sagaplatform] Automatic compensation is held back"
    assert "60 of 100 live sagas" in found.text


def test_by_mail(settings: Any) -> None:
    settings.ALERT_MAIL_TO = ["ops@shop.example"]

    by_mail(alert_of(OPENED, UNDO))

    [sent] = mail.outbox
    assert (sent.subject, sent.to) == (
        "[sagaplatform] Stuck: undo authorize_payment",
        ["ops@shop.example"],
    )


def test_by_webhook(hook: type[Hook]) -> None:
    by_webhook(alert_of(OPENED, UNDO))

    [posted] = hook.posted
    assert posted["subject"] == "[sagaplatform] Stuck: undo authorize_payment"
    assert (posted["type"], posted["step"]) == ("CaseOpened", "authorize_payment")


@pytest.mark.parametrize("status", [302, 307, 404, 500])
def test_what_is_no_success_is_a_failure_and_nothing_is_followed(
    hook: type[Hook], status: int
) -> None:
    hook.answers = [status]

    with pytest.raises(NotTaken) as refused:
        by_webhook(alert_of(OPENED, UNDO))

    assert (refused.value.status, hook.posted, hook.fetched) == (status, [], 0)


def test_a_hook_that_answers_ever_so_slowly_is_cut_off(
    hook: type[Hook], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then: each read has its time, and all of them together have none."""
    monkeypatch.setattr("apps.ops.alerts.ways.SECONDS_IN_ALL", 0.5)
    hook.drips = True
    began = time.monotonic()

    with pytest.raises(requests.ConnectionError):
        by_webhook(alert_of(OPENED, UNDO))

    assert 0.4 < time.monotonic() - began < 5


@pytest.mark.parametrize("away", [True, False])
def test_a_webhooks_address_is_in_no_log(
    settings: Any, hook: type[Hook], caplog: pytest.LogCaptureFixture, away: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    port = free_port() if away else urlsplit(settings.ALERT_WEBHOOK_URL).port
    settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{port}/s3cret"
    hook.answers = [302]
    reader = AlertReader(WEBHOOK, cast(Consumer, Kafka()), lambda attempt: 0)
    reader.turn()

    told = "\n".join(f"{each.msg} {each.args} {each.exc_text}" for each in caplog.records)
    assert "alert_not_sent" in told
    assert "s3cret" not in told


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# --- reading: each way by itself


class Message:
    """An alert as it is read from Kafka."""

    def __init__(self, number: int, event: Any = OPENED, **changes: bytes) -> None:
        sent = new_envelope(event, UNDO, plan="none", traceparent="none", topic="saga-alerts")
        self.number = number
        told = {name: text.encode() for name, text in sent.headers().items()} | changes
        self.given = {"headers": list(told.items()), "value": sent.payload, "topic": "saga-alerts"}

    def offset(self) -> int:
        return self.number

    def __getattr__(self, name: str) -> Any:
        return lambda: self.given.get(name)


class Kafka:
    """What a reader asks of its client. It has messages, and may have moved them to others."""

    def __init__(self, *messages: Message, moved: bool = False) -> None:
        self.messages = list(messages or [Message(0)])
        self.moved, self.polls, self.paused = moved, 0, False
        self.committed: list[int] = []

    def poll(self, seconds: float) -> Message | None:
        self.polls += 1
        return self.messages.pop(0) if self.messages and not self.paused else None

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition("saga-alerts", 0)]

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused = True

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused = False

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        if self.moved:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_MEMBER_ID))
        self.committed += [each.offset - 1 for each in offsets]  # where the next one would be

    def subscribe(self, topics: object) -> None:
        """All of it is there already."""

    def close(self) -> None:
        """Nothing to close."""


class Mouth:
    """A way that fails so often, and keeps what went out."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.said = failures, 0

    def __call__(self, alert: Alert) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("away")
        self.said += 1


def reading(kafka: Kafka, mouth: Mouth, pause: float = 0) -> AlertReader:
    return AlertReader(Way("test", mouth), cast(Consumer, kafka), lambda attempt: pause)


def test_an_alert_that_went_out_is_marked_as_read() -> None:
    kafka, mouth = Kafka(Message(0), Message(1)), Mouth()
    reader = reading(kafka, mouth)

    reader.turn()
    reader.turn()

    assert (mouth.said, kafka.committed) == (2, [0, 1])


def test_a_way_that_fails_is_tried_again_and_kafka_polled_meanwhile() -> None:
    kafka, mouth = Kafka(), Mouth(failures=3)

    reading(kafka, mouth, pause=0.15).turn()

    assert (mouth.said, kafka.committed) == (1, [0])
    assert kafka.polls >= 4
    assert not kafka.paused


def test_an_alert_is_given_up_after_all_attempts_and_the_next_goes_out() -> None:
    kafka, mouth = Kafka(Message(0), Message(1)), Mouth(failures=ATTEMPTS)
    reader = reading(kafka, mouth)

    reader.turn()
    assert (mouth.said, kafka.committed) == (0, [0])
    reader.turn()

    assert (mouth.said, kafka.committed) == (1, [0, 1])


def test_who_is_stopped_before_an_alert_went_out_leaves_it_to_be_read_again() -> None:
    kafka, mouth = Kafka(), Mouth(failures=ATTEMPTS)
    reader = reading(kafka, mouth)
    reader.pause = lambda attempt: reader.stop() or 0  # type: ignore[func-returns-value]

    reader.turn()

    assert (mouth.failures, kafka.committed) == (ATTEMPTS - 1, [])


def test_where_kafka_does_not_take_the_mark_the_next_alert_goes_out() -> None:
    kafka, mouth = Kafka(Message(0), Message(1), moved=True), Mouth()
    reader = reading(kafka, mouth)

    with capture_logs() as logged:
        reader.turn()
        reader.turn()

    assert mouth.said == 2
    assert [each["event"] for each in logged] == ["alert_not_marked"] * 2


@pytest.mark.parametrize(
    "message",
    [
        Message(7, type=b"Nonsense"),
        Message(7, saga_id=b"?"),
        Message(7, RecordHappened(evidence="")),
    ],
    ids=["unknown", "unreadable", "no event"],
)
def test_what_is_no_alert_is_told_and_passed_over(message: Message) -> None:
    kafka, mouth = Kafka(message), Mouth()

    with capture_logs() as logged:
        reading(kafka, mouth).turn()

    assert (mouth.said, kafka.committed) == (0, [7])
    assert [each["event"] for each in logged] == ["alert_unreadable"]


def test_an_event_that_nobody_expects_goes_out_in_its_own_words() -> None:
    with capture_logs() as logged:
        AlertReader(LOG, cast(Consumer, Kafka(Message(0, HAPPENED)))).turn()

    assert [(each["event"], each["subject"]) for each in logged] == [
        ("alert", "[sagaplatform] Happened")
    ]


def test_when_one_reader_ends_with_an_error_all_end_and_it_is_told() -> None:
    readers = [reading(Kafka(), Mouth()) for _ in range(2)]
    readers[1].turn = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]

    with pytest.raises(ZeroDivisionError):
        run_together(readers)

    assert readers[0].stopping


class Saying:
    """A consumer, and its message, by which Kafka says that something is wrong."""

    def __init__(self, code: int) -> None:
        self.wrong = KafkaError(code)

    def poll(self, seconds: float) -> Self:
        return self

    def error(self) -> KafkaError:
        return self.wrong


def test_what_kafka_says_is_logged() -> None:
    with capture_logs() as logged:
        AlertReader(LOG, cast(Consumer, Saying(KafkaError._ALL_BROKERS_DOWN))).turn()

    assert [(each["event"], each["context"]) for each in logged] == [("kafka_says", "alerts-log")]
    assert "ALL_BROKERS_DOWN" in logged[0]["error"]


def test_a_topic_that_is_not_there_is_an_error_and_no_silence() -> None:
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        AlertReader(LOG, cast(Consumer, Saying(KafkaError.UNKNOWN_TOPIC_OR_PART))).turn()


# --- on a real Kafka


def tell_of(*saga_ids: UUID) -> None:
    """Open a case of each, as the engine does."""
    database = Database("sagas")
    with database.transaction():
        for saga_id in saga_ids:
            of = ("stuck", "sagas", saga_id, "authorize_payment", "undo", "The card is closed")
            publish(database, [alert(uuid7(), NewCase(*of, PLAIN.to_header(), ""))])
    relay("sagas").producer.flush(10)


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_way_that_is_away_holds_up_no_other_and_catches_up(
    databases: dict[str, psycopg.Connection], topics: None, hook: type[Hook], settings: Any
) -> None:
    """Longer than a group waits for who does not poll."""
    sagas = [str(uuid7()) for _ in range(2)]
    sky, landed = Sky(), list[str]()

    def by_pigeon(alert: Alert) -> None:
        if not sky.clear:
            raise OSError("away")
        landed.append(alert.facts["saga_id"])

    readers = [
        AlertReader(Way(name, send), of_group(name, settings.KAFKA), lambda attempt: 1.0)
        for name, send in (("pigeon", by_pigeon), ("hook", by_webhook))
    ]
    tell_of(*map(UUID, sagas))
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run_together, readers)
        try:
            wait_until(lambda: {each["saga_id"] for each in hook.posted} >= {*sagas})
            time.sleep(8)
            sky.clear = True
            wait_until(lambda: {*landed} >= {*sagas})
            time.sleep(1)
        finally:
            readers[0].stop()
    running.result()

    assert sorted(each for each in landed if each in sagas) == sagas
    assert sorted(e["saga_id"] for e in hook.posted if e["saga_id"] in sagas) == sagas


class Sky:
    """Where pigeons fly, if it is clear."""

    clear = False


def of_group(name: str, kafka: dict[str, Any]) -> Consumer:
    """In a group of its own, which throws out who does not poll for six seconds."""
    group = {"group.id": f"{name}-{uuid7()}", "max.poll.interval.ms": 6000}
    return Consumer({**kafka, **CONSUMER, **group})


def test_the_command_sends_by_all_ways_that_are_set(
    databases: dict[str, psycopg.Connection], topics: None, hook: type[Hook], settings: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    saga_id, log = str(uuid7()), tmp_path / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_alerts"], cwd=ROOT, stderr=written,
            env={**os.environ, "ALERT_WEBHOOK_URL": settings.ALERT_WEBHOOK_URL},
        )  # fmt: skip
    try:
        tell_of(UUID(saga_id))
        wait_until(lambda: saga_id in {each["saga_id"] for each in hook.posted})
        wait_until(lambda: saga_id in log.read_text())
    finally:
        process.terminate()
    assert process.wait(60) == 0, log.read_text()

    behind = {each.group for each in consumer_lag(OTHERS["sagas"])}
    assert behind >= {group_name("alerts-log"), group_name("alerts-webhook")}
    assert group_name("alerts-mail") not in behind
