"""A stand-in for Stripe, which keeps Stripe's promises and breaks down on demand: one process for
all tests, made empty before each."""

from collections.abc import Iterator

import psycopg
import pytest
from pytest_django import Settings

from apps.payments import gateways
from tests.payments.outside import KEY, SECRET, Card, Told
from tools.fakestripe.client import Control, Server

RETURN = "https://shop.example/orders"


@pytest.fixture(scope="session")
def stripe_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server.start(tmp_path_factory.mktemp("stripe") / "stripe.sqlite3") as server:
        yield server


@pytest.fixture
def control(stripe_server: Server, settings: Settings) -> Iterator[Control]:
    """The gateway is Stripe; nothing was paid yet, nothing goes wrong by itself, and webhooks go
    nowhere."""
    settings.CARD_GATEWAY = ""
    settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = KEY, stripe_server.address
    settings.STRIPE_WEBHOOK_SECRET = SECRET
    settings.CARD_RETURN_URL = RETURN
    gateways.gateway.cache_clear()
    stripe_server.control.reset()
    stripe_server.control.set(webhook_url=None, webhook_secret=SECRET)
    yield stripe_server.control
    stripe_server.control.set(webhook_url=None)
    gateways.gateway.cache_clear()


@pytest.fixture
def card(control: Control, databases: dict[str, psycopg.Connection]) -> Card:
    return Card(databases["payments"], control)


@pytest.fixture
def told(databases: dict[str, psycopg.Connection]) -> Told:
    return Told(databases["payments"])
