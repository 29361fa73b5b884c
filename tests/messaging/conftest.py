"""A shelf with ten pieces of tea, and a relay that sends nothing: the outbox can be read."""

import psycopg
import pytest

from apps.messaging.relay import Relay
from tests.messaging.kit import Shelf


@pytest.fixture
def shelf(databases: dict[str, psycopg.Connection]) -> Shelf:
    shelf = Shelf(databases["inventory"])
    shelf.stock("tea", 10)
    return shelf


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed stays in the outbox."""
    monkeypatch.setattr(Relay, "dispatch", lambda self, letters: None)
