"""Sagas that nobody coordinates, with the platform's own processes."""

from datetime import timedelta

import psycopg
import pytest
from waffle.testutils import override_switch

from apps.contracts.plan import Mode
from apps.contracts.values import PricedLine
from apps.inventory.services import receive_stock
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from apps.payments.services import set_credit
from tests.e2e.world import CUSTOMER, basket, buy, drive
from tests.running import Platform

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
ORDERS = 200
POOR = 8  # a customer with less credit than anything costs


def placed(databases: Databases) -> int:
    row = (
        databases["orders"]
        .execute("SELECT count(*) FROM orders_order WHERE status = 'placed'")
        .fetchone()
    )
    assert row
    return int(row[0])


@pytest.mark.timeout(300)
def test_orders_end_though_engine_and_tracker_are_stopped_and_the_tracker_agrees_later(
    platform: Platform, databases: Databases
) -> None:
    receive_stock(quantities={"cake": 10_000}, reason="test")
    set_credit(available={POOR: 100}, currency="USD", reason="test")
    drive(Mode.CHOREOGRAPHED)
    platform.kill("sagas")
    expected = {}
    with override_switch("gift_wrap", active=True):
        for number in range(ORDERS):
            lines, gift, refused = KINDS[number % len(KINDS)]
            customer = POOR if refused == "authorize_payment" else CUSTOMER
            placement = buy(lines, gift_wrap=gift, customer=customer)
            expected[placement.order_id] = refused

    platform.wait_until(lambda: placed(databases) == 0, f"{ORDERS} orders to end by themselves")

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
