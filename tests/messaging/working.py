"""Processes of Celery, started by a test on the test databases and topics."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from apps.messaging.waking import wake

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 60
WORKER = (sys.executable, "-m", "tests.messaging.worker")
BEAT = (sys.executable, "manage.py", "run_beat")
WAKERS = "SELECT step FROM {context}_barriernote WHERE decision = 'woken'"

Process = subprocess.Popen[bytes]


class Works:
    """Workers that leave notes, and beats; what a test leaves running is stopped."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.owners: dict[str, psycopg.Connection] = {}  # of the databases, set by each test
        self.processes: list[Process] = []
        self.environ = dict(os.environ)

    def start(self, words: tuple[str, ...]) -> Process:
        with (self.logs / "celery.log").open("ab") as log:
            process = subprocess.Popen(
                words, cwd=ROOT, stdout=log, stderr=log, env={**self.environ, "LOG_FORMAT": "text"}
            )
        self.processes.append(process)
        return process

    def notes(self, context: str = "inventory") -> list[int]:
        """Who was woken for the context, once for each time."""
        statement = WAKERS.replace("{context}", context)
        return [int(pid) for [pid] in self.owners[context].execute(statement)]

    def forget(self) -> None:
        """Remove the notes on inventory."""
        self.owners["inventory"].execute("TRUNCATE inventory_barriernote")

    def wake_until(self, condition: Callable[[], object], context: str = "inventory") -> None:
        """Wake again and again, as beat does, until something holds."""

        def woken() -> bool:
            wake(context)
            return bool(condition())

        self.wait_until(woken, pause=0.1)

    def wait_until(self, condition: Callable[[], object], pause: float = 0.02) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            dead = [each.pid for each in self.processes if each.poll() is not None]
            assert not dead, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(pause)

    def end(self, process: Process, number: int = signal.SIGTERM) -> int:
        """End a process; its exit status."""
        self.processes.remove(process)
        process.send_signal(number)
        return process.wait(PATIENCE_SECONDS)

    def log(self) -> str:
        return (self.logs / "celery.log").read_text()[-5000:]

    def stop(self) -> None:
        for process in list(self.processes):
            self.end(process, signal.SIGKILL)


def do_nothing() -> None:
    """A job for tests."""
