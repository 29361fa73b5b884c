"""Inventory as a deployment of its own, with no other database's address; customers buy as ever."""

import json
import os
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests
from django.contrib.auth.models import User
from knox.models import AuthToken

from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from sagaplatform.env import ALIASES
from tests.alone.conftest import Parted
from tests.alone.deployments import environ_of
from tests.e2e.world import CUSTOMER, HOLDINGS, PRICES, open_shop
from tests.scraping import samples

Databases = dict[str, psycopg.Connection]
OTHERS = [each for each in ALIASES if each != "inventory"]
ADDRESS = {
    "name": "Ada Example", "street": "1 Any Street", "postal_code": "12345", "city": "Anytown",
    "country": "US",
}  # fmt: skip


@pytest.fixture
def parted(running: Parted, databases: Databases) -> Parted:
    """Both deployments, and a shop that is open."""
    open_shop()
    return running


class Ada:
    """A customer of the real API."""

    def __init__(self, port: int) -> None:
        self.orders = f"http://127.0.0.1:{port}/api/v1/orders"
        user = User.objects.create(pk=CUSTOMER, username="ada")
        _, self.token = AuthToken.objects.create(user=user)

    def buy(self, *, off_cents: int = 0, **quantities: int) -> str:
        """Order a basket, at list price less `off_cents`; the order's id."""
        lines = [
            {
                "product_id": product,
                "quantity": quantity,
                "unit_price_cents": PRICES[product] - off_cents,
            }
            for product, quantity in quantities.items()
        ]
        body = {
            "currency": "USD", "payment_method": "credit", "gift_wrap": False,
            "address": ADDRESS, "lines": lines,
        }  # fmt: skip
        headers = self._headers() | {"Idempotency-Key": f"key-{uuid4()}"}
        answer = requests.post(self.orders, json=body, headers=headers, timeout=30)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def look(self, order_id: str) -> tuple[str, str | None]:
        """The order's status, and what refused it."""
        answer = requests.get(f"{self.orders}/{order_id}", headers=self._headers(), timeout=30)
        order = answer.json()
        return order["status"], (order["refusal"] or {}).get("code")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"}


def get(port: int, path: str) -> requests.Response:
    """A page of a web process."""
    return requests.get(f"http://127.0.0.1:{port}{path}", timeout=30, allow_redirects=False)


def is_served(port: int, path: str = "/health/live") -> bool:
    """Whether a web process answers yet."""
    try:
        return get(port, path).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.fixture
def ada(parted: Parted) -> Ada:
    parted.wait_until(lambda: is_served(parted.rest_port), "the API")
    return Ada(parted.rest_port)


def test_no_process_of_inventory_has_another_databases_address(parted: Parted) -> None:
    parted.wait_until(lambda: is_served(parted.alone_port), "the web process")  # it has its workers
    found = {pid: environ_of(pid) for pid in parted.alone.pids()}

    assert len(found) == 3  # the consumer, the web process and its worker
    for environ in found.values():
        assert {each for each in environ if each.startswith("DATABASE_")} == {
            "DATABASE_URL_INVENTORY"
        }
        for alias in OTHERS:
            assert os.environ[f"DATABASE_URL_{alias.upper()}"] not in environ.values()
            assert os.environ[f"DATABASE_OWNER_URL_{alias.upper()}"] not in environ.values()


def test_no_process_of_the_others_has_inventorys_address(parted: Parted) -> None:
    for environ in map(environ_of, parted.rest.pids()):
        assert "DATABASE_URL_INVENTORY" not in environ
        assert os.environ["DATABASE_URL_INVENTORY"] not in environ.values()


def test_baskets_are_bought_across_both(parted: Parted, databases: Databases, ada: Ada) -> None:
    """Two are confirmed; one is refused by inventory, and two are refused behind it, so that it
    takes its part back."""
    bought = {
        "tea": ada.buy(tea=2, cup=1),
        "cake": ada.buy(cake=3),
        "too many": ada.buy(tea=1001),
        "wrong price": ada.buy(tea=5, off_cents=1),
        "too heavy": ada.buy(cake=70),
    }
    parted.wait_until_ended(5)

    assert {name: ada.look(each) for name, each in bought.items()} == {
        "tea": ("confirmed", None),
        "cake": ("confirmed", None),
        "too many": ("cancelled", "StockReservationFailed"),
        "wrong price": ("cancelled", "PriceFreezeFailed"),
        "too heavy": ("cancelled", "ShipmentRefused"),
    }
    assert databases["inventory"].execute(HOLDINGS["inventory"]).fetchall() == [
        ("cake", 997, 0, 3),
        ("cup", 999, 0, 1),
        ("tea", 998, 0, 2),
    ]
    proof = prove(Patience(moment=timedelta(0)))
    assert {str(each.law): each.faults for each in proof.verdicts if each.faults} == {}


def told(port: int) -> tuple[int, dict[str, Any]]:
    """How ready a web process is."""
    answer = get(port, "/health/ready")
    return answer.status_code, answer.json()["checks"]


def test_each_tells_of_its_own_servers_only(parted: Parted, ada: Ada) -> None:
    parted.wait_until(lambda: is_served(parted.alone_port), "the web process")

    assert told(parted.alone_port) == (200, {"inventory": "ok", "kafka": "ok"})
    assert told(parted.rest_port) == (200, dict.fromkeys((*OTHERS, "kafka"), "ok"))


def test_inventory_alone_has_metrics_of_its_own_and_neither_api_nor_admin(parted: Parted) -> None:
    parted.wait_until(lambda: is_served(parted.alone_port), "the web process")
    found = samples(get(parted.alone_port, "/metrics").text)

    assert {dict(labels)["service"] for name, labels in found if name == "outbox_messages"} == {
        "inventory"
    }
    assert get(parted.alone_port, "/admin/").status_code == 404
    assert get(parted.alone_port, "/api/v1/orders").status_code == 404
    assert get(parted.alone_port, "/").status_code == 404


def test_the_others_have_an_admin_without_inventory(parted: Parted, ada: Ada) -> None:
    assert get(parted.rest_port, "/admin/").headers["Location"].startswith("/admin/login/")
    assert json.loads(get(parted.rest_port, "/api/v1/orders").text)["status"] == 401
