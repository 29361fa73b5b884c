"""All faults at once, and a shop that asks again with the same key: each order is paid once."""

from collections.abc import Callable
from typing import Any

import stripe

from tests.fakestripe.conftest import client
from tests.fakestripe.payments import hold, until
from tests.fakestripe.shop import Shop
from tools.fakestripe.client import Control, Server
from tools.fakestripe.faults import ApiFault, WebhookFault

ORDERS = [f"order-{number}" for number in range(20)]
TRIES = 50


def surely(ask: Callable[[], Any], find: Callable[[], Any]) -> Any:
    """Ask until there is an answer; where one may be lost, look for what has come of it."""
    for _ in range(TRIES):
        try:
            return ask()
        except stripe.StripeError:
            found = look(find)
            if found is not None:
                return found
    raise AssertionError("there was no answer in all that time")


def look(find: Callable[[], Any]) -> Any:
    """What there is, if anything; a look may fail too."""
    for _ in range(TRIES):
        try:
            return find()
        except stripe.StripeError:
            continue
    raise AssertionError("nothing could be looked up in all that time")


def pay(api: stripe.StripeClient, order: str) -> str:
    """Hold and capture, surely; returns the payment's id."""
    intents = api.v1.payment_intents

    def held() -> str | None:
        found = intents.search({"query": f"metadata['order_id']:'{order}'"}).data
        return found[0].id if found else None

    def captured() -> bool | None:
        return intents.retrieve(payment).status == "succeeded" or None

    metadata = {"order_id": order}
    payment: str = surely(lambda: hold(api, f"{order}-authorize", metadata=metadata).id, held)
    options: Any = {"idempotency_key": f"{order}-capture"}
    surely(lambda: bool(intents.capture(payment, {}, options)), captured)
    return payment


def give_back(api: stripe.StripeClient, payment: str) -> None:
    """Refund the whole, surely."""

    def given() -> bool | None:
        return bool(api.v1.refunds.list({"payment_intent": payment}).data) or None

    options: Any = {"idempotency_key": f"{payment}-refund"}
    surely(
        lambda: bool(api.v1.refunds.create({"payment_intent": payment}, options)),
        given,
    )


def test_each_order_is_paid_once_whatever_goes_wrong(
    server: Server, control: Control, shop: Shop
) -> None:
    for number, fault in enumerate(ApiFault):
        control.chance("any", fault, 10, seed=number, seconds=0.01)
    for fault in (WebhookFault.TWICE, WebhookFault.OUT_OF_ORDER, WebhookFault.LATE):
        control.webhook_chance("any", fault, 20, seconds=0.05)
    api = client(server.address)
    payments = {order: pay(api, order) for order in ORDERS}
    for order in ORDERS[::3]:
        give_back(api, payments[order])

    ledger = control.ledger()
    assert ledger["double_charges"] == []
    assert ledger["orders"] == {
        order: {"held": 0, "captured": 1200, "refunded": 0 if number % 3 else 1200}
        for number, order in enumerate(ORDERS)
    }
    met = {call["fault"] for call in control.calls()} - {None}
    assert met == set(ApiFault)

    until(lambda: {each["status"] for each in control.deliveries()} == {"sent"})
    control.clear_faults()
    told = {shop.read(*each).id for each in shop.taken}
    assert told == {event.id for event in api.v1.events.list({"limit": 100}).auto_paging_iter()}
    assert len(shop.taken) > len(told)
