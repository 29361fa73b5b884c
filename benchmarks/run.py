"""The whole benchmark, in order: check, empty, open the shop, measure the shape, measure, check."""

import pstats
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from rich.console import Console

from benchmarks import cluster, floor
from benchmarks.check import check_outcome
from benchmarks.cpu import Process, broker, postmaster
from benchmarks.environment import (
    Owners,
    check_durability,
    empty,
    owners,
)
from benchmarks.figures import Point
from benchmarks.measure import OPEN, Bench, sagas_at
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import measure_shape
from benchmarks.shape import SAMPLE, Shape
from benchmarks.shop import open_shop
from benchmarks.systems import Floor, Platform, System

MOST_FUNCTIONS = 25  # of a profile


def run(options: Options, folder: Path, console: Console) -> Report | None:
    """Measure, and print unless JSON is wanted; None after a profile."""
    if options.must_be_durable:
        check_durability()
    with owners() as connections:
        try:
            return _run(options, folder, console, connections)
        finally:
            floor.drop_schemas(connections)
            cluster.delete_all_of_run()


def _run(options: Options, folder: Path, console: Console, owners: Owners) -> Report | None:
    empty(owners)
    cluster.create(Platform(folder).topics)
    open_shop()
    console.print(f"Counting what {SAMPLE} sagas write and send")
    shape = measure_shape(owners, folder)
    campaign = Campaign(options, folder, console, owners, Bench(servers_of(owners)))
    if options.profile:
        campaign.profile(options.profile)
        return None
    report = Report(campaign.measure(shape), shape, options.must_be_durable)
    if not options.json:
        report.print(console)
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
    """All points of all systems, in turns, so that what else the machine does hits both."""

    options: Options
    folder: Path
    console: Console
    owners: Owners
    bench: Bench
    placed: int = SAMPLE  # orders on the platform so far

    def measure(self, shape: Shape) -> Mapping[str, Mapping[str, Point]]:
        """Raises WrongOutcome where the platform did anything but confirm each order once."""
        if "floor" in self.options.systems:
            cluster.create(Floor(self.folder).topics)
            floor.create_schemas(self.owners, shape)
            floor.write_specs(self.folder, shape)
        points: Mapping[str, dict[str, Point]] = {
            name: defaultdict(Point) for name in self.options.systems
        }
        for repetition in range(self.options.repetitions):
            for name in self.options.systems:
                self._measure_all_points(name, repetition, points[name])
        if Platform.name in self.options.systems:
            self.console.print("Checking the saga logs and the conservation proof")
            check_outcome(self.owners, self.placed)
        return points

    def _measure_all_points(self, name: str, repetition: int, points: dict[str, Point]) -> None:
        system: System = (Platform if name == Platform.name else Floor)(self.folder)
        with system:
            self._count(system, self.bench.warm_up(system))
            for point in self.options.points:
                sagas = sagas_at(point, self.options.sagas)
                found = self.bench.measure(system, point, sagas)
                self._count(system, sagas)
                points[point].runs.append(found)
                self.console.print(
                    f"  {name}, {point} in flight, {repetition + 1}: {found.rate:,.0f} sagas/s"
                )

    def profile(self, context: str) -> None:
        """Print where the time of one consumer goes at open throttle."""
        file = self.folder / f"{context}.profile"
        with Platform(self.folder, {context: file}) as platform:
            self.bench.warm_up(platform)
            self.bench.measure(platform, OPEN, self.options.sagas)
        statistics = pstats.Stats(str(file))
        statistics.sort_stats("tottime").print_stats(MOST_FUNCTIONS)

    def _count(self, system: System, sagas: int) -> None:
        self.placed += sagas if system.name == Platform.name else 0
