"""Flags and the mode are turned again and again while customers buy: no order notices."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event
from typing import NamedTuple
from uuid import UUID

import psycopg
import pytest
from django.db import connections
from waffle import get_waffle_switch_model

from apps.contracts.plan import Plan
from apps.inventory.services import receive_stock
from apps.ops.conservation.check import prove
from apps.payments.services import set_credit
from tests.e2e.test_choreography import AT_REST, KINDS
from tests.e2e.world import buy, drive_share
from tests.running import Platform

Databases = dict[str, psycopg.Connection]
Switch = get_waffle_switch_model()
CUSTOMERS_AT_ONCE = 3
ORDERS_BETWEEN = 20  # two flips
MOST_ORDERS = 900
RICH, POOR = 10_000, 20_000  # from which number on; each customer buys once


class Setting(NamedTuple):
    """How the next orders are placed."""

    gift_wrap: bool
    check_fraud: bool
    percent: int  # that events drive


SETTINGS = (
    Setting(gift_wrap=True, check_fraud=False, percent=0),
    Setting(gift_wrap=True, check_fraud=True, percent=100),
    Setting(gift_wrap=False, check_fraud=True, percent=50),
    Setting(gift_wrap=False, check_fraud=False, percent=100),
    Setting(gift_wrap=True, check_fraud=True, percent=0),
    Setting(gift_wrap=True, check_fraud=True, percent=50),
)


@pytest.fixture
def crowd(platform: Platform) -> Iterator[Platform]:
    """A platform with customers enough, in whose shop nothing but the flags decides."""
    credit = {RICH + each: 1_000_000 for each in range(MOST_ORDERS)}
    set_credit(available=credit, currency="USD", reason="test")
    poor = {POOR + each: 100 for each in range(MOST_ORDERS)}
    set_credit(available=poor, currency="USD", reason="test")
    receive_stock(quantities={"tea": 50_000, "cup": 5_000, "cake": 20_000}, reason="test")
    yield platform
    for each in Switch.objects.all():
        each.delete()  # one by one: the cache of switches is told


def flip(setting: Setting) -> None:
    """What operations do on the pages of flags, and with saga_mode."""
    for name in ("gift_wrap", "check_fraud"):
        Switch.objects.update_or_create(name=name, defaults={"active": getattr(setting, name)})
    drive_share(setting.percent)


def shop(numbers: Iterator[int], closed: Event) -> dict[UUID, str]:
    """Buy one thing after the other; who refuses each order, if that step is in its plan."""
    bought = {}
    try:
        while not closed.is_set():
            number = next(numbers)
            lines, gift, refused = KINDS[number % len(KINDS)]
            customer = (POOR if refused == "authorize_payment" else RICH) + number
            bought[buy(lines, gift_wrap=gift, customer=customer).order_id] = refused
    finally:
        connections.close_all()
    return bought


def shop_while_flipping(platform: Platform) -> dict[UUID, str]:
    """Customers buy until all settings were tried, each for some orders at least."""
    placed = "SELECT count(*) FROM orders_order"
    numbers, closed = iter(count().__next__, MOST_ORDERS), Event()
    flip(SETTINGS[0])
    with ThreadPoolExecutor(CUSTOMERS_AT_ONCE) as pool:
        customers = [pool.submit(shop, numbers, closed) for _ in range(CUSTOMERS_AT_ONCE)]
        try:
            for each in SETTINGS:
                flip(each)
                enough = platform.count("orders", placed) + ORDERS_BETWEEN
                platform.wait_until(
                    lambda enough=enough: platform.count("orders", placed) >= enough,  # type: ignore[misc]
                    "orders under a setting",
                )
        finally:
            closed.set()
        return {order: refused for each in customers for order, refused in each.result().items()}


@pytest.mark.timeout(300)
def test_flags_and_mode_are_flipped_while_orders_are_placed_and_each_ends_as_it_was_planned(
    crowd: Platform, databases: Databases
) -> None:
    bought = shop_while_flipping(crowd)

    crowd.wait_until_ended(len(bought))
    orders = {
        order_id: (Plan.from_header(plan), status)
        for order_id, plan, status in databases["orders"].execute(
            "SELECT id, plan, status FROM orders_order"
        )
    }
    assert orders.keys() == bought.keys()
    assert {order_id: status for order_id, (_, status) in orders.items()} == {
        order_id: "cancelled" if bought[order_id] in plan.steps else "confirmed"
        for order_id, (plan, _) in orders.items()
    }
    assert {
        ("wrap_gift" in plan.steps, "check_fraud" in plan.steps, str(plan.mode))
        for plan, _ in orders.values()
    } >= {
        (True, False, "orchestrated"), (True, True, "choreographed"),
        (False, True, "orchestrated"), (False, False, "choreographed"),
    }  # fmt: skip
    assert prove(AT_REST).holds
