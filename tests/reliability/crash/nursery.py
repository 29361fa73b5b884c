"""Where the platform's processes come from: copies of one that has loaded everything already.

A start costs a second of imports, and every case needs two. This process has done the imports, and
nothing else: it has no thread, no connection and no client of Kafka. It reads a line for each
process that is wanted, forks, and the copy runs the very command that it is told, with the
environment that it is told. What dies is a process of its own, with a pid of its own.
"""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.running import ROOT

LOADED = (
    "apps.messaging.management.commands.run_consumer",
    "apps.messaging.management.commands.run_watchdog",
    "apps.messaging.calls",
    "tests.standin",
    "tests.reliability.crash.scenarios",
)


class Nursery:
    """The process that copies itself, as those see it who want copies."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.crash.nursery"],
            cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def start(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        """Run `python` with these words and what is added to the environment; the pid."""
        return int(self._ask(words=words, environment=dict(environment), log=str(log)))

    def status(self, pid: int, *, wait: bool = False) -> int | None:
        """How a process ended, as subprocess says it; None while it runs. Asked once at its end."""
        return self._ask(pid=pid, wait=wait)

    def close(self) -> None:
        """No more copies. Those that run still are killed."""
        self.process.communicate()

    def _ask(self, **wanted: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def main() -> None:
    """Serve requests until there are no more."""
    import django

    django.setup()
    for each in LOADED:
        import_module(each)
    children: set[int] = set()
    for line in sys.stdin:
        asked = json.loads(line)
        if "pid" in asked:
            answer = status_of(asked["pid"], wait=asked["wait"])
            children -= {asked["pid"]} if answer is not None else set()
        else:
            answer = fork(**asked)
            children.add(answer)
        print(json.dumps(answer), flush=True)  # noqa: T201  this is how it answers
    for pid in children:
        os.kill(pid, 9)


def status_of(pid: int, *, wait: bool) -> int | None:
    found, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def fork(words: list[str], environment: dict[str, str], log: str) -> int:
    """A copy that becomes the program; its pid."""
    if pid := os.fork():
        return pid
    os.environ.update(environment)
    redirect(log)
    be(words)
    sys.stdout.flush()
    os._exit(0)


def redirect(log: str) -> None:
    """Read nothing, write into a log."""
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(written, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def be(words: list[str]) -> None:
    """What `python WORD …` does: a file, or `-m` and a module."""
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
