"""The platform in several deployments, and a customer of its API."""

import socket
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import requests
from django.contrib.auth.models import User
from knox.models import AuthToken

from apps.messaging.management.commands.run_watchdog import watching
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from tests.alone.deployments import Deployment, environment
from tests.e2e.world import CUSTOMER, HOLDINGS, PRICES
from tests.running import Platform

ADDRESS = {
    "name": "Ada Example", "street": "1 Any Street", "postal_code": "12345", "city": "Anytown",
    "country": "US",
}  # fmt: skip


class Part:
    """The contexts of one deployment, and whether it has users: then its web process is the API."""

    def __init__(self, *contexts: str, users: bool = False) -> None:
        self.contexts, self.users = contexts, users
        self.port = free_port()

    def start(self, logs: Path) -> Deployment:
        """Its web process, its consumers, and its watchdog where it has something to watch."""
        log = logs / f"{self.contexts[0]}.log"
        deployment = Deployment(environment(*self.contexts, users=self.users), log).serve(self.port)
        for name in self.contexts:
            deployment.start("run_consumer", name)
        if not set(watching()).isdisjoint(self.contexts):
            deployment.start("run_watchdog")
        return deployment


class Parted(Platform):
    """Deployments that are the platform together."""

    def __init__(
        self, owners: dict[str, psycopg.Connection], logs: Path, parts: Sequence[Part]
    ) -> None:
        super().__init__(owners, logs)
        self.parts = {each.contexts[0]: each for each in parts}
        self.deployments = {name: each.start(logs) for name, each in self.parts.items()}
        for deployment in self.deployments.values():
            self.processes |= deployment.processes

    def served(self, context: str) -> str:
        """The address of the web process of the deployment that begins with this context, when it
        answers."""
        address = f"http://127.0.0.1:{self.parts[context].port}"
        self.wait_until(lambda: lives(address), f"the web process of {context}")
        return address


class Ada:
    """A customer of the real API."""

    def __init__(self, address: str) -> None:
        self.orders = f"{address}/api/v1/orders"
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

    def knows(self, order_id: str) -> bool:
        """Whether the order is confirmed, or says why not; that may be heard a moment later."""
        status, refusal = self.look(order_id)
        return status == "confirmed" or refusal is not None

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"}


def buy_and_look(parted: Parted, databases: dict[str, psycopg.Connection]) -> None:
    """Two baskets are confirmed; one is refused by inventory, and two are refused behind it, so
    that it takes its part back."""
    ada = Ada(parted.served("orders"))
    bought = {
        "tea": ada.buy(tea=2, cup=1),
        "cake": ada.buy(cake=3),
        "too many": ada.buy(tea=1001),
        "wrong price": ada.buy(tea=5, off_cents=1),
        "too heavy": ada.buy(cake=70),
    }
    parted.wait_until_ended(5)
    parted.wait_until(lambda: all(map(ada.knows, bought.values())), "orders to hear of refusals")

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


def get(address: str) -> requests.Response:
    """A page, without following where it leads."""
    return requests.get(address, timeout=30, allow_redirects=False)


def lives(address: str) -> bool:
    """Whether a web process answers yet."""
    try:
        return get(f"{address}/health/live").status_code == 200
    except (requests.ConnectionError, requests.Timeout):
        return False


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
