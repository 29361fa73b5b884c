import psycopg
import pytest

from tests.ops.world import open_shop
from tests.scraping import forget


@pytest.fixture
def shop(databases: dict[str, psycopg.Connection], quiet: None) -> dict[str, psycopg.Connection]:
    """An open shop; the owners' connections of its databases."""
    forget()
    open_shop()
    return databases
