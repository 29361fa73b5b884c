"""One server for all tests, made empty before each, driven by Stripe's own SDK."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from tests.fakestripe.shop import Shop
from tools.fakestripe.client import Control, Server

KEY = "sk_test_oftests"
PATIENCE = 20  # seconds: a bound for a test that would hang, never what a test waits for


def client(address: str, *, key: str = KEY, timeout: float = PATIENCE) -> stripe.StripeClient:
    """The SDK, which tries once and gives up after the timeout."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": address},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=timeout),
    )


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server.start(tmp_path_factory.mktemp("fakestripe") / "stripe.sqlite3") as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """The server, as if it were new."""
    running.control.reset()
    running.control.set(webhook_url=None, webhook_secret="")
    return running


@pytest.fixture
def control(server: Server) -> Control:
    return server.control


@pytest.fixture
def api(server: Server) -> stripe.StripeClient:
    return client(server.address)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file for a server that a test starts and ends itself."""
    return tmp_path / "stripe.sqlite3"


@pytest.fixture
def shop(control: Control) -> Iterator[Shop]:
    """A shop's endpoint for webhooks, which the server knows."""
    with Shop() as shop:
        control.set(webhook_url=shop.url, webhook_secret=shop.secret)
        yield shop
        control.set(webhook_url=None)
