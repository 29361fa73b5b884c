"""Payments as a card shop makes them."""

import time
from collections.abc import Callable
from typing import Any

import stripe

ORDER = "0199c0de-0000-7000-8000-000000000001"


def params(**other: Any) -> dict[str, Any]:
    """A hold of 12.00 EUR on a good card."""
    return {
        "amount": 1200,
        "currency": "eur",
        "confirm": True,
        "capture_method": "manual",
        "allowed_payment_method_types": ["card"],
        "payment_method": "pm_card_visa",
        "metadata": {"order_id": ORDER},
        **other,
    }


def hold(api: stripe.StripeClient, key: str | None = None, **other: Any) -> stripe.PaymentIntent:
    options: Any = {"idempotency_key": key} if key else {}
    return api.v1.payment_intents.create(params(**other), options)  # type: ignore[arg-type]


def paid(api: stripe.StripeClient, **other: Any) -> stripe.PaymentIntent:
    """A payment that has succeeded."""
    return api.v1.payment_intents.capture(hold(api, **other).id)


def refused(call: Callable[[], object]) -> stripe.StripeError:
    """What the API says to a call that it refuses."""
    try:
        call()
    except stripe.StripeError as error:
        return error
    raise AssertionError("the call was not refused")


def error_of(call: Callable[[], object]) -> dict[str, Any]:
    """The `error` object of an answer."""
    body = refused(call).json_body
    assert isinstance(body, dict)
    error: dict[str, Any] = body["error"]
    return error


def until(condition: Callable[[], object], patience: float = 20) -> None:
    """Wait for something to become true."""
    limit = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.01)
