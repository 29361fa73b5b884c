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

from apps.messaging.waking import wake
from apps.payments import gateways
from tests.payments.test_cards import Till
from tests.standin import VARIABLE, StandInGateway

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 60
WORKER = ("manage.py", "run_worker")


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
