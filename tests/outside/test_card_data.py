"""No card data gets in: whatever a client sends as a card, and wherever, only the gateway's name of
it (pm_…) is kept, told or passed on."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg
import pytest
import requests
from django.http import HttpResponse
from django.test import Client

from tests.api.customer import Customer
from tests.ops import world
from tests.outside.world import PRICE, Platform
from tests.payments.stripe_calls import ASKS, GOOD, POOR

NUMBER = "4242424242424242"
ACROSS = "1234567890123456"  # no card's, by its check digit; shows that the search sees it
DATA = {"number": NUMBER, "cvc": "314", "exp_month": 12, "exp_year": 2031}
CARDS = (
    NUMBER, "4242 4242 4242 4242", "4242-4242-4242-4242", " 4242424242424242 ", int(NUMBER),
    f"pm_{NUMBER}", f"pm_card_{NUMBER}", f"pm_{NUMBER} ", f"pm_card {NUMBER}",
    f"{GOOD}\n{NUMBER}", DATA, [NUMBER], [GOOD, DATA],
)  # fmt: skip
BESIDE: tuple[dict[str, Any], ...] = (
    {"card": DATA}, {"number": NUMBER}, {"card_number": NUMBER}, {"payment_method": NUMBER},
    {"payment_method_data": {"card": DATA}}, {"cvc": "314", "card": NUMBER},
)  # fmt: skip
# Where people type what they like.
TYPED = (f"{NUMBER} Street", "Ada, 4242 4242 4242 4242", "my card:4242-4242-4242-4242!")


def order(**changes: Any) -> dict[str, Any]:
    """What a client sends to buy a tea by card."""
    address = {
        "name": "Ada", "street": "1234 5678 9012 3456 Street", "postal_code": "1", "city": "C",
        "country": "US",
    }  # fmt: skip
    line = {"product_id": "tea", "quantity": 1, "unit_price_cents": PRICE}
    return {
        "currency": "USD", "lines": [line], "payment_method": "card", "card": GOOD,
        "address": address, **changes,
    }  # fmt: skip


def in_digits(text: str) -> str:
    """Nothing but its digits: blanks and dashes hide no number."""
    return re.sub(r"\D", "", text)


def as_text(value: object) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


class Everything:
    """All that is kept, told, logged or sent, by where it is."""

    def __init__(self, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
        self.platform = platform
        self.messages: list[str] = []
        self.requests: list[requests.PreparedRequest] = []
        collect, send = world.collect, requests.Session.send

        def collected(owner: psycopg.Connection, context: str) -> list[Any]:
            records = collect(owner, context)
            for each in records:
                self.messages += [as_text(each.payload), *map(as_text, each.headers.values())]
            return records

        def sent(
            session: requests.Session, request: requests.PreparedRequest, **how: Any
        ) -> requests.Response:
            if "/_control/" not in str(request.url):
                self.requests.append(request)
            return send(session, request, **how)

        monkeypatch.setattr(world, "collect", collected)
        monkeypatch.setattr(requests.Session, "send", sent)

    def tables(self) -> Iterator[tuple[str, str]]:
        for owner in self.platform.owners.values():
            tables = owner.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            for (table,) in tables:
                rows = owner.execute(f'SELECT * FROM "{table}"').fetchall()
                yield table, joined(as_text(each) for row in rows for each in row)

    def places(self, logs: str, files: Iterable[Path]) -> dict[str, str]:
        """What there is to be searched."""
        return {
            **dict(self.tables()),
            "messages": joined(self.messages),
            "requests": joined(f"{each.url} {as_text(each.body or b'')}" for each in self.requests),
            "logs": logs,
            "gateway": json.dumps([self.platform.stripe.calls(), self.platform.stripe.ledger()]),
            **{str(each): as_text(each.read_bytes()) for each in files},
        }

    def forms(self) -> list[tuple[str, str]]:
        """Name and value of all that the gateway was sent in bodies."""
        bodies = [
            parse_qs(as_text(each.body))
            for each in self.requests
            if each.body and urlsplit(str(each.url)).path.startswith("/v1/")
        ]
        return [(name, each) for body in bodies for name, found in body.items() for each in found]


def joined(texts: Iterable[str]) -> str:
    return "\n".join(texts)


@pytest.fixture
def everything(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Everything:
    return Everything(platform, monkeypatch)


def test_no_number_of_a_card_is_kept_told_logged_or_sent(
    platform: Platform,
    everything: Everything,
    caplog: pytest.LogCaptureFixture,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    caplog.set_level("DEBUG")
    ada = Customer("ada")
    for number, wrong in enumerate((*({"card": each} for each in CARDS), *BESIDE)):
        refused = ada.place(key=f"wrong-{number}", **order(**wrong))
        assert refused.status_code == 400
        assert NUMBER not in in_digits(refused.content.decode())
    for text, place in product(TYPED, ("name", "street", "city")):
        address = {**order()["address"], place: text}
        refused = ada.place(key="typed", **order(address=address))
        assert (refused.status_code, pointers(refused)) == (400, [f"#/address/{place}"])
        assert NUMBER not in in_digits(refused.content.decode())
    assert platform.rows("orders", "SELECT FROM orders_order") == []

    order_id = json.loads(ada.post(order(card=POOR), idempotency_key="right").content)["id"]
    platform.turn_until(lambda: waiting(platform))
    for wrong in ({"card": each} for each in CARDS):
        refused = give(ada, order_id, wrong)
        assert refused.status_code == 400
        assert NUMBER not in in_digits(refused.content.decode())
    assert give(ada, order_id, {"card": GOOD}).status_code == 202
    platform.turn_until(
        lambda: platform.status(UUID(order_id)) == "confirmed" and not platform.open_calls()
    )
    assert ada.cancel(order_id, {"reason": "changed my mind", "card": NUMBER}).status_code == 400
    for text in TYPED:
        refused = ada.cancel(order_id, {"reason": text})
        assert (refused.status_code, pointers(refused)) == (400, ["#/reason"])
    assert ada.cancel(order_id, {"reason": "changed my mind"}).status_code == 202
    platform.come_to_rest()

    places = everything.places(caplog.text, tmp_path_factory.getbasetemp().glob("*/*.sqlite3*"))
    assert [place for place, text in places.items() if NUMBER in in_digits(text)] == []
    # The search sees what is kept: a street with many digits, and the gateway's name of a card.
    seen = {Path(place).name for place, text in places.items() if ACROSS in in_digits(text)}
    assert {"orders_order", "messages", "requests", "carrier.sqlite3-wal"} <= seen
    named = {Path(place).name for place, text in places.items() if POOR in text}
    assert {"payments_cardattempt", "messages", "requests"} <= named
    platform.adds_up()


def pointers(refused: HttpResponse) -> list[str]:
    """The fields that are at fault."""
    return [each["pointer"] for each in json.loads(refused.content)["errors"]]


def waiting(platform: Platform) -> bool:
    """Whether the payment waits for the customer."""
    return [status for _, status, _ in platform.open_calls()] == ["waiting"]


def give(customer: Customer, order_id: str, body: dict[str, Any]) -> HttpResponse:
    """Give another card."""
    found: HttpResponse = Client().post(
        f"/api/v1/payments/{order_id}/cards", json.dumps(body), "application/json",
        headers={"Authorization": f"Token {customer.token}"},
    )  # type: ignore[assignment]  # fmt: skip
    return found


# All that a gateway is ever told in a body: who adds to it looks whether it may be.
TOLD = {
    "amount", "currency", "capture_method", "allowed_payment_method_types[0]", "payment_method",
    "metadata[saga_id]", "metadata[order_id]", "metadata[call]", "payment_intent", "expand[0]",
    "return_url",
}  # fmt: skip
FORBIDDEN = re.compile(r"number|cvc|exp_|payment_method_data|source|billing|shipping|name|email")


def test_the_gateway_is_told_what_it_must_know_and_nothing_of_the_card(
    platform: Platform, everything: Everything
) -> None:
    """In the lives of four orders: confirmed with the bank, undone, taken back, declined."""
    asked = platform.buy(card=ASKS)
    platform.turn_until(lambda: waiting(platform))
    [intent] = platform.stripe.ledger()["payments"]
    platform.stripe.authenticate(intent["id"], approved=True)
    others = [platform.buy(pieces=201), platform.buy()]
    platform.turn_until(
        lambda: platform.status(others[-1]) == platform.status(asked) == "confirmed"
    )
    world.cancel(asked)
    world.cancel(others[-1])
    platform.buy(card="pm_card_visa_chargeDeclinedStolenCard")
    platform.come_to_rest()

    forms = everything.forms()
    assert {name for name, _ in forms} == TOLD
    assert [name for name in TOLD if FORBIDDEN.search(name)] == []
    cards = {value for name, value in forms if name == "payment_method"}
    assert cards == {GOOD, ASKS, "pm_card_visa_chargeDeclinedStolenCard"}
    operations = {each["operation"] for each in platform.stripe.calls()}
    assert {"authorize", "capture", "cancel", "refund"} <= operations
