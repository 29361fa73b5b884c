"""A carrier outside: one server for all tests, made empty before each."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from apps.shipping import carrier_api
from tests.shipping.dock import SECRET, Dock
from tools.fakecarrier.client import Control, Server


@pytest.fixture(scope="session")
def running_carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server.start(tmp_path_factory.mktemp("carrier") / "carrier.sqlite3") as server:
        yield server


@pytest.fixture
def carrier(running_carrier: Server, settings: Any) -> Iterator[Control]:
    """The carrier, as if it were new, and chosen; it fetches nothing by itself."""
    control = running_carrier.control
    control.reset()
    control.set(collect_seconds=1e9, transit_seconds=1e9)
    settings.CARRIER_URL = running_carrier.address
    settings.CARRIER_API_KEY = "test_key"
    settings.CARRIER_WEBHOOK_SECRET = SECRET
    yield control
    control.release()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the carrier gives up soon."""
    monkeypatch.setattr(carrier_api, "ANSWER_SECONDS", 0.4)


@pytest.fixture
def dock(databases: dict[str, psycopg.Connection], carrier: Control, quiet: None) -> Dock:
    return Dock(databases["shipping"], carrier)
