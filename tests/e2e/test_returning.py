"""Goods that come back, across all services as processes of their own."""

from datetime import timedelta

import psycopg
import pytest

from apps.contracts.plan import Mode
from apps.contracts.values import AcceptedLine, Line, RefundTo
from apps.inventory.receiving import record_arrival
from apps.messaging.audit import Actor
from apps.messaging.calls import work
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from apps.orders.returning import announce_return
from tests.e2e.test_cancelling import DRIVERS
from tests.e2e.world import CUSTOMER, basket, buy, drive, holdings
from tests.running import Platform

Databases = dict[str, psycopg.Connection]
HANDED_OVER = "SELECT count(*) FROM orders_orderevent WHERE type = 'ShipmentHandedOver'"
AWAITED = "SELECT count(*) FROM orders_return WHERE awaited_until IS NOT NULL"
DECIDED = "SELECT count(*) FROM orders_return WHERE decided_at IS NOT NULL"


@pytest.mark.parametrize("driven", list(Mode))
def test_goods_come_back_and_their_price_is_credit_again(
    platform: Platform, databases: Databases, driven: Mode
) -> None:
    drive(driven, "return_order")
    before = holdings(databases)
    order_id = buy(basket(tea=2)).order_id
    platform.wait_until_ended(1)
    platform.wait_until(lambda: platform.count("orders", HANDED_OVER) == 1, "the hand-over")
    announce_return(
        customer_id=CUSTOMER, order_id=order_id, lines=[Line(product_id="tea", quantity=2)],
        reason="", refund_to=RefundTo.ORIGINAL, idempotency_key="k", request_hash=b"x",
    )  # fmt: skip
    platform.wait_until(lambda: work("inventory") > 0, "the goods to be expected")
    platform.wait_until(lambda: platform.count("orders", AWAITED) == 1, "the customer to be told")
    [(arrival,)] = databases["inventory"].execute("SELECT id FROM inventory_arrival").fetchall()
    record_arrival(
        arrival_id=arrival, accepted=[AcceptedLine(product_id="tea", quantity=2)], version=0,
        actor=Actor(id=None, name="test"), reason="unpacked",
    )  # fmt: skip
    assert work("inventory") == 1
    platform.wait_until(lambda: platform.count("orders", DECIDED) == 1, "the end of the return")
    platform.wait_until_ended(2)
    after = holdings(databases)
    assert (after["inventory"], after["payments"]) == (before["inventory"], before["payments"])
    assert after["messages"] == [(2,)]
    driver = "SELECT driver FROM sagas_saga WHERE process = 'return_order'"
    assert databases["sagas"].execute(driver).fetchall() == DRIVERS[driven]
    assert prove(Patience(moment=timedelta(0), second_look=0.5)).holds
