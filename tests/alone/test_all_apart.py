"""Every context a deployment of its own, as in compose.yaml; customers buy as ever."""

from pathlib import Path

import psycopg
import pytest

from sagaplatform.env import CONTEXTS
from tests.alone.parted import Part, Parted, buy_and_look
from tests.e2e.world import open_shop

Databases = dict[str, psycopg.Connection]


@pytest.mark.slow
def test_baskets_are_bought_where_every_context_is_alone(
    owners: Databases, emptied: None, databases: Databases, tmp_path: Path
) -> None:
    """Deployments with a database each; that of orders has users beside it, for the API."""
    open_shop()
    parts = [Part(each, users=each == "orders") for each in CONTEXTS]
    parted = Parted(owners, tmp_path, parts)
    try:
        buy_and_look(parted, databases)
    finally:
        parted.stop()
