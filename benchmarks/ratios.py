"""The ratios that tell how good the platform is: what we look for, and below what it has got worse.

Only ratios within one run: no figure here is a time.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from apps.contracts.plan import Mode
from benchmarks.errors import GotWorse
from benchmarks.figures import Point, p50, rate
from benchmarks.load import OPEN
from benchmarks.peer import PEER
from benchmarks.systems import floor_of

ALONE = "1"  # in flight
Points = Mapping[str, Mapping[str, Point]]  # by system, by concurrency


class Kind(NamedTuple):
    """A ratio of a mode to another system, the greater the better."""

    what: str
    aim: Mapping[Mode, float]
    least: Mapping[Mode, float]  # less fails --guard; some way below what was measured last


OF_FLOOR = Kind(
    "sagas/s, as a share of its floor's",
    aim={Mode.CHOREOGRAPHED: 0.5, Mode.ORCHESTRATED: 0.5},
    least={Mode.CHOREOGRAPHED: 0.25, Mode.ORCHESTRATED: 0.25},
)
OF_PEER = Kind(
    "sagas/s, in those of DBOS",
    aim={Mode.CHOREOGRAPHED: 20, Mode.ORCHESTRATED: 12},
    least={Mode.CHOREOGRAPHED: 2, Mode.ORCHESTRATED: 1.5},
)
AT_REST = Kind(
    "p50 of DBOS alone, in its own",
    aim={Mode.CHOREOGRAPHED: 1, Mode.ORCHESTRATED: 0.5},
    least={Mode.CHOREOGRAPHED: 0.2, Mode.ORCHESTRATED: 0.15},
)


class Ratio(NamedTuple):
    """One that was measured."""

    kind: Kind
    mode: Mode
    value: float

    @property
    def aim(self) -> float:
        return self.kind.aim[self.mode]

    @property
    def least(self) -> float:
        return self.kind.least[self.mode]


def ratios(points: Points) -> Iterator[Ratio]:
    """All that can be told from what was measured."""
    for mode in Mode:
        if value := quotient(points, mode, floor_of(mode), OPEN):
            yield Ratio(OF_FLOOR, mode, value)
        if value := quotient(points, mode, PEER, OPEN):
            yield Ratio(OF_PEER, mode, value)
        if has(points, ALONE, mode, PEER):
            faster = points[PEER][ALONE].median(p50) / points[mode][ALONE].median(p50)
            yield Ratio(AT_REST, mode, faster)


def quotient(points: Points, system: str, other: str, point: str) -> float | None:
    """One's sagas per second in those of another; None where not both were measured."""
    if not has(points, point, system, other):
        return None
    return points[system][point].median(rate) / points[other][point].median(rate)


def has(points: Points, point: str, *systems: str) -> bool:
    return all(point in points.get(each, {}) for each in systems)


def guard(points: Points) -> None:
    """Raises GotWorse where a ratio is below what it may be."""
    below = [each for each in ratios(points) if each.value < each.least]
    if below:
        raise GotWorse(
            "; ".join(f"{e.mode}: {e.kind.what}: {e.value:.2f}, not {e.least}" for e in below)
        )
