"""Stripe behind the gateway: whatever goes wrong on the way, the money moves once or not at all."""

from typing import Any

import psycopg
import pytest
import stripe

from apps.messaging.handling import StillWaiting
from apps.payments import stripe_api
from apps.payments.gateways import GatewayAnswer
from tests.payments.stripe_calls import (
    ASKS, GOOD, POOR, Shop, again, earlier, make, until_definite,
)  # fmt: skip
from tools.fakestripe.client import Control

pytestmark = pytest.mark.usefixtures("quick")
MONEY = {  # held, captured, refunded after each operation
    "authorize": (1500, 0, 0),
    "capture": (0, 1500, 0),
    "cancel": (0, 0, 0),
    "refund": (0, 1500, 1500),
}
FAULTS = (
    "refused", "error_before", "conflict", "rate_limited", "hang_before", "slow", "answer_lost",
    "answer_cut", "hang_after", "error_after",
)  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds, and the SDK does not repeat what is to be seen going wrong."""
    monkeypatch.setattr(stripe_api, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(stripe_api, "RETRIES", 0)
    stripe_api._client.cache_clear()


@pytest.fixture
def shop(control: Control, databases: dict[str, psycopg.Connection]) -> Any:
    yield Shop(control, databases["payments"])
    control.release()
    stripe_api._client.cache_clear()


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize(
    ("operation", "before"),
    [("authorize", 0), ("authorize", 1), ("capture", 0), ("cancel", 0), ("refund", 0)],
    ids=["create", "confirm", "capture", "cancel", "refund"],
)
def test_whatever_goes_wrong_the_money_moves_once(
    shop: Shop, operation: str, before: int, kind: str
) -> None:
    shop.before(operation)
    if before:
        shop.control.fault(operation, "none", times=before)
    shop.control.fault(operation, kind)
    call = shop.call(operation)
    with pytest.raises(stripe.StripeError):
        make(call)
    shop.control.release()

    assert until_definite(again(call)).ok
    assert shop.money() == MONEY[operation]
    assert until_definite(again(call)).ok  # killed before it was written down: once more
    assert shop.money() == MONEY[operation]
