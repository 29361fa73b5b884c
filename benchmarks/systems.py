"""What is measured: the platform in each mode, and the floor beneath each."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from django.db import connections

from apps.contracts.plan import Mode
from apps.messaging.relay import relay
from benchmarks import cluster
from benchmarks.cluster import ENDS_TOPIC, PLAIN_TOPICS, floor_topic, platform_topic
from benchmarks.cpu import Process
from benchmarks.floor import FloorDoor, spec_file
from benchmarks.load import OPEN, ClosedLoop, Door, Load, Throttle
from benchmarks.modes import drive_by
from benchmarks.shop import Customers
from sagaplatform.env import CONTEXTS

PATIENCE_SECONDS = 30
ROOT = Path(__file__).parent.parent
FLOOR = "floor-"


def floor_of(mode: str) -> str:
    """The name of the floor beneath the platform in a mode."""
    return FLOOR + mode


class System:
    """Eight processes, one per context, that run while it is entered."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder  # of logs and specs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._files = ExitStack()

    def __enter__(self) -> Self:
        for context in CONTEXTS:
            log = self._files.enter_context((self.folder / f"{self.name}-{context}.log").open("ab"))
            self._running[context] = subprocess.Popen(  # noqa: S603 - our own commands
                self.command(context), cwd=ROOT, stdout=log, stderr=log,
                env={**os.environ, "LOG_FORMAT": "text"},
            )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(PATIENCE_SECONDS)
        self._running.clear()
        self._files.close()

    def command(self, context: str) -> Sequence[str]:
        """How the process of a context is started."""
        raise NotImplementedError

    def topic(self, plain: str) -> str:
        """Its topic in place of one of the platform's."""
        raise NotImplementedError

    @property
    def topics(self) -> list[str]:
        return [self.topic(each) for each in PLAIN_TOPICS]

    def load(self, point: str, sagas: int) -> Load:
        """So many sagas, ready to be started."""
        ends = self.topic(ENDS_TOPIC)
        if point == OPEN:
            return Throttle(self.name, sagas, self.folder, ends)
        door = door_of(self.name, self.folder)
        return ClosedLoop(door, ends, int(point), sagas, self.folder)

    def processes(self) -> dict[str, Process]:
        """What runs, by name."""
        return {name: Process(each.pid) for name, each in self._running.items()}

    def message_count(self) -> int:
        """How many messages it has sent so far."""
        return cluster.message_count(self.topics)


class Platform(System):
    """The platform's own consumers; the mode of its sagas is its name."""

    def __init__(
        self, mode: Mode, folder: Path, profiles: Mapping[str, Path] | None = None
    ) -> None:
        super().__init__(mode, folder)
        self.mode = mode
        self.profiles = profiles or {}  # by context: where its profile is written when it ends

    def __enter__(self) -> Self:
        drive_by(self.mode)
        return super().__enter__()

    def command(self, context: str) -> Sequence[str]:
        profile = self.profiles.get(context)
        profiling = ["-m", "cProfile", "-o", str(profile)] if profile else []
        return [sys.executable, *profiling, "manage.py", "run_consumer", context]

    def topic(self, plain: str) -> str:
        return platform_topic(plain)


class Floor(System):
    """The same hops by bare clients."""

    def __init__(self, mode: Mode, folder: Path) -> None:
        super().__init__(floor_of(mode), folder)

    def command(self, context: str) -> Sequence[str]:
        spec = spec_file(self.folder, self.name, context)
        return [sys.executable, "-m", "benchmarks.hop", str(spec)]

    def topic(self, plain: str) -> str:
        return floor_topic(self.name, plain)


class PlatformDoor:
    """Orders placed by the service that the API calls, without HTTP."""

    def __init__(self, seed: int) -> None:
        self.customers = Customers(seed)

    def place(self, ticket: str) -> None:
        self.customers.buy(ticket)

    def leave(self) -> None:
        connections.close_all()

    def close(self) -> None:
        office = relay("orders")
        office.producer.flush(PATIENCE_SECONDS)
        office.tidy()
        self.leave()


def door_of(system: str, folder: Path, seed: int = 0) -> Door:
    """The door of the system of that name."""
    return FloorDoor(folder, system) if system.startswith(FLOOR) else PlatformDoor(seed)
