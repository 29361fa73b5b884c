"""The admin's lists of payments: they can be read and searched, and nothing more."""

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from uuid_utils.compat import uuid7

from apps.contracts.numbers import number_of
from apps.payments.models import Payment
from tests.handling import ask
from tests.payments.shop import captured, credit, held
from tests.payments.test_refunds import refund as back


@pytest.fixture
def agent(databases: dict[str, psycopg.Connection]) -> Client:
    """Logged in with all rights."""
    client = Client()
    client.force_login(User.objects.create_superuser("agent"))
    return client


@pytest.mark.parametrize(
    ("page", "search"),
    [("account", "1"), ("ledgerentry", "1"), ("payment", "{saga_id}"), ("payment", "1")],
)
def test_lists_find_what_is_searched(agent: Client, page: str, search: str) -> None:
    credit(anna=50_00)
    saga_id = held(30_00)
    found = agent.get(f"/admin/payments/{page}/", {"q": search.format(saga_id=saga_id)})
    assert found.status_code == 200
    assert b"30.00 EUR" in found.content


def test_refunds_say_the_amount_and_lead_to_order_and_return(agent: Client) -> None:
    credit(anna=50_00)
    paid, returned = captured(30_00), uuid7()
    ask("payments", back(paid, 2), saga_id=returned)
    [(order_id,)] = Payment.objects.filter(saga_id=paid).values_list("order_id")
    page = agent.get("/admin/payments/refund/").content.decode()
    assert "10.00 EUR" in page
    assert number_of(order_id) in page
    assert f"/admin/sagas/saga/{returned}/change/" in page
    assert agent.get(f"/admin/payments/refund/{returned}/change/").status_code == 200


@pytest.mark.parametrize("page", ["account", "ledgerentry", "payment"])
def test_nothing_can_be_added(agent: Client, page: str) -> None:
    assert agent.get(f"/admin/payments/{page}/add/").status_code == 403


def test_nothing_can_be_changed_or_deleted(agent: Client) -> None:
    credit(anna=50_00)
    saga_id = held(30_00)
    page = f"/admin/payments/payment/{saga_id}"
    assert agent.get(f"{page}/change/").status_code == 200
    assert agent.post(f"{page}/change/", {"amount_cents": 1}).status_code == 403
    assert agent.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
