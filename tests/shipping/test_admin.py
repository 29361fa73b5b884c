"""The admin's lists of shipping: they can be read and searched, and they show no address."""

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from uuid_utils.compat import uuid7

from tests.handling import ask
from tests.shipping.desk import booked, gift


@pytest.fixture
def agent(databases: dict[str, psycopg.Connection]) -> Client:
    """Logged in with all rights."""
    client = Client()
    client.force_login(User.objects.create_superuser("agent"))
    return client


def test_a_gift_is_found_by_its_saga(agent: Client) -> None:
    saga_id = uuid7()
    ask("shipping", gift(12), saga_id=saga_id)
    found = agent.get("/admin/shipping/giftwrap/", {"q": str(saga_id)})
    assert found.status_code == 200
    assert f"/admin/shipping/giftwrap/{saga_id}/change/" in found.content.decode()


@pytest.mark.parametrize("page", ["", "{saga_id}/change/"])
def test_a_parcel_is_found_and_its_address_stays_hidden(agent: Client, page: str) -> None:
    saga_id = booked()
    found = agent.get(f"/admin/shipping/shipment/{page.format(saga_id=saga_id)}")
    text = found.content.decode()
    assert found.status_code == 200
    assert "Berlin" in text
    assert [each for each in ("Agapova", "Gasse 7", "10115") if each in text] == []


@pytest.mark.parametrize("page", ["giftwrap", "shipment"])
def test_nothing_can_be_added(agent: Client, page: str) -> None:
    assert agent.get(f"/admin/shipping/{page}/add/").status_code == 403


def test_nothing_can_be_changed_or_deleted(agent: Client) -> None:
    page = f"/admin/shipping/shipment/{booked()}"
    assert agent.post(f"{page}/change/", {"status": "cancelled"}).status_code == 403
    assert agent.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
