"""Sagas that nobody coordinates, with the platform's own processes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from pytest_django import Settings
from waffle.testutils import override_switch

from apps.contracts.plan import Mode
from apps.contracts.values import PaymentMethod, PricedLine
from apps.inventory.services import receive_stock
from apps.messaging.calls import work
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from apps.payments.services import set_credit
from tests.e2e.world import basket, buy, drive
from tests.running import Platform
from tests.standin import VARIABLE, StandInGateway

Databases = dict[str, psycopg.Connection]
AT_REST = Patience(moment=timedelta(0), shipping=timedelta(0), second_look=0)
WRONG_PRICE = (PricedLine(product_id="tea", quantity=1, unit_price_cents=449),)
# What is bought, whether as a gift, and whose refusal undoes it.
KINDS = (
    (basket(tea=1), False, ""),
    (basket(tea=1, cup=1), False, ""),
    (basket(tea=1), True, ""),
    (basket(tea=100_000), False, "reserve_stock"),
    (WRONG_PRICE, False, "freeze_price"),
    (basket(tea=1), False, "authorize_payment"),
    (basket(tea=31), True, "wrap_gift"),
    (basket(cake=70), False, "create_shipment"),
)
# The same with a check for fraud and with cards, so that every step that can refuse does.
ALL_KINDS = (
    *KINDS,
    (basket(tea=1), True, "check_fraud"),
    (basket(tea=1), True, "capture_payment"),
)
ORDERS = 200
RICH, POOR = 10_000, 20_000  # from which number on; each customer buys once
FAST = 9  # a customer with more orders within the hour than anybody places
GATEWAY = "tests.standin.StandInGateway"
ORDERED_A_LOT = """
INSERT INTO fraud_assessment
  (saga_id, order_id, customer_id, currency, total_cents, country, status, decided_by)
SELECT gen_random_uuid(), gen_random_uuid(), %s, 'USD', 1, 'US', 'cleared', 'rules'
FROM generate_series(1, 30)
"""


def placed(databases: Databases) -> int:
    row = (
        databases["orders"]
        .execute("SELECT count(*) FROM orders_order WHERE status = 'placed'")
        .fetchone()
    )
    assert row
    return int(row[0])


@pytest.fixture
def with_cards(
    platform: Platform, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """payments takes cards by a gateway that captures nothing; the worker is this process."""
    ledger = str(tmp_path / "gateway.db")
    StandInGateway(ledger).will("capture", *["decline"] * ORDERS)
    monkeypatch.setenv(VARIABLE, ledger)
    settings.CARD_GATEWAY = GATEWAY
    platform.end("payments")
    platform.start_consumer("payments", CARD_GATEWAY=GATEWAY)
    yield platform
    platform.end("payments")  # the next test starts one without


def customer_for(number: int, refused: str) -> int:
    """Who buys, so that nothing but what is meant to refuses."""
    if refused == "check_fraud":
        return FAST
    return (POOR if refused == "authorize_payment" else RICH) + number


@pytest.mark.timeout(300)
def test_orders_end_though_engine_and_tracker_are_stopped_and_the_tracker_agrees_later(
    with_cards: Platform, databases: Databases
) -> None:
    platform = with_cards
    receive_stock(quantities={"cake": 10_000}, reason="test")
    set_credit(
        available={RICH + each: 1_000_000 for each in range(ORDERS)}
        | {POOR + each: 100 for each in range(ORDERS)},
        currency="USD",
        reason="test",
    )
    databases["fraud"].execute(ORDERED_A_LOT, [FAST])
    drive(Mode.CHOREOGRAPHED)
    platform.kill("sagas")
    expected = {}
    with override_switch("gift_wrap", active=True), override_switch("check_fraud", active=True):
        for number in range(ORDERS):
            lines, gift, refused = ALL_KINDS[number % len(ALL_KINDS)]
            by_card = refused == "capture_payment"
            placement = buy(
                lines,
                gift_wrap=gift,
                payment_method=PaymentMethod.CARD if by_card else PaymentMethod.CREDIT,
                customer=customer_for(number, refused),
            )
            expected[placement.order_id] = refused

    platform.wait_until(
        lambda: work("payments") >= 0 and placed(databases) == 0,
        f"{ORDERS} orders to end by themselves",
    )

    assert databases["sagas"].execute("SELECT count(*) FROM sagas_saga").fetchall() == [(0,)]
    platform.start(["sagas"])
    platform.wait_until_ended(ORDERS)
    known = (
        databases["sagas"]
        .execute("SELECT order_id, status, cause_step, driver FROM sagas_saga")
        .fetchall()
    )
    assert {order_id: (status, cause) for order_id, status, cause, _ in known} == {
        order_id: ("undone" if refused else "confirmed", refused)
        for order_id, refused in expected.items()
    }
    assert {driver for *_, driver in known} == {"events"}
    assert databases["sagas"].execute("SELECT count(*) FROM sagas_earlyfact").fetchall() == [(0,)]
    assert prove(AT_REST).holds
