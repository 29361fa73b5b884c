from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.cache import caches

from tests.api.customer import Customer


@pytest.fixture
def ada(databases: dict[str, psycopg.Connection]) -> Customer:
    return Customer("ada")


@pytest.fixture
def bob(databases: dict[str, psycopg.Connection]) -> Customer:
    return Customer("bob")


@pytest.fixture(autouse=True)
def _fresh_caches() -> None:
    for cache in caches.all():
        cache.clear()


@pytest.fixture(autouse=True)
def _no_collected_files(settings: Any, tmp_path: Path) -> None:
    """Tests need no collectstatic; whitenoise warns of a folder that is missing."""
    settings.STATIC_ROOT = tmp_path


@pytest.fixture(autouse=True)
def outbox_keeps_its_messages(quiet: None) -> None:
    """Nobody else takes part in these tests."""
