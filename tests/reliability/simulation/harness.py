"""Runs seeds one after the other in databases that are emptied before each."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import connections
from waffle import get_waffle_switch_model

from apps.contracts.sagas import Outcome as Ending
from apps.messaging.wiring import wiring
from apps.orders.services import GIFT_WRAP
from sagaplatform.env import CONTEXTS
from tests.conftest import empty as truncate
from tests.reliability.simulation.clock import install, told_by
from tests.reliability.simulation.simulation import Kind, Report, Simulation

CONFIRMED, UNDONE = map(str, Ending)
Owners = dict[str, psycopg.Connection]


@contextmanager
def prepared(owners: Owners) -> Iterator[None]:
    """In here seeds can be run. Connections from before and after know nothing of it."""
    for context in CONTEXTS:
        wiring(context)  # imports all that can be replaced, before anything is
    install(owners)
    for owner in owners.values():
        owner.execute("SET synchronous_commit = off")
    connections.close_all()
    switch, _ = get_waffle_switch_model().objects.update_or_create(
        name=GIFT_WRAP, defaults={"active": True}
    )
    try:
        yield
    finally:
        switch.delete()  # which tells the cache of switches, too
        connections.close_all()


# All tables, those that refer to others before these.
TABLES = """
WITH RECURSIVE own AS (
    SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname LIKE %s
), deep AS (
    SELECT oid, 0 AS depth FROM own
    UNION
    SELECT confrelid, depth + 1 FROM deep JOIN pg_constraint ON conrelid = deep.oid
    WHERE contype = 'f' AND confrelid <> conrelid
)
SELECT oid::regclass::text FROM deep GROUP BY oid ORDER BY max(depth), oid
"""
_deleting: dict[str, str] = {}  # by alias: what empties a database


def empty(alias: str, owner: psycopg.Connection) -> None:
    """Delete all rows: of tables that are this small, ten times faster than truncating."""
    if alias not in _deleting:
        truncate(owner)
        tables = [table for (table,) in owner.execute(TABLES, [f"{alias}\\_%"])]
        _deleting[alias] = "".join(f"DELETE FROM {table};" for table in tables)
    owner.execute(_deleting[alias])


def run(seed: int, owners: Owners, *, orders: int | None = None) -> Report:
    """One run, in empty databases."""
    for alias in CONTEXTS:
        empty(alias, owners[alias])
    simulation = Simulation(seed, orders=orders)
    with told_by(simulation.clock):
        return simulation.run()


@dataclass
class Campaign:
    """What many runs came to."""

    first: int
    seeds: int = 0
    orders: int = 0
    steps: int = 0
    hours: float = 0.0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    sagas: Counter[Kind] = field(default_factory=Counter)
    wishes: Counter[str] = field(default_factory=Counter)
    returns: Counter[str] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)
    violations: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.orders += report.orders
        self.steps += report.steps
        self.hours += report.hours
        self.faults += report.faults
        self.sagas += report.sagas
        self.wishes += report.wishes
        self.returns += report.returns
        self.logged += report.logged
        if report.violation:
            self.violations.append(report)

    def ended(self, process: str) -> int:
        """How many sagas of a process have ended."""
        return sum(
            self.sagas[kind] for kind in self.sagas
            if kind.process == process and kind.status in (CONFIRMED, UNDONE)
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "seeds": self.seeds,
            "seeds_per_second": round(self.seeds / max(self.seconds, 0.001), 2),
            "seconds": round(self.seconds, 1),
            "orders": self.orders,
            "steps": self.steps,
            "simulated_hours": round(self.hours, 1),
            "sagas": [{**kind._asdict(), "count": self.sagas[kind]} for kind in sorted(self.sagas)],
            "taken_over": sum(self.sagas[kind] for kind in self.sagas if kind.taken_over),
            "wishes": dict(sorted(self.wishes.items())),
            "returns": dict(sorted(self.returns.items())),
            "faults": dict(sorted(self.faults.items())),
            "logged": dict(sorted(self.logged.items())),
            "violations": [
                {"seed": each.seed, "violation": each.violation} for each in self.violations
            ],
        }


def campaign(
    seeds: range, owners: Owners, tell: Callable[[Report], None] = lambda report: None
) -> Campaign:
    """Run all of these seeds; `tell` is told of each that breaks a law."""
    result, began = Campaign(seeds.start), time.monotonic()
    for seed in seeds:
        report = run(seed, owners)
        result.add(report)
        if report.violation:
            tell(report)
    result.seconds = time.monotonic() - began
    return result
