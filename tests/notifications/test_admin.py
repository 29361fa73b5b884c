"""The admin's list of messages: it can be read and searched, and nothing more."""

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from uuid_utils.compat import uuid7

from apps.contracts.notifications import SendConfirmation
from apps.notifications.selectors import inbox
from tests.handling import ask


@pytest.fixture
def agent(databases: dict[str, psycopg.Connection], settings: Settings) -> Client:
    """Logged in with all rights."""
    settings.WHITENOISE_AUTOREFRESH = True  # static files are not collected for tests
    client = Client()
    client.force_login(User.objects.create_superuser("agent"))
    return client


def test_a_message_is_found_and_can_only_be_read(agent: Client) -> None:
    order_id = uuid7()
    ask(
        "notifications",
        SendConfirmation(order_id=order_id, customer_id=7, currency="EUR", total_cents=1_00),
    )
    page = f"/admin/notifications/customermessage/{inbox(7).get().id}"
    listed = agent.get("/admin/notifications/customermessage/", {"q": "7"})
    assert listed.status_code == 200
    assert f"{page}/change/" in listed.content.decode()
    assert agent.get(f"{page}/change/").status_code == 200
    assert agent.post(f"{page}/change/", {"subject": "x"}).status_code == 403
    assert agent.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert agent.get("/admin/notifications/customermessage/add/").status_code == 403
