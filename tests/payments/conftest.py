"""A stand-in for Stripe, which keeps Stripe's promises and breaks down on demand."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.payments import gateways
from tools.fakestripe.client import Control, Server

KEY = "sk_test_payments"
RETURN = "https://shop.example/orders"


@pytest.fixture(scope="session")
def stripe_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server.start(tmp_path_factory.mktemp("stripe") / "stripe.sqlite3") as server:
        yield server


@pytest.fixture
def control(stripe_server: Server, settings: Any) -> Iterator[Control]:
    """The gateway is Stripe; nothing was paid yet, and nothing goes wrong by itself."""
    settings.CARD_GATEWAY = ""
    settings.STRIPE_API_KEY = KEY
    settings.STRIPE_API_BASE = stripe_server.address
    settings.CARD_RETURN_URL = RETURN
    gateways.gateway.cache_clear()
    stripe_server.control.reset()
    yield stripe_server.control
    gateways.gateway.cache_clear()
