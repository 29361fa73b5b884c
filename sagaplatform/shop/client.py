"""The shop's REST API as a customer's program sees it: tries again what may be tried again."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import requests

from sagaplatform.shop.baskets import Basket
from sagaplatform.shop.rules import wants_gift_wrap

CURRENCY = "USD"
TIMEOUT = (3.0, 30.0)  # seconds to connect, and to wait for an answer
PATIENCE = 60.0  # seconds of trying, before a platform counts as gone
LONGEST_PAUSE = 2.0
DECIDED = ("cancelled", "refused")  # what becomes of a wish to cancel


class Refused(Exception):
    """A request that the API refuses (4xx): trying it again would change nothing."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.kind = str(problem.get("type", f"HTTP {status}")).rpartition(":")[2]
        super().__init__(f"{status} {self.kind}: {problem.get('detail', 'no problem document')}")


class Unreachable(Exception):
    """The platform did not answer for a minute; the message says where to look."""


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """An order as its customer sees it."""

    id: str
    status: str
    ended_at: datetime | None
    refusal: str | None  # the refusing event's type
    wish: str | None = None  # the status of the customer's wish to cancel, if there is one

    @property
    def is_over(self) -> bool:
        """Whether it ended and, if undone, says why (that may be heard a moment later); and a wish
        to cancel it is decided."""
        if self.ended_at is None or self.wish not in (None, *DECIDED):
            return False
        return self.status == "confirmed" or self.refusal is not None or self.wish == "cancelled"


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """A payment by card as its customer sees it."""

    state: str  # among others card_needed and customer_needed
    action_url: str | None  # the bank's page, where it wants to ask


class ShopClient:
    """One platform's API. Any number of threads may share one client."""

    def __init__(self, url: str, patience: float = PATIENCE) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._local = threading.local()

    def place(self, basket: Basket, *, token: str, key: str, card: str = "") -> str:
        """Place an order, by card if there is one; its id. Raises Refused or Unreachable. Repeated
        under the same key it is the same order."""
        headers = {"Idempotency-Key": key}
        order = order_of(basket, card)
        answer = self._ask("POST", "/api/v1/orders", token, headers=headers, json=order)
        return str(answer["id"])

    def cancel(self, order_id: str, *, token: str, key: str) -> None:
        """Wish to cancel an order. Raises Refused or Unreachable."""
        headers = {"Idempotency-Key": key}
        self._ask(
            "POST", f"/api/v1/orders/{order_id}/cancellations", token, headers=headers, json={}
        )

    def look(self, order_id: str, *, token: str) -> OrderSeen:
        """Read an order. Raises Refused or Unreachable."""
        answer = self._ask("GET", f"/api/v1/orders/{order_id}", token)
        ended_at, wish = answer["ended_at"], answer["cancellation"]["wish"]
        return OrderSeen(
            id=order_id,
            status=answer["status"],
            ended_at=datetime.fromisoformat(ended_at) if ended_at else None,
            refusal=answer["refusal"]["code"] if answer["refusal"] else None,
            wish=wish["status"] if wish else None,
        )

    def payment(self, order_id: str, *, token: str) -> PaymentSeen | None:
        """How an order's payment by card stands; None before it has come to that. Raises Refused or
        Unreachable."""
        try:
            answer = self._ask("GET", f"/api/v1/payments/{order_id}", token)
        except Refused as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return PaymentSeen(answer["state"], answer["action_url"])

    def give_card(self, order_id: str, card: str, *, token: str) -> None:
        """Pay an order by another card. Raises Refused or Unreachable."""
        self._ask("POST", f"/api/v1/payments/{order_id}/cards", token, json={"card": card})

    def answer_bank(self, action_url: str, *, agrees: bool) -> None:
        """Do on the bank's page what a customer does there. Whether it was heard shows in the
        payment."""
        with contextlib.suppress(requests.RequestException):
            answer = {"answer": "approve" if agrees else "fail"}
            self._session().post(action_url, data=answer, timeout=TIMEOUT, allow_redirects=False)

    def _ask(self, method: str, path: str, token: str, **request: Any) -> Any:
        headers = request.pop("headers", {}) | {"Authorization": f"Token {token}"}
        problem = ""
        for _ in pauses(self._patience):
            try:
                response = self._session().request(
                    method, self.url + path, headers=headers, timeout=TIMEOUT, **request
                )
            except (requests.ConnectionError, requests.Timeout) as error:
                problem = str(error)
                continue
            if response.status_code < 500:
                return _accepted(response)
            problem = f"it answered {response.status_code}"
        raise Unreachable(
            f"{self.url} gave no usable answer for {self._patience:.0f} seconds ({problem}). "
            f"Is the platform up (`make up`)? Its web log is in .local/log/."
        )

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False  # a proxy is no way to a platform of one's own
        session: requests.Session = self._local.session
        return session


def order_of(basket: Basket, card: str = "") -> dict[str, Any]:
    """The body of the request. The address is made from the household's number: it is nobody's."""
    payment = {"payment_method": "card", "card": card} if card else {"payment_method": "credit"}
    return {
        "currency": CURRENCY,
        **payment,
        "gift_wrap": wants_gift_wrap(basket),
        "lines": [
            {
                "product_id": line.product_id,
                "quantity": line.quantity,
                "unit_price_cents": line.unit_price_cents,
            }
            for line in basket.lines
        ],
        "address": {
            "name": f"Household {basket.household}",
            "street": f"{basket.household} Sample Street",
            "postal_code": f"{basket.household % 100_000:05d}",
            "city": "Sampletown",
            "country": "US",
        },
    }


def pauses(patience: float) -> Iterator[None]:
    """Tries, with growing pauses between them, until `patience` seconds are over."""
    give_up, pause = time.monotonic() + patience, 0.05
    while True:
        yield
        if time.monotonic() + pause > give_up:
            return
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
        pause = min(LONGEST_PAUSE, 2 * pause)


def _accepted(response: requests.Response) -> Any:
    if response.ok:
        return response.json()
    try:
        problem = response.json()
    except requests.JSONDecodeError:
        problem = {}
    raise Refused(response.status_code, problem if isinstance(problem, dict) else {})
