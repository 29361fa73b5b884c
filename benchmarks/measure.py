"""Measuring one system at one point."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import cluster, cpu
from benchmarks.cpu import Process
from benchmarks.figures import Run
from benchmarks.load import Flow, Throttle, closed_loop
from benchmarks.systems import System

OPEN = "open"  # throttle: no limit to what is in flight
GENERATOR = "load generator"
WARM_UP = (40, 4)  # sagas, in flight


def sagas_at(point: str, most: int) -> int:
    """How many sagas are enough at a concurrency: it is slower there, and steadier."""
    return most if point == OPEN else min(most, 100 + 30 * int(point))


@dataclass(frozen=True)
class Bench:
    """Where systems are measured."""

    servers: Mapping[str, Process]  # PostgreSQL and Kafka, where they are on this machine

    def warm_up(self, system: System) -> int:
        """Until all have joined, opened their connections and prepared their statements."""
        sagas, concurrency = WARM_UP
        self._closed(system, concurrency, sagas)
        return sagas

    def measure(self, system: System, point: str, sagas: int) -> Run:
        """One run; nothing else of ours is at work meanwhile."""
        generators = Throttle(system.name, sagas, system.folder) if point == OPEN else None
        processes = self._processes(system)
        messages, used = cluster.message_count(system.topics), cpu.read(processes, self.servers)
        since = time.monotonic()
        if generators:
            flow = generators.run(system.ends_topic, system.folder)
        else:
            flow = self._closed(system, int(point), sagas)
        after, seconds = cpu.read(processes, self.servers), time.monotonic() - since
        by_process = after.since(used)
        by_process[GENERATOR] += generators.cpu_seconds if generators else 0
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

    def _closed(self, system: System, concurrency: int, sagas: int) -> Flow:
        door = system.door()
        flow = closed_loop(
            door, system.ends_topic, concurrency=concurrency, sagas=sagas, logs=system.folder
        )
        door.close()
        return flow

    def _processes(self, system: System) -> dict[str, Process]:
        consumers = {name: Process(each.pid) for name, each in system.processes.items()}
        return {**consumers, GENERATOR: Process(os.getpid())}


def _settled_count(system: System) -> int:
    """How many messages lie in the topics once no more come: reactions outlast their saga."""
    count = cluster.message_count(system.topics)
    while True:
        time.sleep(0.5)
        if (now := cluster.message_count(system.topics)) == count:
            return count
        count = now
