"""Progress of a replay: a bar on a terminal, now and then a line elsewhere."""

import threading
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

LINE_EVERY = 5.0  # seconds


class Progress(Protocol):
    """What a replay tells; any thread may."""

    def placed(self) -> None: ...
    def ended(self) -> None: ...


class TerminalProgress:
    """Two bars: orders accepted, orders ended."""

    def __init__(self, console: Console, total: int) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._placed = self._bars.add_task("orders placed", total=total)
        self._ended = self._bars.add_task("orders ended ", total=total)

    def placed(self) -> None:
        self._bars.advance(self._placed)

    def ended(self) -> None:
        self._bars.advance(self._ended)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()


class LineProgress:
    """A line every few seconds, and one at the end."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._counts = {"placed": 0, "ended": 0}
        self._lock = threading.Lock()
        self._said_at = time.monotonic()

    def placed(self) -> None:
        self._add("placed")

    def ended(self) -> None:
        self._add("ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._say()

    def _add(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1
            if time.monotonic() - self._said_at >= LINE_EVERY:
                self._say()

    def _say(self) -> None:
        self._said_at = time.monotonic()
        placed, ended = self._counts["placed"], self._counts["ended"]
        self._console.print(f"{placed} of {self._total} orders placed, {ended} ended")


def progress_on(console: Console, total: int) -> TerminalProgress | LineProgress:
    """What suits the console."""
    return (TerminalProgress if console.is_terminal else LineProgress)(console, total)
