"""Wake-ups as their sender sees them: sent by name, at once, and never in the sender's way."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Message
from kombu import Connection

from apps.messaging import waking
from apps.messaging.topics import WAKE_UPS
from apps.messaging.waking import Waker, wake
from sagaplatform.celery import app
from tests.kafka import Tap
from tests.servers import frozen

PATIENCE_SECONDS = 60
FORKING = """
import django, os, time
django.setup()
from apps.messaging.waking import wake
wake("pricing")
input()
wake("inventory" if os.fork() else "shipping")
time.sleep(60)
"""


@pytest.fixture
def tap(topics: None) -> Iterator[Tap]:
    with Tap(WAKE_UPS) as opened:
        yield opened


@pytest.fixture
def waker(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's thread is a new one."""
    monkeypatch.setattr(waking, "_process", None)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is told of wake-ups that were not sent."""
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(waking.log, "warning", lambda event, **facts: lines.append(facts))
    return lines


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def contexts_of(messages: list[Message]) -> list[str]:
    """Which contexts the wake-ups are about."""
    return sorted(headers_of(each)["argsrepr"].strip("[]'") for each in messages)


def headers_of(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.value() or b"")["headers"]
    return found


def test_a_wake_up_names_its_task_and_context_and_is_worthless_after_ten_seconds(
    tap: Tap, waker: None
) -> None:
    wake("inventory")
    tap.wait_until(lambda: len(tap.messages) == 1)
    headers = headers_of(tap.messages[0])
    assert (headers["task"], headers["argsrepr"]) == ("messaging.work_intents", "['inventory']")
    assert headers["expires"] is not None
    assert headers["eta"] is None


def test_wake_ups_that_come_while_one_is_sent_become_one_more_of_each_context(
    monkeypatch: pytest.MonkeyPatch, waker: None
) -> None:
    sent: list[str] = []
    first, go_on = threading.Event(), threading.Event()

    def send(self: Waker, task: str, context: str) -> None:
        sent.append(context)
        first.set()
        assert go_on.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(Waker, "_send", send)
    wake("payments")
    assert first.wait(PATIENCE_SECONDS)
    for _ in range(50):
        wake("payments")
        wake("shipping")
    go_on.set()
    wait_until(lambda: len(sent) == 3)
    wake("payments")
    wait_until(lambda: len(sent) == 4)
    assert sent == ["payments", "payments", "shipping", "payments"]


def test_a_broker_that_is_away_is_told_once_and_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, waker: None, told: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(waking, "TELL_EVERY_SECONDS", PATIENCE_SECONDS)
    tries: list[str] = []
    nowhere = Connection(
        "confluentkafka://127.0.0.1:1", transport_options={"wait_time_seconds": 0.1}
    )

    def connection(**_: object) -> Connection:
        return nowhere

    send = Waker._send
    monkeypatch.setattr(app, "connection_for_write", connection)
    monkeypatch.setattr(Waker, "_send", lambda s, t, c: (tries.append(c), send(s, t, c)))
    for number in range(1, 4):
        wake("inventory")
        wait_until(lambda count=number: len(tries) == count)
    wake("pricing")  # so that the third is settled
    wait_until(lambda: len(tries) == 4)
    assert [line["wake_ups"] for line in told] == [1]


def test_a_broker_that_stops_answering_is_told_and_the_next_wake_up_is_sent(
    tap: Tap, waker: None, told: list[dict[str, Any]]
) -> None:
    wake("inventory")
    tap.wait_until(lambda: len(tap.messages) == 1)
    with frozen("kafka"):
        wake("inventory")
        wait_until(lambda: told)
    wake("pricing")
    tap.wait_until(lambda: "pricing" in contexts_of(tap.messages))
    assert "_MSG_TIMED_OUT" in told[0]["error"]


def test_a_process_that_forks_has_two_wakers(tap: Tap) -> None:
    """As web servers do that load the application first."""
    script = [sys.executable, "-c", FORKING]
    with subprocess.Popen(
        script, stdin=subprocess.PIPE, text=True, process_group=0, env={**os.environ}
    ) as process:
        tap.wait_until(lambda: contexts_of(tap.messages) == ["pricing"])
        assert process.stdin
        process.stdin.write("go on\n")
        process.stdin.flush()
        tap.wait_until(lambda: len(tap.messages) == 3)
        os.killpg(process.pid, 9)
    assert contexts_of(tap.messages) == ["inventory", "pricing", "shipping"]
