"""Whole orders with a carrier outside who fails on every way: all end, and all adds up."""

from uuid import UUID

import psycopg
import pytest

from apps.messaging.calls import work
from apps.ops.conservation.check import prove
from apps.shipping.watchdog import Watchdog
from tests.ops.test_conservation import AT_ONCE
from tests.ops.world import buy, cancel, deliver, open_shop
from tests.orders.shop import timeline_of
from tests.shipping.dock import Dock
from tools.fakecarrier.client import Control

Databases = dict[str, psycopg.Connection]
MOST_ROUNDS = 60


@pytest.fixture
def shop(databases: Databases, dock: Dock) -> Databases:
    open_shop()
    return databases


def go_on(shop: Databases, dock: Dock) -> None:
    """Everybody does what there is to do, until nothing is."""
    for _ in range(MOST_ROUNDS):
        deliver(shop)
        Watchdog().turn()
        work("shipping")
        dock.follow()
        dock.time_passes()
        left = (
            shop["shipping"]
            .execute(
                "SELECT (SELECT count(*) FROM shipping_intent WHERE status NOT IN"
                "          ('settled', 'withdrawn'))"
                " + (SELECT count(*) FROM shipping_pickup)"
                " + (SELECT count(*) FROM shipping_outboxmessage)"
                " + (SELECT count(*) FROM shipping_tracking WHERE due_at IS NOT NULL)"
            )
            .fetchall()
        )
        if left == [(0,)]:
            return
    raise AssertionError(f"{dock.intents()}, {dock.carrier.live()}")


def statuses(shop: Databases, orders: list[UUID]) -> list[str]:
    rows = shop["orders"].execute("SELECT id, status FROM orders_order").fetchall()
    known: dict[UUID, str] = dict(rows)
    return [known[each] for each in orders]


def violations() -> list[str]:
    return [f"{each.law}: {each.faults}" for each in prove(AT_ONCE).verdicts if each.faults]


def fail(carrier: Control) -> None:
    for number, kind in enumerate(("answer_lost", "error_before", "error_after", "conflict")):
        carrier.chance("any", kind, 15, seed=number)


def test_orders_with_a_failing_carrier_end_and_add_up(shop: Databases, dock: Dock) -> None:
    dock.carrier.set(collect_seconds=0, transit_seconds=0)
    fail(dock.carrier)
    orders = [buy(tea=number) for number in (1, 2, 300, 3)]
    go_on(shop, dock)
    dock.carrier.clear_faults()

    assert statuses(shop, orders) == ["confirmed", "confirmed", "cancelled", "confirmed"]
    dock.agree()
    assert len(dock.carrier.ledger()["bookings"]) == 3
    assert violations() == []
    told = {name: facts for _, name, facts in timeline_of(shop["orders"], orders[0])}
    assert told["ShipmentHandedOver"]["carrier"] == "carrier"
    refused = {name: facts for _, name, facts in timeline_of(shop["orders"], orders[2])}
    assert refused["ShipmentRefused"]["reason"] == (
        "The carrier takes at most 200 pieces, the order has 300"
    )


def test_a_confirmed_order_is_taken_back_while_the_carrier_has_not_come(
    shop: Databases, dock: Dock
) -> None:
    fail(dock.carrier)
    first, second = buy(tea=1), buy(tea=2)
    for _ in range(20):
        deliver(shop)
        Watchdog().turn()
        work("shipping")
        dock.time_passes()
    assert statuses(shop, [first, second]) == ["confirmed", "confirmed"]
    [reference] = [
        each["reference"]
        for each in dock.carrier.live()
        if each["client_reference"].startswith(saga_of(shop, second))
    ]
    dock.carrier.move(reference, "delivered")
    cancel(first)
    cancel(second)
    dock.carrier.set(transit_seconds=0)
    go_on(shop, dock)
    dock.carrier.clear_faults()

    assert statuses(shop, [first, second]) == ["cancelled", "confirmed"]
    assert [each["reference"] for each in dock.carrier.live()] == [reference]
    assert violations() == []


def saga_of(shop: Databases, order_id: UUID) -> str:
    [(saga_id,)] = (
        shop["orders"]
        .execute("SELECT saga_id FROM orders_order WHERE id = %s", [order_id])
        .fetchall()
    )
    return str(saga_id)
