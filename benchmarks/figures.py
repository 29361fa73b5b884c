"""The arithmetic: percentiles of one run, medians and spreads of its repetitions."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that so many per cent of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


class Quota:
    """Hands out whole numbers that in the long run make up a fractional rate."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._owed = 0.0

    def take(self, times: int) -> int:
        """How many for so many times more."""
        self._owed += self.rate * times
        whole = math.floor(self._owed + 1e-9)
        self._owed -= whole
        return whole


@dataclass(frozen=True, slots=True)
class Run:
    """One system, measured once."""

    sagas: int
    seconds: float  # from the first start to the last end
    latencies: Sequence[float]  # seconds, from before the start until its end was read
    cpu: Mapping[str, float]  # seconds, by process
    messages: int
    busy: float  # the share of all cores that was not idle, whoever used it
    ours: float  # the share of all cores that these processes used

    @property
    def rate(self) -> float:
        return self.sagas / self.seconds


@dataclass(slots=True)
class Point:
    """The repetitions of one measurement."""

    runs: list[Run] = field(default_factory=list)

    def median(self, figure: Callable[[Run], float]) -> float:
        return statistics.median(map(figure, self.runs))

    def spread(self, figure: Callable[[Run], float]) -> tuple[float, float]:
        """The least and the greatest."""
        values = [figure(run) for run in self.runs]
        return min(values), max(values)

    def cpu_per_saga(self) -> dict[str, float]:
        """Milliseconds per saga of each process, the median of the runs."""
        return {name: self.median(partial(cpu_ms, name)) for name in self.runs[0].cpu}

    def as_json(self) -> dict[str, Any]:
        return {
            "sagas_per_second": round(self.median(rate), 1),
            "spread": [round(value, 1) for value in self.spread(rate)],
            "p50_ms": round(self.median(p50) * 1000, 2),
            "p99_ms": round(self.median(p99) * 1000, 2),
            "messages_per_saga": round(self.median(messages_per_saga), 2),
            "cores_busy": round(self.median(busy), 3),
            "cores_ours": round(self.median(ours), 3),
            "cpu_ms_per_saga": {name: round(ms, 3) for name, ms in self.cpu_per_saga().items()},
            "repetitions": len(self.runs),
        }


def rate(run: Run) -> float:
    return run.rate


def cpu_ms(process: str, run: Run) -> float:
    """Milliseconds of a process per saga."""
    return run.cpu[process] * 1000 / run.sagas


def p50(run: Run) -> float:
    return percentile(run.latencies, 50)


def p99(run: Run) -> float:
    return percentile(run.latencies, 99)


def messages_per_saga(run: Run) -> float:
    return run.messages / run.sagas


def busy(run: Run) -> float:
    return run.busy


def ours(run: Run) -> float:
    return run.ours
