"""Providers that do not answer, and a gateway that tells of itself too early, twice, late or never:
sagas wait where it can be seen, and end the same."""

from collections.abc import Callable

import pytest

from apps.contracts.plan import Mode
from tests.e2e.world import drive
from tests.outside.world import PRICE, Platform
from tests.payments.outside import door
from tests.payments.stripe_calls import ASKS
from tests.shipping.dock import until

# --- circuit breakers

ORDERS = 8  # more than the failures after which a provider is not called
SILENT = [("stripe", "payments", "authorize"), ("carrier", "shipping", "book")]


@pytest.mark.parametrize(("provider", "context", "operation"), SILENT)
@pytest.mark.parametrize("mode", Mode)
def test_sagas_wait_visibly_for_who_does_not_answer_and_then_all_end(
    platform: Platform, provider: str, context: str, operation: str, mode: Mode
) -> None:
    drive(mode)
    platform.rests = False
    platform.the_carrier_comes()
    server = platform.stripe if provider == "stripe" else platform.carrier
    server.chance("any", "refused", 100)
    early = [platform.buy() for _ in range(ORDERS)]
    platform.turn_until(lambda: is_open(platform, context))
    calls = len(server.calls())
    late = [platform.buy() for _ in range(2)]
    for _ in range(4):
        platform.turn()

    # Nobody calls it, nothing has failed, and each saga says what it waits for.
    assert len(server.calls()) == calls
    assert {platform.status(each) for each in early + late} == {"placed"}
    said = platform.rows(
        "sagas",
        "SELECT count(DISTINCT saga_id) FROM sagas_sagaevent"
        " WHERE kind = 'waits' AND starts_with(text, %s)",
        f"{provider} does not answer; asked again at ",
    )
    assert said == [(len(early + late),)]
    assert {status for name, status, _ in platform.open_calls()} == {"due", "unknown"}

    server.clear_faults()
    platform.rests = True
    platform.come_to_rest()
    assert {platform.status(each) for each in early + late} == {"confirmed"}
    assert not is_open(platform, context)
    assert {platform.money(each) for each in early + late} == {(0, PRICE, 0)}
    platform.adds_up()


def is_open(platform: Platform, context: str) -> bool:
    """Whether a provider of the context is not called."""
    query = f"SELECT FROM {context}_providerstate WHERE opened_at IS NOT NULL"
    return bool(platform.rows(context, query))


# --- webhooks

HELD, TAKEN = "payment_intent.amount_capturable_updated", "payment_intent.succeeded"


@pytest.mark.parametrize(
    "kind", ["none", "before_answer", "twice", "out_of_order", "late", "never"]
)
@pytest.mark.parametrize("mode", Mode)
def test_an_order_ends_the_same_however_webhooks_come(
    platform: Platform, kind: str, mode: Mode
) -> None:
    drive(mode)
    platform.the_carrier_comes()
    with door() as address:
        platform.stripe.set(webhook_url=address)
        if kind != "none":
            seconds = 0.2 if kind in ("late", "out_of_order") else None
            platform.stripe.webhook_chance("any", kind, 100, seconds=seconds)
        order_id = platform.buy(card=ASKS)
        platform.turn_until(lambda: reference(platform, "requires_action"))
        platform.stripe.authenticate(reference(platform, "requires_action"), approved=True)
        platform.come_to_rest()
        if kind != "never":
            until(heard(platform, TAKEN))
        platform.stripe.set(webhook_url=None)
        platform.come_to_rest()

    assert platform.status(order_id) == "confirmed"
    assert platform.money(order_id) == (0, PRICE, 0)
    events = platform.rows("payments", "SELECT type, status FROM payments_stripeevent")
    assert ({HELD, TAKEN} <= {each for each, _ in events}) == (kind != "never")
    assert {status for _, status in events} <= {"handled", "ignored"}
    platform.adds_up()


def reference(platform: Platform, status: str) -> str:
    """Of the payment with that status; empty where there is none."""
    found = [
        each["id"] for each in platform.stripe.ledger()["payments"] if each["status"] == status
    ]
    return found[0] if found else ""


def heard(platform: Platform, kind: str) -> Callable[[], bool]:
    query = "SELECT FROM payments_stripeevent WHERE type = %s"
    return lambda: bool(platform.rows("payments", query, kind))
