"""Orders in the admin: found and read, never changed."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from apps.orders.models import Order
from tests.orders.shop import counts, place, saga_of

Databases = dict[str, psycopg.Connection]
LIST = "/admin/orders/order/"


@pytest.fixture(autouse=True)
def _no_collected_files(settings: Any, tmp_path: Path) -> None:
    """Tests need no collectstatic; whitenoise warns of a folder that is missing."""
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def support(databases: Databases) -> Client:
    """A client of somebody who may look at everything."""
    user = User.objects.create(username="support", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return client_of(user)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def numbers_in(page: str) -> set[str]:
    return {number for number in Order.objects.values_list("number", flat=True) if number in page}


def test_an_order_is_found_by_number_id_saga_and_customer(
    support: Client, databases: Databases
) -> None:
    order = Order.objects.get(id=place(customer_id=7).order_id)
    place(customer_id=8)

    wanted = (order.number, order.number.lower(), order.id, order.id.hex, order.saga_id, 7)
    for term in wanted:
        page = support.get(LIST, {"q": f" {term} "}).content.decode()
        assert numbers_in(page) == {order.number}, term
    for term in ("SP-", "9" * 30, "Lovelace"):
        assert numbers_in(support.get(LIST, {"q": term}).content.decode()) == set()


def test_the_list_can_be_filtered_by_status(support: Client) -> None:
    place()

    assert len(numbers_in(support.get(LIST, {"status__exact": "placed"}).content.decode())) == 1
    assert numbers_in(support.get(LIST, {"status__exact": "cancelled"}).content.decode()) == set()


def test_a_page_shows_lines_and_timeline_but_no_address(
    support: Client, databases: Databases
) -> None:
    order = Order.objects.get(id=place().order_id)

    page = support.get(f"{LIST}{order.id}/change/").content.decode()

    shown = (order.number, "21.99 GBP", "tea", "cup", "12.99 GBP", "OrderCreated", "A***, London")
    assert [each for each in shown if each not in page] == []
    assert str(saga_of(databases["orders"], order.id)) in page
    hidden = ("Lovelace", "St James", "SW1Y")
    assert [each for each in hidden if each in page] == []


@pytest.mark.parametrize("is_superuser", [False, True])
def test_nobody_changes_adds_or_deletes(databases: Databases, is_superuser: bool) -> None:
    user = User.objects.create(username="x", is_staff=True, is_superuser=is_superuser)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="orders"))
    client = client_of(user)
    order = Order.objects.get(id=place().order_id)
    before = counts(databases["orders"])
    page = f"{LIST}{order.id}/"

    answers = [
        client.post(f"{page}change/", {"status": "cancelled"}).status_code,
        client.post(f"{page}delete/", {"post": "yes"}).status_code,
        client.get(f"{LIST}add/").status_code,
        client.post(f"{LIST}add/", {}).status_code,
    ]
    action = {"action": "delete_selected", "_selected_action": str(order.id), "post": "yes"}
    client.post(LIST, action)

    assert answers == [403, 403, 403, 403]
    assert counts(databases["orders"]) == before
    assert Order.objects.get().status == "placed"


def test_staff_without_the_permission_see_nothing(databases: Databases) -> None:
    client = client_of(User.objects.create(username="x", is_staff=True))

    assert client.get(LIST).status_code == 403


def test_keys_are_not_shown(support: Client) -> None:
    assert support.get("/admin/orders/idempotencykey/").status_code == 404
