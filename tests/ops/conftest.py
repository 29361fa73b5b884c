import psycopg
import pytest

from apps.messaging.relay import Relay
from tests.ops.world import open_shop


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed stays in the outbox, until a test carries it on."""
    monkeypatch.setattr(Relay, "dispatch", lambda self, letters: None)


@pytest.fixture
def shop(databases: dict[str, psycopg.Connection], quiet: None) -> dict[str, psycopg.Connection]:
    """An open shop; the owners' connections of its databases."""
    open_shop()
    return databases
