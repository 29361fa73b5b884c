"""The peer beside the platform: DBOS Transact, with as many processes and threads as suit it.

It is favoured where there is a choice: one database for all of its tables and its own, workflows
that are called where they run, without a queue, and none of the reactions behind a confirmed order.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from benchmarks.cpu import Process
from benchmarks.errors import PeerDied
from benchmarks.load import OPEN, Flow, split
from benchmarks.peer_process import WARM_UP, Told
from benchmarks.peer_tables import spec_for

PEER = "dbos"
TRIAL_SAGAS = 150  # to find what suits it


class Setting(NamedTuple):
    """How many sagas are carried out at a time."""

    processes: int
    threads: int  # of each

    def __str__(self) -> str:
        return f"{self.processes} x {self.threads}"


TRIED = tuple(
    Setting(*each) for each in [(1, 2), (1, 4), (1, 8), (1, 16), (2, 2), (2, 4), (2, 8), (3, 4)]
)


class PeerLoad:
    """Processes of the peer that are ready to carry out so many sagas."""

    cpu_seconds = 0.0  # they are counted as what is measured

    def __init__(self, setting: Setting, sagas: int, folder: Path) -> None:
        shares = split(sagas, setting.processes)
        self.log = folder / f"{PEER}.log"
        self.processes = [
            self._process(spec_for(folder, threads=setting.threads, sagas=share, number=number))
            for number, share in enumerate(shares)
        ]
        self.carried_out = sagas + WARM_UP * setting.processes * setting.threads
        for each in self.processes:
            assert self._line(each) == "ready"

    def run(self) -> Flow:
        for each in self.processes:
            assert each.stdin
            each.stdin.write("go\n")
            each.stdin.flush()
        told = [msgspec.json.decode(self._line(each), type=Told) for each in self.processes]
        starts = {ticket: at for each in told for ticket, at in each.starts.items()}
        ends = {ticket: at for each in told for ticket, at in each.ends.items()}
        return Flow(starts, ends)

    def close(self) -> None:
        """Let them end."""
        for each in self.processes:
            each.communicate()

    def _process(self, spec: Path) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "benchmarks.peer_process", str(spec)]
        with self.log.open("a") as log:
            return subprocess.Popen(  # noqa: S603 - our own module
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def _line(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout
        line = process.stdout.readline().strip()
        if not line:
            raise PeerDied(self.log)
        return line


@dataclass
class Peer:
    """DBOS Transact, measured like the others; its processes live as long as a load."""

    folder: Path
    name: str = PEER
    best: Setting = TRIED[0]
    carried_out: int = 0  # sagas so far
    _load: PeerLoad | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def find_best(self, say: Callable[[str], None]) -> None:
        """Try each setting, and keep the one with the most sagas per second."""
        rates = {each: self._rate_at(each, say) for each in TRIED}
        self.best = max(rates, key=rates.__getitem__)
        say(f"  {self.name}: best at {self.best}")

    def load(self, point: str, sagas: int) -> PeerLoad:
        self._close()
        return self._open(self.setting_at(point), sagas)

    def processes(self) -> dict[str, Process]:
        running: Sequence[subprocess.Popen[str]] = self._load.processes if self._load else ()
        return {f"{self.name} {n}": Process(each.pid) for n, each in enumerate(running, 1)}

    def message_count(self) -> int:
        """It sends none."""
        return 0

    def setting_at(self, point: str) -> Setting:
        """Processes and threads for so many in flight; at open throttle, what suits it best."""
        if point == OPEN:
            return self.best
        fitting = (n for n in range(1, self.best.processes + 1) if int(point) % n == 0)
        processes = max(fitting)
        return Setting(processes, int(point) // processes)

    def _rate_at(self, setting: Setting, say: Callable[[str], None]) -> float:
        flow = self._open(setting, TRIAL_SAGAS).run()
        self._close()
        rate = TRIAL_SAGAS / flow.seconds
        say(f"  {self.name}, {setting} processes and threads: {rate:,.0f} sagas/s")
        return rate

    def _open(self, setting: Setting, sagas: int) -> PeerLoad:
        self._load = PeerLoad(setting, sagas, self.folder)
        self.carried_out += self._load.carried_out
        return self._load

    def _close(self) -> None:
        if self._load:
            self._load.close()
            self._load = None
