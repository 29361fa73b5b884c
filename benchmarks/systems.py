"""What is measured: the platform, and the floor beside it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from django.db import connections

from apps.messaging.relay import relay
from benchmarks.cluster import ENDS_TOPIC, PLAIN_TOPICS, floor_topic, platform_topic
from benchmarks.floor import FloorDoor, spec_file
from benchmarks.load import Door
from benchmarks.shop import Customers
from sagaplatform.env import CONTEXTS

PATIENCE_SECONDS = 30
ROOT = Path(__file__).parent.parent


class System:
    """Seven processes, one per context, that run while it is entered."""

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # of logs and specs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._files = ExitStack()

    def __enter__(self) -> Self:
        for context in CONTEXTS:
            log = self._files.enter_context((self.folder / f"{self.name}-{context}.log").open("ab"))
            self.processes[context] = subprocess.Popen(  # noqa: S603 - our own commands
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
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(PATIENCE_SECONDS)
        self.processes.clear()
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

    @property
    def ends_topic(self) -> str:
        return self.topic(ENDS_TOPIC)

    def door(self) -> Door:
        """Where its sagas are started."""
        return door_of(self.name, self.folder)


class Platform(System):
    """The platform's own consumers."""

    name = "platform"

    def __init__(self, folder: Path, profiles: Mapping[str, Path] | None = None) -> None:
        super().__init__(folder)
        self.profiles = profiles or {}  # by context: where its profile is written when it ends

    def command(self, context: str) -> Sequence[str]:
        profile = self.profiles.get(context)
        profiling = ["-m", "cProfile", "-o", str(profile)] if profile else []
        return [sys.executable, *profiling, "manage.py", "run_consumer", context]

    def topic(self, plain: str) -> str:
        return platform_topic(plain)


class Floor(System):
    """The same hops by bare clients."""

    name = "floor"

    def command(self, context: str) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.hop", str(spec_file(self.folder, context))]

    def topic(self, plain: str) -> str:
        return floor_topic(plain)


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
    return PlatformDoor(seed) if system == Platform.name else FloorDoor(folder)
