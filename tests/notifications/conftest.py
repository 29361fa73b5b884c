"""A mail server in a process of its own, and the post that sends to it."""

from collections.abc import Iterator

import psycopg
import pytest
from pytest_django import Settings

from tests.notifications.post import Post
from tools.mailcatcher.client import Server


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server.start(tmp_path_factory.mktemp("mailcatcher") / "mail.sqlite3") as server:
        yield server


@pytest.fixture
def server(running: Server, settings: Settings) -> Server:
    """The server, as if it were new; mail goes there."""
    running.clear()
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.smtp_port
    settings.EMAIL_FROM = "The shop <shop@shop.example>"
    settings.ORDER_URL = "https://shop.example/orders/{order_id}"
    settings.NOTIFY_WEBHOOK_SECRET = "of pushes"
    settings.MAIL_WEBHOOK_SECRET = "of bounces"
    settings.DEBUG = True  # pushes may go to this machine
    return running


@pytest.fixture
def post(server: Server, databases: dict[str, psycopg.Connection], quiet: None) -> Post:
    return Post(server, databases["notifications"])
