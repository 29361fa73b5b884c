"""A stand-in for Stripe: one process for all tests, made empty before each."""

from collections.abc import Iterator

import psycopg
import pytest
from pytest_django import Settings

from apps.payments import gateways
from tests.payments.outside import KEY, SECRET, Card, Told
from tools.fakestripe.client import Control, Server


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server.start(tmp_path_factory.mktemp("stripe") / "stripe.sqlite3") as server:
        yield server


@pytest.fixture
def control(
    running: Server, databases: dict[str, psycopg.Connection], settings: Settings
) -> Iterator[Control]:
    """The gateway of this shop, as if it were new; its webhooks go nowhere."""
    running.control.reset()
    running.control.set(webhook_url=None, webhook_secret=SECRET)
    settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = KEY, running.address
    settings.STRIPE_WEBHOOK_SECRET = SECRET
    settings.CARD_GATEWAY = "tests.payments.outside.Gateway"
    gateways.gateway.cache_clear()
    yield running.control
    running.control.set(webhook_url=None)
    gateways.gateway.cache_clear()


@pytest.fixture
def card(control: Control, databases: dict[str, psycopg.Connection]) -> Card:
    return Card(databases["payments"], control)


@pytest.fixture
def told(databases: dict[str, psycopg.Connection]) -> Told:
    return Told(databases["payments"])
