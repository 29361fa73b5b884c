"""Whole orders with a gateway and a carrier outside: the servers of the tests of payments and of
shipping."""

from typing import Any

import psycopg
import pytest

from tests.ops.world import open_shop
from tests.outside.world import Platform
from tests.payments.conftest import control, stripe_server  # noqa: F401  fixtures
from tests.shipping.conftest import carrier, running_carrier  # noqa: F401  fixtures
from tools.fakecarrier.client import Control as Carrier
from tools.fakestripe.client import Control as Stripe


@pytest.fixture
def platform(
    databases: dict[str, psycopg.Connection],
    control: Stripe,  # noqa: F811
    carrier: Carrier,  # noqa: F811
    quiet: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """An open shop whose cards are taken by Stripe and whose parcels by a carrier."""
    open_shop()
    platform = Platform(databases, control, carrier, monkeypatch)
    yield platform
    platform.close()
