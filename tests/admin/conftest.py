import psycopg
import pytest
from pytest_django import Settings

from tests.ops.world import open_shop
from tests.scraping import forget


@pytest.fixture
def shop(
    databases: dict[str, psycopg.Connection], quiet: None, settings: Settings
) -> dict[str, psycopg.Connection]:
    """An open shop; the owners' connections of its databases."""
    settings.WHITENOISE_AUTOREFRESH = True  # static files are not collected for tests
    forget()
    open_shop()
    return databases
