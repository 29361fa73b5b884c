from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from apps.messaging.topics import own_topics
from tests.e2e.world import open_shop
from tests.kafka import empty
from tests.otlp import Receiver, receiving
from tests.traces.platform import TracedPlatform


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="package")
def running(
    owners: dict[str, psycopg.Connection],
    topics: None,
    receiver: Receiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TracedPlatform]:
    """The platform with a web server and a worker, all of which tell the receiver."""
    empty(*own_topics())  # of what other folders have left there
    logs: Path = tmp_path_factory.mktemp("traced")
    platform = TracedPlatform(owners, logs, receiver)
    platform.start_missing()
    yield platform
    platform.stop()


@pytest.fixture
def platform(running: TracedPlatform, databases: dict[str, psycopg.Connection]) -> TracedPlatform:
    """The running platform with an open shop."""
    running.start_missing()
    open_shop()
    return running
