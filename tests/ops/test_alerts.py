"""Alerts go from the topic to people, by mail and by webhook."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self, cast

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from django.core import mail
from msgspec.structs import replace
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.contracts.sagas import CaseOpened, CompensationHeld
from apps.messaging.kafka import new_consumer, topic_name
from apps.messaging.outbox import publish
from apps.messaging.relay import relay
from apps.messaging.request import Request
from apps.ops.alerts import ATTEMPTS, Alert, AlertReader, alert_of, by_mail, by_webhook, ways
from apps.sagas.desk import NewCase, alert
from tests.sagas.scenarios import PLAIN

OPENED = CaseOpened(
    case_id=uuid7(), kind="stuck", context="sagas", step="authorize_payment",
    reason="The card is closed",
)  # fmt: skip

UNDO = Request(uuid7(), "authorize_payment", Action.UNDO, 1, Mode.ORCHESTRATED)


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; answers 500 as often as it is told."""

    posted: list[dict[str, Any]] = []
    failures = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if Hook.failures:
            Hook.failures -= 1
            self.send_response(500)
        else:
            Hook.posted.append(body)
            self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hook(settings: Any) -> Iterator[type[Hook]]:
    Hook.posted, Hook.failures = [], 0
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{server.server_address[1]}/"
    yield Hook
    server.shutdown()
    server.server_close()
    thread.join()


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


def test_a_way_that_fails_is_tried_again(hook: type[Hook]) -> None:
    hook.failures = 3
    slept: list[float] = []

    AlertReader(ways(), slept.append).send(alert_of(OPENED, UNDO))

    assert len(hook.posted) == 1
    assert len(slept) == 3


def test_a_way_that_fails_for_good_holds_up_no_other() -> None:
    tried: list[str] = []

    def broken(alert: Alert) -> None:
        tried.append("broken")
        raise OSError("away")

    def sound(alert: Alert) -> None:
        tried.append("sound")

    AlertReader([broken, sound], lambda seconds: None).send(alert_of(OPENED, UNDO))

    assert tried == ["broken"] * ATTEMPTS + ["sound"]


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
        AlertReader([]).turn(cast(Consumer, Saying(KafkaError._ALL_BROKERS_DOWN)))

    assert [(each["event"], each["context"]) for each in logged] == [("kafka_says", "alerts")]
    assert "ALL_BROKERS_DOWN" in logged[0]["error"]


def test_a_topic_that_is_not_there_is_an_error_and_no_silence() -> None:
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        AlertReader([]).turn(cast(Consumer, Saying(KafkaError.UNKNOWN_TOPIC_OR_PART)))


def test_from_the_outbox_of_the_engine_to_the_hook(
    databases: dict[str, psycopg.Connection], topics: None, hook: type[Hook]
) -> None:
    from apps.messaging.database import Database

    reader, consumer = AlertReader(), new_consumer("alerts")
    consumer.subscribe([topic_name("saga-alerts")])
    saga_id = uuid7()
    of = ("stuck", "sagas", saga_id, "authorize_payment", "undo", "The card is closed")
    database = Database("sagas")
    with database.transaction():
        publish(database, [alert(uuid7(), NewCase(*of, PLAIN.to_header(), ""))])
    relay("sagas").producer.flush(10)
    for _ in range(60):
        reader.turn(consumer)
        if any(each["saga_id"] == str(saga_id) for each in hook.posted):
            break
    consumer.close()

    assert [each["saga_id"] for each in hook.posted][-1] == str(saga_id)
