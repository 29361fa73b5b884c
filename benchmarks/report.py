"""The figures as tables, and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from apps.contracts.plan import Mode
from benchmarks.figures import Point, busy, messages_per_saga, ours, p50, p99, rate
from benchmarks.load import OPEN
from benchmarks.measure import GENERATOR
from benchmarks.peer import PEER
from benchmarks.ratios import Points, quotient, ratios
from benchmarks.shape import Shape
from benchmarks.systems import floor_of
from sagaplatform.env import CONTEXTS

SERVERS = ("PostgreSQL", "Kafka")


@dataclass(frozen=True)
class Report:
    """All that was measured in one run."""

    points: Points
    shapes: Mapping[Mode, Shape]
    peer_at: str  # the processes and threads that suit the peer best
    durable: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "durable": self.durable,
            "points": {
                system: {name: point.as_json() for name, point in points.items()}
                for system, points in self.points.items()
            },
            "peer_at": self.peer_at,
            "ratios": [
                {"mode": each.mode, "what": each.kind.what, "value": round(each.value, 3),
                 "aim": each.aim, "least": each.least}
                for each in ratios(self.points)
            ],
            "sagas": {mode: shape_as_json(shape) for mode, shape in self.shapes.items()},
        }  # fmt: skip

    def print(self, console: Console) -> None:
        if not self.durable:
            console.print("[red]Not durable: these figures are for trying the benchmark only.")
        console.print(self._speed())
        console.print(self._ratios())
        if used := {name: each[OPEN] for name, each in self.points.items() if OPEN in each}:
            console.print(cpu_table(used))
        for mode, shape in self.shapes.items():
            console.print(shape_as_text(mode, shape))

    def _speed(self) -> Table:
        table = Table(title="From before the start of a saga until its last step is told")
        for what in ("in flight", "", "sagas/s", "spread", "p50 ms", "p99 ms"):
            table.add_column(what, justify="left" if not what else "right")
        for what in ("messages", "ours", "busy", "of floor", "x DBOS"):
            table.add_column(what, justify="right")
        for name in next(iter(self.points.values())):
            for system, points in self.points.items():
                table.add_row(name, system, *_cells(points[name]), *self._beside(system, name))
            table.add_section()
        return table

    def _beside(self, system: str, point: str) -> list[str]:
        """A mode's share of its floor, and how many times the peer."""
        if system not in {*Mode}:
            return ["", ""]
        share = quotient(self.points, system, floor_of(system), point)
        times = quotient(self.points, system, PEER, point)
        return [f"{share:.2f}" if share else "", f"{times:.1f}" if times else ""]

    def _ratios(self) -> Table:
        table = Table(title=f"What we look for (DBOS at its best, {self.peer_at})")
        for what in ("mode", "ratio"):
            table.add_column(what)
        for what in ("aim", "measured"):
            table.add_column(what, justify="right")
        for each in ratios(self.points):
            table.add_row(each.mode, each.kind.what, f"{each.aim:g}", f"{each.value:.2f}")
        return table


def cpu_table(at: Mapping[str, Point]) -> Table:
    """Who used the processors, per saga."""
    table = Table(title="Open throttle: processor time per saga, in ms")
    table.add_column("process", no_wrap=True)
    used = {name: point.cpu_per_saga() for name, point in at.items()}
    for system in used:
        table.add_column(system, justify="right")
    peers = {name for each in used.values() for name in each if name.startswith(PEER)}
    for process in (*CONTEXTS, GENERATOR, *SERVERS):
        table.add_row(process, *_sums(used, {process}))
    table.add_row("DBOS", *_sums(used, peers))
    table.add_section()
    table.add_row("Python, without the generator", *_sums(used, {*CONTEXTS, *peers}))
    table.add_row("all", *_sums(used, {*CONTEXTS, GENERATOR, *SERVERS, *peers}))
    return table


def shape_as_json(shape: Shape) -> dict[str, float]:
    inserted, updated = shape.rows_per_saga()
    return {
        "messages": len(shape.trace),
        "rows_inserted": round(inserted, 1),
        "rows_updated": round(updated, 1),
        "bytes": sum(each.letter.size for each in shape.trace),
    }


def shape_as_text(mode: Mode, shape: Shape) -> str:
    told = shape_as_json(shape)
    return (
        f"One {mode} saga: {told['messages']} messages, {told['bytes']:,} bytes;"
        f" {told['rows_inserted']} rows inserted and {told['rows_updated']} updated beside the"
        " outbox, as PostgreSQL counted them. Its floor sends and writes the same."
    )


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


def _sums(used: Mapping[str, Mapping[str, float]], processes: set[str]) -> list[str]:
    return [
        f"{own:.2f}" if (own := sum(ms for name, ms in each.items() if name in processes)) else ""
        for each in used.values()
    ]
