"""The figures as tables, and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Point, busy, messages_per_saga, ours, p50, p99, rate
from benchmarks.measure import GENERATOR, OPEN
from benchmarks.shape import Shape
from sagaplatform.env import CONTEXTS

SERVERS = ("PostgreSQL", "Kafka")
Points = Mapping[str, Mapping[str, Point]]  # by system, by concurrency


@dataclass(frozen=True)
class Report:
    """All that was measured in one run."""

    points: Points
    shape: Shape
    durable: bool

    def as_json(self) -> dict[str, Any]:
        inserted, updated = self.shape.rows_per_saga()
        return {
            "durable": self.durable,
            "points": {
                system: {name: point.as_json() for name, point in points.items()}
                for system, points in self.points.items()
            },
            "ratio": {name: round(self.ratio(name), 3) for name in self._both()},
            "saga": {
                "messages": len(self.shape.trace),
                "rows_inserted": round(inserted, 1),
                "rows_updated": round(updated, 1),
                "bytes": sum(each.letter.size for each in self.shape.trace),
            },
        }

    def print(self, console: Console) -> None:
        if not self.durable:
            console.print("[red]Not durable: these figures are for trying the benchmark only.")
        console.print(self._speed())
        if any(OPEN in points for points in self.points.values()):
            console.print(self._cpu())
        inserted, updated = self.shape.rows_per_saga()
        console.print(
            f"One saga: {len(self.shape.trace)} messages,"
            f" {sum(each.letter.size for each in self.shape.trace):,} bytes;"
            f" {inserted:.1f} rows inserted and {updated:.1f} updated beside the outbox, as"
            " PostgreSQL counted them. The floor sends and writes the same."
        )

    def ratio(self, name: str) -> float:
        """The platform's sagas per second, as a share of the floor's."""
        platform, floor = (self.points[each][name].median(rate) for each in ("platform", "floor"))
        return platform / floor

    def _both(self) -> list[str]:
        """The points that both systems have."""
        first, *others = self.points.values()
        return [name for name in first if others and all(name in each for each in others)]

    def _speed(self) -> Table:
        table = Table(title="Sagas per second, and from the start of each until its end is heard")
        for what in ("in flight", "", "sagas/s", "spread", "p50 ms", "p99 ms"):
            table.add_column(what, justify="left" if not what else "right")
        for what in ("messages", "cores: ours", "busy", "ratio"):
            table.add_column(what, justify="right")
        for name in next(iter(self.points.values())):
            for system, points in self.points.items():
                ratio = f"{self.ratio(name):.2f}" if name in self._both() else ""
                table.add_row(name, system, *_cells(points[name]), ratio)
            table.add_section()
        return table

    def _cpu(self) -> Table:
        table = Table(title="Open throttle: processor time per saga, in ms")
        table.add_column("process", no_wrap=True)
        used = {name: each[OPEN].cpu_per_saga() for name, each in self.points.items()}
        for system in used:
            table.add_column(system, justify="right")
            table.add_column("share", justify="right")
        for process in (*CONTEXTS, GENERATOR, *SERVERS):
            table.add_row(process, *_shares(used, {process}))
        table.add_section()
        table.add_row("Python, without the generator", *_shares(used, set(CONTEXTS)))
        table.add_row("all", *_shares(used, {*CONTEXTS, GENERATOR, *SERVERS}))
        return table


def _cells(point: Point) -> list[str]:
    least, most = point.spread(rate)
    return [
        f"{point.median(rate):,.0f}",
        f"{least:,.0f}-{most:,.0f}",
        f"{point.median(p50) * 1000:,.1f}",
        f"{point.median(p99) * 1000:,.1f}",
        f"{point.median(messages_per_saga):.1f}",
        f"{point.median(ours):.0%}",
        f"{point.median(busy):.0%}",
    ]


def _shares(used: Mapping[str, Mapping[str, float]], processes: set[str]) -> list[str]:
    cells = []
    for by_process in used.values():
        own = sum(ms for name, ms in by_process.items() if name in processes)
        cells += [f"{own:.2f}", f"{own / sum(by_process.values()):.0%}"]
    return cells
