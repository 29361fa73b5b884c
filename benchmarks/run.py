"""The whole benchmark, in order: empty, open the shop, measure the shapes, measure, check."""

import pstats
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from rich.console import Console

from apps.contracts.plan import Mode
from benchmarks import cluster, floor, peer_tables
from benchmarks.check import check_outcome
from benchmarks.cpu import Process, broker, postmaster
from benchmarks.environment import (
    Owners,
    check_durability,
    empty,
    owners,
)
from benchmarks.figures import Point
from benchmarks.load import OPEN
from benchmarks.measure import Bench, Measured, sagas_at
from benchmarks.options import Options
from benchmarks.peer import PEER, Peer
from benchmarks.ratios import guard
from benchmarks.report import Report
from benchmarks.sample import measure_shape
from benchmarks.shape import SAMPLE, Shape
from benchmarks.shop import open_shop
from benchmarks.systems import Floor, Platform, floor_of

MOST_FUNCTIONS = 25  # of a profile


def run(options: Options, folder: Path, console: Console) -> Report | None:
    """Measure, and print unless JSON is wanted; None after a profile."""
    if options.must_be_durable:
        check_durability()
    with owners() as connections:
        try:
            return _run(options, folder, console, connections)
        finally:
            for mode in Mode:
                floor.drop_schemas(connections, floor_of(mode))
            peer_tables.drop(connections)
            cluster.delete_all_of_run()


def _run(options: Options, folder: Path, console: Console, owners: Owners) -> Report | None:
    empty(owners)
    campaign = Campaign(options, folder, console, owners, Bench(servers_of(owners)))
    cluster.create(campaign.platform(Mode.ORCHESTRATED).topics)
    open_shop()
    if options.profile:
        campaign.profile(options.profile)
        return None
    shapes = campaign.measure_shapes()
    points = campaign.measure(shapes)
    report = Report(points, shapes, str(campaign.peer.best), options.must_be_durable)
    if not options.json:
        report.print(console)
    if options.guard:
        guard(points)
    return report


def servers_of(owners: Owners) -> dict[str, Process]:
    """The servers' processes, where they run on this machine."""
    found = {
        "PostgreSQL": postmaster(owners["orders"]),
        "Kafka": broker(settings.KAFKA["bootstrap.servers"]),
    }
    return {name: process for name, process in found.items() if process}


@dataclass
class Campaign:
    """All points of all systems, in turns, so that what else the machine does hits them all."""

    options: Options
    folder: Path
    console: Console
    owners: Owners
    bench: Bench
    placed: int = 0  # orders on the platform so far
    peer: Peer = field(init=False)

    def __post_init__(self) -> None:
        self.peer = Peer(self.folder)

    def platform(self, mode: Mode, profiles: Mapping[str, Path] | None = None) -> Platform:
        return Platform(mode, self.folder, profiles)

    def measure_shapes(self) -> Mapping[Mode, Shape]:
        """What a saga of each mode that is to be measured writes and sends."""
        shapes = {}
        for mode in Mode:
            if {mode, floor_of(mode)} & {*self.options.systems}:
                self.console.print(f"Counting what {SAMPLE} {mode} sagas write and send")
                shapes[mode] = measure_shape(self.owners, mode, self.folder, self.placed)
                self.placed += SAMPLE
        return shapes

    def measure(self, shapes: Mapping[Mode, Shape]) -> Mapping[str, Mapping[str, Point]]:
        """Raises WrongOutcome where the platform did anything but confirm each order once."""
        self._prepare(shapes)
        points: Mapping[str, dict[str, Point]] = {
            name: defaultdict(Point) for name in self.options.systems
        }
        for repetition in range(self.options.repetitions):
            for name in self.options.systems:
                self._measure_all_points(name, repetition, points[name])
        self._check()
        return points

    def profile(self, context: str) -> None:
        """Print where the time of one consumer goes at open throttle."""
        file = self.folder / f"{context}.profile"
        mode = next(each for each in Mode if each in self.options.systems)
        with self.platform(mode, {context: file}) as platform:
            self.bench.warm_up(platform)
            self.bench.measure(platform, OPEN, self.options.sagas)
        statistics = pstats.Stats(str(file))
        statistics.sort_stats("tottime").print_stats(MOST_FUNCTIONS)

    def _prepare(self, shapes: Mapping[Mode, Shape]) -> None:
        for mode, shape in shapes.items():
            if (name := floor_of(mode)) in self.options.systems:
                cluster.create(Floor(mode, self.folder).topics)
                floor.create_schemas(self.owners, name, shape)
                floor.write_specs(self.folder, name, shape)
        if PEER in self.options.systems:
            peer_tables.create(self.owners)
            self.peer.find_best(self.console.print)

    def _measure_all_points(self, name: str, repetition: int, points: dict[str, Point]) -> None:
        with self._system(name) as system:
            self._count(name, self.bench.warm_up(system))
            for point in self.options.points:
                sagas = sagas_at(name, point, self.options.sagas)
                found = self.bench.measure(system, point, sagas)
                self._count(name, sagas)
                points[point].runs.append(found)
                self.console.print(
                    f"  {name}, {point} in flight, {repetition + 1}: {found.rate:,.0f} sagas/s"
                )

    def _system(self, name: str) -> AbstractContextManager[Measured]:
        if name == PEER:
            return self.peer
        for mode in Mode:
            if name == floor_of(mode):
                return Floor(mode, self.folder)
        return self.platform(Mode(name))

    def _count(self, name: str, sagas: int) -> None:
        self.placed += sagas if name in {*Mode} else 0

    def _check(self) -> None:
        """What must be true of all that was carried out."""
        if self.placed:
            self.console.print("Checking the saga logs and the conservation proof")
            check_outcome(self.owners, self.placed)
        if self.peer.carried_out:
            peer_tables.check_outcome(self.owners, self.peer.carried_out)
