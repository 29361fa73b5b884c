import socket
from collections.abc import Iterator

import psycopg
import pytest

from apps.messaging.topics import own_topics
from sagaplatform.env import CONTEXTS
from tests.alone.deployments import Deployment, environment
from tests.kafka import empty
from tests.running import Platform

BUT_INVENTORY = tuple(each for each in CONTEXTS if each != "inventory")


class Parted(Platform):
    """The platform in two deployments: inventory alone, and all others with the API."""

    def __init__(self, owners: dict[str, psycopg.Connection], logs: pytest.TempPathFactory) -> None:
        super().__init__(owners, logs.mktemp("parted"))
        self.rest_port, self.alone_port = free_port(), free_port()
        rest = environment(*BUT_INVENTORY, users=True)
        self.rest = Deployment(rest, self.logs / "rest.log").serve(self.rest_port)
        for name in BUT_INVENTORY:
            self.rest.start("run_consumer", name)
        self.rest.start("run_watchdog")
        alone = environment("inventory")
        self.alone = Deployment(alone, self.logs / "alone.log").serve(self.alone_port)
        self.alone.start("run_consumer", "inventory")
        self.processes = {**self.rest.processes, **self.alone.processes}


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def running(
    owners: dict[str, psycopg.Connection], topics: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Parted]:
    """Both deployments, started once: a start costs seconds."""
    empty(*own_topics())  # of what other folders have left there
    parted = Parted(owners, tmp_path_factory)
    yield parted
    parted.stop()
