"""Load: so many sagas in flight, or as many as can be started; and when each of them ends."""

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from benchmarks.cluster import END, reader_from_end
from benchmarks.errors import SagasStandStill

OPEN = "open"  # throttle: no limit to what is in flight
PLACERS = 8  # threads that start sagas; more would only wait for each other
GENERATORS = 3  # processes that start sagas as fast as they can
PATIENCE_SECONDS = 60.0


class Door(Protocol):
    """Where sagas are started; used by several threads."""

    def place(self, ticket: str) -> None:
        """Start a saga, whose messages all carry the ticket as their trace."""

    def leave(self) -> None:
        """The calling thread starts no more: its connection is closed."""

    def close(self) -> None:
        """Wait until what was started is sent."""


def new_ticket() -> str:
    """A trace of its own for each saga (W3C Trace Context)."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


class Ends(threading.Thread):
    """Hears sagas come to their end, from when it is made."""

    def __init__(self, topic: str, told: Callable[[], object] = lambda: None) -> None:
        super().__init__(name="ends", daemon=True)
        self.at: dict[str, float] = {}  # by ticket; on the machine's monotonic clock, in seconds
        self._consumer = reader_from_end([topic])
        self._told = told
        self._stopping = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error():
                continue
            headers = dict(message.headers() or ())
            if headers["type"] == END:
                self.at.setdefault(str(headers["traceparent"], "ascii"), time.monotonic())  # type: ignore[arg-type]
                self._told()

    def wait_for(
        self, sagas: int, logs: Path, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Until so many have ended. Raises SagasStandStill where no more of them do, and what
        `meanwhile` raises."""
        ended, since = len(self.at), time.monotonic()
        while ended < sagas:
            time.sleep(0.005)
            meanwhile()
            if len(self.at) > ended:
                ended, since = len(self.at), time.monotonic()
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise SagasStandStill(ended, sagas, logs)

    def stop(self) -> None:
        self._stopping.set()
        self.join()
        self._consumer.close()


class Flow:
    """When each saga started and ended, by ticket."""

    def __init__(self, starts: Mapping[str, float], ends: Mapping[str, float]) -> None:
        self.latencies = [ends[ticket] - start for ticket, start in starts.items()]
        self.seconds = max(ends[ticket] for ticket in starts) - min(starts.values())


class Load(Protocol):
    """Sagas that are ready to be started, once."""

    cpu_seconds: float  # that processes of its own used; known at the end

    def run(self) -> Flow:
        """Start them all, and wait until all have ended."""


class ClosedLoop:
    """So many sagas in flight until all are started; the last ones run out alone."""

    cpu_seconds = 0.0

    def __init__(self, door: Door, topic: str, concurrency: int, sagas: int, logs: Path) -> None:
        self.door = door
        self.topic = topic
        self.concurrency = concurrency
        self.sagas = sagas
        self.logs = logs
        self._free = threading.Semaphore(concurrency)
        self._left = threading.Semaphore(sagas)
        self._failed = threading.Event()
        self._starts: dict[str, float] = {}

    def run(self) -> Flow:
        ends = Ends(self.topic, self._free.release)
        with ThreadPoolExecutor(PLACERS) as pool:
            placing = [pool.submit(self._start) for _ in range(min(self.concurrency, PLACERS))]
            try:
                ends.wait_for(self.sagas, self.logs, meanwhile=partial(raise_errors, placing))
            except Exception:
                self._failed.set()
                self._free.release(PLACERS)  # those that wait for their turn end without it
                raise
        ends.stop()
        self.door.close()
        return Flow(self._starts, ends.at)

    def _start(self) -> None:
        while self._left.acquire(blocking=False):
            self._free.acquire()
            if self._failed.is_set():
                return
            ticket = new_ticket()
            self._starts[ticket] = time.monotonic()
            self.door.place(ticket)
        self.door.leave()


def raise_errors(futures: Sequence[Future[None]]) -> None:
    """Raise what one of them raised."""
    for each in futures:
        if each.done():
            each.result()


# --- open throttle: generators are processes of their own


class Generator:
    """A process that starts sagas as fast as it can, once it is let."""

    def __init__(self, number: int, system: str, sagas: int, spec: Path) -> None:
        words = [sys.executable, "-m", "benchmarks.generator", system, str(spec), str(number)]
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            [*words, str(sagas)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait_until_ready(self) -> None:
        assert self._line() == "ready"

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def report(self) -> "Report":
        """Wait until it has started all of its sagas."""
        report = msgspec.json.decode(self._line(), type=Report)
        self.process.communicate()
        return report

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "a generator died; its error is above"
        return line.strip()


class Report(msgspec.Struct):
    """What a generator did."""

    starts: dict[str, float]  # by ticket, on the machine's monotonic clock
    cpu_seconds: float


class Throttle:
    """Sagas started as fast as several processes can."""

    def __init__(self, system: str, sagas: int, spec: Path, topic: str = "") -> None:
        shares = split(sagas, GENERATORS)
        self.sagas = sagas
        self.cpu_seconds = 0.0
        self._topic, self._logs = topic, spec
        self._generators = [
            Generator(number, system, share, spec) for number, share in enumerate(shares)
        ]
        for each in self._generators:
            each.wait_until_ready()

    def start_all(self) -> dict[str, float]:
        """Start all sagas; when each of them started, by ticket."""
        for each in self._generators:
            each.go()
        reports = [each.report() for each in self._generators]
        self.cpu_seconds = sum(report.cpu_seconds for report in reports)
        return {ticket: at for report in reports for ticket, at in report.starts.items()}

    def run(self) -> Flow:
        ends = Ends(self._topic)
        starts = self.start_all()
        ends.wait_for(self.sagas, self._logs)
        ends.stop()
        return Flow(starts, ends.at)


def split(total: int, parts: int) -> Sequence[int]:
    """Shares that differ by one at most, and make up the total."""
    return [total // parts + (number < total % parts) for number in range(parts)]
