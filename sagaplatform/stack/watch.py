"""Deaths and restarts in plain words, from what supervisord writes into its log."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sagaplatform.stack.environment import CONTEXTS
from sagaplatform.stack.layout import Layout

DIED = re.compile(r"exited: (?P<name>\S+) \((?P<how>.*); not expected\)")
FINISHED = re.compile(r"exited: (?P<name>\S+) \((?P<how>.*); expected\)")
STARTED = re.compile(r"spawned: '(?P<name>.*)' with pid (?P<pid>\d+)")
GAVE_UP = re.compile(r"gave up: (?P<name>\S+) entered FATAL state")
NO_START = re.compile(r"spawnerr: (?P<why>.*)")
TITLES = {
    "postgres": "PostgreSQL",
    "kafka": "Kafka",
    "kafka-2": "Kafka's broker 2",
    "kafka-3": "Kafka's broker 3",
    "web": "the web process",
    "worker": "the worker",
    "beat": "the beat",
    "watchdog": "the watchdog",
    "alerts": "the alerts",
    "gateway": "the stand-in for Stripe",
    "carrier": "the stand-in for a carrier",
    "mail": "the mail catcher",
}


def title(name: str) -> str:
    """How people call the process."""
    return TITLES.get(name) or (f"the consumer of {name}" if name in CONTEXTS else name)


class Watcher:
    """Turns new lines of supervisord's log into sentences. Call `news` now and then."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._log = layout.log("supervisord")
        self._position = self._log.stat().st_size if self._log.exists() else 0
        self._down: set[str] = set()
        self.deaths: Counter[str] = Counter()

    def news(self) -> Iterator[str]:
        for line in self._new_lines():
            if sentence := self._describe(line):
                yield sentence

    def _new_lines(self) -> list[str]:
        if not self._log.exists():
            return []
        with self._log.open("rb") as file:
            file.seek(self._position)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]  # a line that is being written comes next time
        self._position += len(whole)
        return whole.decode(errors="replace").splitlines()

    def _describe(self, line: str) -> str | None:
        if match := DIED.search(line) or FINISHED.search(line):
            return self._died(match["name"], match["how"])
        if match := STARTED.search(line):
            return self._started(match["name"], match["pid"])
        if match := GAVE_UP.search(line):
            return self._gave_up(match["name"])
        if match := NO_START.search(line):
            return f"Not started: {match['why']}"
        return None

    def _died(self, name: str, how: str) -> str:
        self._down.add(name)
        self.deaths[name] += 1
        return f"{_capital(title(name))} died ({how}). Its log: {self._shown(name)}"

    def _started(self, name: str, pid: str) -> str | None:
        if name not in self._down:
            return None
        self._down.discard(name)
        return f"{_capital(title(name))} was started again (process {pid})."

    def _gave_up(self, name: str) -> str:
        return (
            f"{_capital(title(name))} keeps dying and is not started any more. See the end of "
            f"{self._shown(name)}, mend the cause, then stop with Ctrl-C and run `make up` again."
        )

    def _shown(self, name: str) -> Path:
        path = self._layout.log(name)
        return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
