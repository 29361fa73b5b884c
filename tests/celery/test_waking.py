"""Celery wakes workers: real worker processes, the real Kafka, and everything that may go wrong."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery import current_app
from confluent_kafka import TopicPartition
from django_celery_beat.models import PeriodicTask

from apps.contracts.catalogue import WAKE_UPS
from apps.messaging import waking
from apps.messaging.kafka import admin_client, topic_name
from apps.messaging.waking import Waker, wake
from apps.payments import gateways
from sagaplatform.celery import create_missing_schedules
from tests.payments.test_cards import Till
from tests.standin import VARIABLE, StandInGateway

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 60
WORKER = (
    "-m", "celery", "--app", "sagaplatform.celery", "worker", "--loglevel", "INFO",
    "--without-gossip", "--without-mingle", "--without-heartbeat",
)  # fmt: skip
BEAT = ("-m", "celery", "--app", "sagaplatform.celery", "beat", "--loglevel", "WARNING")


class Hands:
    """Celery's processes, started and killed at a test's wish."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        gateway = {VARIABLE: str(folder / "gateway.db")}
        self.environ = {**os.environ, **gateway, "CARD_GATEWAY": "tests.standin.StandInGateway"}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "celery.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(PATIENCE_SECONDS / 3)
            except subprocess.TimeoutExpired:  # one of its threads may be in a slow call
                process.kill()
                process.wait()

    def wait_until(self, condition: Callable[[], bool], what: str, again: Any = None) -> None:
        """`again` is done every second, as beat would."""
        until, next_time = time.monotonic() + PATIENCE_SECONDS, 0.0
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"{what}\n{(self.folder / 'celery.log').read_text()[-3000:]}")
            if again and time.monotonic() > next_time:
                again()
                next_time = time.monotonic() + 1
            time.sleep(0.02)


@pytest.fixture(scope="module")
def hands(topics: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hands]:
    hands = Hands(tmp_path_factory.mktemp("celery"))
    hands.start(*WORKER)
    yield hands
    hands.stop()


@pytest.fixture
def till(
    databases: dict[str, psycopg.Connection],
    hands: Hands,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    quiet: None,
) -> Till:
    monkeypatch.setenv(VARIABLE, hands.environ[VARIABLE])
    settings.CARD_GATEWAY = "tests.standin.StandInGateway"
    gateways.gateway.cache_clear()
    return Till(databases["payments"], StandInGateway().begin_anew())


def answered(till: Till) -> bool:
    return till.log() == ("done", 1)


def sweep() -> None:
    """What beat sends every two seconds."""
    wake("payments")


def test_what_is_due_is_carried_out_by_a_worker_in_another_process(
    till: Till, hands: Hands
) -> None:
    till.authorize()

    hands.wait_until(lambda: answered(till), "the card was not charged", again=sweep)

    assert till.payment() == ("authorized", 0, 0)


def test_a_commit_wakes_a_worker_without_any_sweep(till: Till, hands: Hands) -> None:
    till.authorize()

    hands.wait_until(lambda: answered(till), "the commit woke nobody")


def test_a_worker_that_is_killed_costs_the_others_nothing(till: Till, hands: Hands) -> None:
    """Its partitions come back after the session's time; its call when its lease has run out."""
    first = hands.processes[0]
    hands.start(*WORKER)
    till.gateway.will("authorize", "slow:60")
    till.authorize()
    hands.wait_until(
        lambda: till.intents()[0][1] == "claimed", "nobody claimed the call", again=sweep
    )
    first.kill()
    first.wait()
    hands.processes.remove(first)
    till.time_passes()

    def one_may_be_stuck_in_the_slow_call() -> None:
        till.time_passes()
        sweep()

    hands.wait_until(
        lambda: answered(till), "nobody took over", again=one_may_be_stuck_in_the_slow_call
    )
    assert till.gateway.effects("authorize") == 1
    assert len(till.gateway.keys("authorize")) == 1


def test_wake_ups_that_are_lost_cost_a_sweep(till: Till, hands: Hands) -> None:
    client, name = admin_client(), topic_name(WAKE_UPS)
    till.authorize()
    partitions = client.list_topics(timeout=10).topics[name].partitions
    emptied = client.delete_records([TopicPartition(name, each, -1) for each in partitions])
    for future in emptied.values():
        future.result(10)

    hands.wait_until(lambda: answered(till), "no sweep came by", again=sweep)


def test_two_beats_send_twice_and_nothing_is_done_twice(
    till: Till, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking.Waker, "wake", lambda self, context: None)  # beats only
    create_missing_schedules()
    beats = [hands.start(*BEAT, "--schedule", "unused") for _ in range(2)]
    till.authorize()

    hands.wait_until(lambda: answered(till), "no beat swept")

    assert till.gateway.calls("authorize") == 1
    for beat in beats:
        beat.send_signal(signal.SIGTERM)
        beat.wait(PATIENCE_SECONDS)
        hands.processes.remove(beat)


# --- the schedule and the waker


def test_what_people_change_of_a_sweep_stays(databases: dict[str, psycopg.Connection]) -> None:
    create_missing_schedules()
    [sweep] = PeriodicTask.objects.all()
    assert (sweep.task, sweep.args) == ("messaging.work_intents", '["payments"]')
    PeriodicTask.objects.update(enabled=False)

    create_missing_schedules()

    assert [each.enabled for each in PeriodicTask.objects.all()] == [False]


def test_a_broker_that_is_away_fails_nobody_and_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def away(name: str, args: list[str], **options: Any) -> None:
        tried.append(args[0])
        raise ConnectionError("no broker")

    monkeypatch.setattr(current_app, "send_task", away)
    told: list[str] = []
    monkeypatch.setattr(waking.log, "warning", lambda event, **facts: told.append(event))
    waker = Waker()

    for _ in range(3):
        waker._send("payments")

    assert tried == ["payments"] * 3
    assert told == ["worker_not_woken"]


def test_wakes_that_come_while_one_is_being_sent_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    waker = Waker()
    sent: list[str] = []

    def slow(context: str) -> None:
        sent.append(context)
        if len(sent) == 1:
            for _ in range(100):
                waker.wake("payments")

    monkeypatch.setattr(waker, "_send", slow)
    waker.start()
    waker.wake("payments")
    until = time.monotonic() + PATIENCE_SECONDS
    while len(sent) < 2 and time.monotonic() < until:
        time.sleep(0.01)

    assert sent == ["payments", "payments"]
