from collections.abc import Iterator

import psycopg
import pytest

from apps.messaging.topics import own_topics
from sagaplatform.env import CONTEXTS
from tests.alone.parted import Part, Parted
from tests.kafka import empty

BUT_INVENTORY = tuple(each for each in CONTEXTS if each != "inventory")


@pytest.fixture(scope="package")
def emptied(topics: None) -> None:
    """The topics have nothing of what other folders have left there."""
    empty(*own_topics())


@pytest.fixture(scope="module")
def running(
    owners: dict[str, psycopg.Connection], emptied: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Parted]:
    """Inventory alone, and all others with the API; started once, for a start costs seconds."""
    parts = [Part("inventory"), Part(*BUT_INVENTORY, users=True)]
    parted = Parted(owners, tmp_path_factory.mktemp("parted"), parts)
    yield parted
    parted.stop()
