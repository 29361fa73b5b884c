"""A customer of the REST API."""

import copy
import json
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from knox.models import AuthToken

BODY: dict[str, Any] = {
    "currency": "GBP",
    "lines": [
        {"product_id": "tea", "quantity": 2, "unit_price_cents": 450},
        {"product_id": "cup", "quantity": 1, "unit_price_cents": 1299},
    ],
    "payment_method": "credit",
    "gift_wrap": False,
    "address": {
        "name": "Ada Lovelace",
        "street": "12 St James's Square",
        "postal_code": "SW1Y 4JH",
        "city": "London",
        "country": "GB",
    },
}


class Customer:
    """Somebody with a token, who sends requests."""

    def __init__(self, name: str) -> None:
        self.user = User.objects.create(username=name)
        _, self.token = AuthToken.objects.create(user=self.user)

    def get(self, path: str, **headers: str) -> HttpResponse:
        return Client().get(path, headers=self._headers(headers))

    def post(self, body: object, **headers: str) -> HttpResponse:
        """Place an order; bytes are sent as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body)
        return Client(raise_request_exception=False).post(
            "/api/v1/orders", content, "application/json", headers=self._headers(headers)
        )

    def place(self, key: str = "key-1", **changes: Any) -> HttpResponse:
        """Place the order of BODY with some changes."""
        return self.post(BODY | changes, idempotency_key=key)

    def cancel(self, order_id: str, body: object, key: str = "wish-1") -> HttpResponse:
        """Wish to cancel an order."""
        return Client(raise_request_exception=False).post(
            f"/api/v1/orders/{order_id}/cancellations", json.dumps(body), "application/json",
            headers=self._headers({"idempotency_key": key}),
        )  # fmt: skip

    def send_back(self, order_id: str, body: object, key: str = "return-1") -> HttpResponse:
        """Announce that goods come back."""
        return Client(raise_request_exception=False).post(
            f"/api/v1/orders/{order_id}/returns", json.dumps(body), "application/json",
            headers=self._headers({"idempotency_key": key}),
        )  # fmt: skip

    def scan(self, return_id: str, body: object) -> HttpResponse:
        """Say at the desk what has arrived."""
        return Client(raise_request_exception=False).post(
            f"/api/v1/returns/{return_id}/receipts", json.dumps(body), "application/json",
            headers=self._headers({}),
        )  # fmt: skip

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"Authorization": f"Token {self.token}"} | named


def changed(path: str, value: object) -> dict[str, Any]:
    """BODY with the value at `lines/0/quantity` replaced; `...` takes it out."""
    body = copy.deepcopy(BODY)
    *parents, last = [int(each) if each.isdigit() else each for each in path.split("/")]
    place: Any = body
    for each in parents:
        place = place[each]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return body
