from collections.abc import Iterator

import psycopg
import pytest

from tests.reliability.simulation.harness import Owners, prepared


@pytest.fixture(scope="package")
def world(owners: dict[str, psycopg.Connection]) -> Iterator[Owners]:
    """Databases in which seeds can be run."""
    with prepared(owners):
        yield owners
