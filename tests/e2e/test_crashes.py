"""Processes and servers die in the middle of a hundred orders; every order ends all the same."""

import itertools
import signal
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from apps.contracts.values import PricedLine
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from tests.conftest import connect_owners
from tests.e2e.world import PRICES, basket, buy, drive_share, open_shop
from tests.running import Platform
from tests.servers import crash

Databases = dict[str, psycopg.Connection]
ORDERS = 100
DRIVERS = "SELECT driver, count(*) FROM sagas_saga GROUP BY driver"


def a_hundred_orders(break_something: Callable[[], None]) -> None:
    """Four kinds of basket, one of which is refused, in both modes; half-way something breaks."""
    drive_share(50)
    wrong_price = (PricedLine(product_id="tea", quantity=1, unit_price_cents=PRICES["tea"] - 1),)
    kinds = itertools.cycle([basket(tea=1), basket(cup=2, cake=1), wrong_price, basket(cake=3)])
    for number, lines in zip(range(ORDERS), kinds, strict=False):
        if number == ORDERS // 2:
            break_something()
        buy(lines)


def assert_all_is_well(platform: Platform, databases: Databases) -> None:
    """Three quarters confirmed, one undone, whoever drove them, and the proof holds."""
    platform.wait_until_ended(ORDERS)
    connect_owners(databases)
    found = (
        databases["sagas"]
        .execute("SELECT status, count(*) FROM sagas_saga GROUP BY status ORDER BY status")
        .fetchall()
    )
    assert found == [("confirmed", 75), ("undone", 25)]
    drivers = databases["sagas"].execute(DRIVERS).fetchall()
    assert {name for name, count in drivers if count > ORDERS // 4} == {"engine", "events"}
    assert databases["inventory"].execute(
        "SELECT product_id, on_hand, reserved, shipped FROM inventory_stock ORDER BY product_id"
    ).fetchall() == [("cake", 900, 0, 100), ("cup", 950, 0, 50), ("tea", 975, 0, 25)]
    proof = prove(Patience(moment=timedelta(0)))
    assert {str(each.law): each.faults for each in proof.verdicts if each.faults} == {}


@pytest.mark.parametrize("context", ["inventory", "payments", "orders", "sagas"])
def test_a_consumer_is_killed(platform: Platform, databases: Databases, context: str) -> None:
    def kill_and_restart() -> None:
        platform.kill(context)
        platform.start([context])

    a_hundred_orders(kill_and_restart)
    assert_all_is_well(platform, databases)


def test_the_broker_is_killed(platform: Platform, databases: Databases) -> None:
    a_hundred_orders(lambda: crash("kafka", signal.SIGKILL))
    assert_all_is_well(platform, databases)


def test_postgresql_crashes(platform: Platform, databases: Databases) -> None:
    open_shop(stock=0)

    def crash_and_reconnect() -> None:
        from django.db import connections

        crash("postgres", signal.SIGQUIT)
        connections.close_all()
        platform.count("orders", "SELECT 1")  # waits until it answers again

    a_hundred_orders(crash_and_reconnect)
    assert_all_is_well(platform, databases)
