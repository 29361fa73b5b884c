"""Stacks of their own: each in a fresh home, on ports of its own, with a stand-in for the platform.

Nothing here touches the checkout's .local, and a stack that a test leaves behind is stopped.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagaplatform.stack import postgres, procfs
from sagaplatform.stack.layout import Layout, checkout
from sagaplatform.stack.ports import PORTS, first_free

PROJECT = Path(__file__).parent / "project"
FOREIGN = (
    "DATABASE_",
    "KAFKA_",
    "SECRET_KEY",
    "DEBUG",
    "WEB_PORT",
    "POSTGRES_PORT",
    "PG_BIN",
    "BROKERS",
)
PATIENCE = 90.0


def until(true: Callable[[], object], what: str) -> None:
    """Wait for a condition; the time limit only bounds a failure."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.1)


def clean_environ(**more: str) -> dict[str, str]:
    """Our environment less what a stack that runs this test has put there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def own_ports() -> dict[str, str]:
    """Free ports far from those of a stack that people use."""
    chosen: dict[str, str] = {}
    for port in PORTS.values():
        free = first_free(random.randint(20_000, 30_000), map(int, chosen.values()))
        chosen[port.variable] = str(free)
    return chosen


class Trial:
    """A home, and the commands called on it as a user would."""

    def __init__(self, home: Path, project: Path = PROJECT, **environ: str) -> None:
        self.layout = Layout(root=project, home=home)
        self.ports = own_ports()
        self.environ = clean_environ(**self.ports, **environ)
        self._foregrounds: list[Foreground] = []

    def words(self, *arguments: str) -> list[str]:
        places = ["--home", str(self.layout.home), "--project", str(self.layout.root)]
        return [sys.executable, "-m", "sagaplatform.stack", *places, *arguments]

    def call(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; both outputs together."""
        return subprocess.run(
            self.words(*arguments),
            cwd=checkout(),
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )

    def succeeds(self, *arguments: str) -> None:
        """Run a command to its end, which is a good one; else all that is known about it shows."""
        ended = self.call(*arguments)
        bug = self.layout.log("stack-error")
        known = bug.read_text() if bug.exists() else ""
        assert ended.returncode == 0, f"{ended.stdout}\n{known}"

    def start(self, *arguments: str) -> "Foreground":
        self._foregrounds.append(Foreground(self, *arguments))
        return self._foregrounds[-1]

    def processes(self) -> list[int]:
        return procfs.marked(self.layout.home)

    def pid_of(self, name: str) -> int:
        """The process that supervisord runs under that name."""
        rows = (line.split() for line in self.call("status").stdout.splitlines())
        return next((int(row[2]) for row in rows if row[0] == name and row[2] != "-"), 0)

    def clear(self) -> None:
        for foreground in self._foregrounds:
            foreground.process.terminate()
            foreground.ends()
        if self.processes():
            self.call("down")
        for folder in {self.layout.home, *postgres.data_folders(self.layout)}:
            shutil.rmtree(folder, ignore_errors=True)


class Foreground:
    """A command that stays, whose output grows."""

    def __init__(self, trial: Trial, *arguments: str) -> None:
        self._lines: list[str] = []
        self.process = subprocess.Popen(
            trial.words(*arguments),
            cwd=checkout(),
            env=trial.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def says(self, text: str) -> None:
        """Wait until it has said that."""
        until(lambda: text in self.output or self.process.poll() is not None, text)
        assert text in self.output, self.output

    def ends(self, number: int | None = None) -> int:
        """Wait for its end, after sending a signal if one is given. Returns the exit status."""
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join()
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            self._lines.extend(stream)


@pytest.fixture
def new_trial() -> Iterator[Callable[..., Trial]]:
    """Makes trials, and clears them away."""
    made: list[Trial] = []

    def make(*, home: Path | None = None, project: Path = PROJECT, **environ: str) -> Trial:
        made.append(Trial(home or new_home(), project, **environ))
        return made[-1]

    yield make
    for trial in made:
        trial.clear()


def new_home() -> Path:
    """An empty folder that PostgreSQL's account can enter (pytest's own ones are closed to it)."""
    home = Path(tempfile.mkdtemp(prefix="stack-test-", dir="/var/tmp"))
    home.chmod(0o755)
    return home
