"""Measuring one system at one point."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from benchmarks import cpu
from benchmarks.cpu import Process
from benchmarks.figures import Run
from benchmarks.load import OPEN, Load
from benchmarks.peer import PEER

GENERATOR = "load generator"
PEERS_SHARE = 10
WARM_UP = ("64", 400)  # in flight, sagas: a broker that has just started compiles itself


class Measured(Protocol):
    """A system as it is measured."""

    name: str

    def load(self, point: str, sagas: int) -> Load:
        """So many sagas, ready to be started."""

    def processes(self) -> Mapping[str, Process]:
        """What runs, by name, once a load is ready."""

    def message_count(self) -> int:
        """How many messages it has sent so far."""


def sagas_at(name: str, point: str, most: int) -> int:
    """How many sagas are enough at a concurrency: it is slower there, and steadier; so is the
    peer."""
    if name == PEER:
        return max(100, most // PEERS_SHARE)
    return most if point == OPEN else min(most, 100 + 30 * int(point))


@dataclass(frozen=True)
class Bench:
    """Where systems are measured."""

    servers: Mapping[str, Process]  # PostgreSQL and Kafka, where they are on this machine

    def warm_up(self, system: Measured) -> int:
        """Until all have joined, opened their connections and prepared their statements."""
        point, sagas = WARM_UP
        system.load(point, sagas).run()
        return sagas

    def measure(self, system: Measured, point: str, sagas: int) -> Run:
        """One run; nothing else of ours is at work meanwhile."""
        load = system.load(point, sagas)
        processes = {**system.processes(), GENERATOR: Process(os.getpid())}
        messages, used = system.message_count(), cpu.read(processes, self.servers)
        since = time.monotonic()
        flow = load.run()
        after, seconds = cpu.read(processes, self.servers), time.monotonic() - since
        by_process = after.since(used)
        by_process[GENERATOR] += load.cpu_seconds
        sent = _settled_count(system) - messages
        return Run(
            sagas,
            flow.seconds,
            flow.latencies,
            by_process,
            sent,
            after.busy_since(used, seconds),
            sum(by_process.values()) / (seconds * cpu.CORES),
        )


def _settled_count(system: Measured) -> int:
    """How many messages there are once no more come: reactions outlast their saga."""
    count = system.message_count()
    while True:
        time.sleep(0.5)
        if (now := system.message_count()) == count:
            return count
        count = now
