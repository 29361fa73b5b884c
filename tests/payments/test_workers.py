"""Card payments are made by workers that Celery wakes: real processes, the real Kafka."""

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
from uuid_utils.compat import uuid7

from apps.messaging.topics import WAKE_UPS
from apps.messaging.waking import wake
from apps.payments import gateways
from tests.kafka import empty
from tests.payments.test_cards import Till
from tests.standin import VARIABLE, StandInGateway

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 60
WORKER = ("manage.py", "run_worker")
AT_ONCE = 3  # calls of a worker


class Hands:
    """Celery's processes, started and killed at a test's wish."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        gateway = {VARIABLE: str(folder / "gateway.db")}
        gateway |= {"CARD_GATEWAY": "tests.standin.StandInGateway"}
        self.environ = {**os.environ, **gateway, "STRIPE_CONCURRENCY": str(AT_ONCE)}

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
    """Its partitions come back after the session's time; its calls when their leases have run out,
    and each has its effect once."""
    till.gateway.will("authorize", *["slow:60"] * AT_ONCE)
    for _ in range(AT_ONCE):
        till.saga_id = uuid7()
        till.authorize()
    hands.wait_until(
        lambda: till.gateway.calls("authorize") == AT_ONCE, "no calls were begun", again=sweep
    )
    assert [status for _, status, _ in till.intents()] == ["claimed"] * AT_ONCE
    [first] = hands.processes
    first.kill()
    first.wait()
    hands.processes.remove(first)
    hands.start(*WORKER)
    till.time_passes()

    hands.wait_until(lambda: all_settled(till), "nobody took over", again=sweep)
    assert till.gateway.effects("authorize") == len(till.gateway.keys("authorize")) == AT_ONCE
    assert till.gateway.calls("authorize") == 2 * AT_ONCE


def test_wake_ups_that_are_lost_with_the_broker_s_topic_cost_no_call(
    till: Till, hands: Hands
) -> None:
    [worker] = hands.processes
    worker.send_signal(signal.SIGSTOP)
    till.authorize()  # its wake-up is sent, and lost
    empty(WAKE_UPS)
    worker.send_signal(signal.SIGCONT)

    hands.wait_until(lambda: answered(till), "the sweep found nothing", again=sweep)


def test_a_worker_that_is_asked_to_stop_finishes_its_calls_and_begins_none(
    till: Till, hands: Hands
) -> None:
    [worker] = hands.processes
    till.gateway.will("authorize", *["slow:6"] * AT_ONCE)
    for _ in range(AT_ONCE + 2):
        till.saga_id = uuid7()
        till.authorize()
    hands.wait_until(
        lambda: till.gateway.calls("authorize") == AT_ONCE, "no calls were begun", again=sweep
    )

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(PATIENCE_SECONDS) == 0
    hands.processes.remove(worker)
    states = sorted(status for _, status, _ in till.intents())
    assert states == ["due", "due", *["settled"] * AT_ONCE]
    assert till.gateway.calls("authorize") == till.gateway.effects("authorize") == AT_ONCE


def all_settled(till: Till) -> bool:
    return {status for _, status, _ in till.intents()} == {"settled"}
