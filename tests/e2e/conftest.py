from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from apps.contracts.plan import Mode
from apps.messaging.topics import own_topics
from tests.e2e.world import drive, open_shop
from tests.kafka import empty
from tests.running import Platform


@pytest.fixture(scope="package")
def running(
    owners: dict[str, psycopg.Connection],
    topics: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """All consumers of the platform, started once for this folder: a start costs seconds."""
    empty(*own_topics())  # of what other folders have left there
    logs: Path = tmp_path_factory.mktemp("platform")
    platform = Platform(owners, logs).start()
    yield platform
    platform.stop()


@pytest.fixture
def platform(running: Platform, databases: dict[str, psycopg.Connection]) -> Platform:
    """The running platform with an open shop."""
    running.start_missing()
    open_shop()
    return running


@pytest.fixture(params=list(Mode))
def mode(request: pytest.FixtureRequest, platform: Platform) -> Mode:
    """The same in both modes, with the same ends."""
    chosen: Mode = request.param
    drive(chosen)
    return chosen
