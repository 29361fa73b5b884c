"""A shelf with ten pieces of tea."""

import psycopg
import pytest

from tests.messaging.kit import Shelf


@pytest.fixture
def shelf(databases: dict[str, psycopg.Connection]) -> Shelf:
    shelf = Shelf(databases["inventory"])
    shelf.stock("tea", 10)
    return shelf
