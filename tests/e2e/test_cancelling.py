"""Orders that their customers cancel after they were confirmed, across all services."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from waffle.testutils import override_switch

from apps.contracts.plan import Mode
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Patience
from apps.orders.cancelling import request_cancellation
from apps.orders.errors import CannotBeCancelled
from tests.e2e.world import CUSTOMER, basket, buy, drive, holdings
from tests.orders.wishes import wish_of
from tests.running import Platform

Databases = dict[str, psycopg.Connection]


@pytest.fixture
def patient(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """The platform with a shipping whose carriers come an hour after the confirmation."""
    platform.end("shipping")
    monkeypatch.setenv("HAND_OVER_AFTER", "3600")
    platform.start(["shipping"])
    yield platform
    for name in {"shipping", "watchdog"} & platform.processes.keys():
        platform.end(name)


@pytest.fixture(params=list(Mode))
def returning(request: pytest.FixtureRequest, patient: Platform) -> Mode:
    """Who drives the saga that takes the order back; the ends are the same."""
    chosen: Mode = request.param
    drive(chosen, "cancel_order")
    return chosen


def driver_of_return(databases: Databases) -> list[tuple[str]]:
    return (
        databases["sagas"]
        .execute("SELECT driver FROM sagas_saga WHERE process = 'cancel_order'")
        .fetchall()
    )


DRIVERS = {Mode.ORCHESTRATED: [("engine",)], Mode.CHOREOGRAPHED: [("events",)]}


def confirmed(platform: Platform, owners: Databases, **wishes: bool) -> UUID:
    """An order that is confirmed, and whose saga has ended."""
    order_id = buy(basket(tea=2, cup=1), **wishes).order_id
    ended = "SELECT count(*) FROM sagas_saga WHERE status = 'confirmed'"
    platform.wait_until(lambda: platform.count("sagas", ended) == 1, "a confirmed order")
    waiting = "SELECT count(*) FROM shipping_pickup"
    platform.wait_until(lambda: platform.count("shipping", waiting) == 1, "a parcel that waits")
    return order_id


def cancel(order_id: UUID) -> None:
    request_cancellation(
        customer_id=CUSTOMER, order_id=order_id, reason="", idempotency_key="k", request_hash=b"x"
    )


def wait_until_decided(platform: Platform, owners: Databases, order_id: UUID) -> str:
    """What became of the wish, once its saga has ended too."""
    live = "SELECT count(*) FROM sagas_saga WHERE ended_at IS NULL"
    ends = "SELECT count(*) FROM sagas_saga"

    def decided() -> bool:
        found = wish_of(owners["orders"], order_id)
        over = (platform.count("sagas", ends), platform.count("sagas", live)) == (2, 0)
        return bool(found and found[2]) and over

    platform.wait_until(decided, "the wish to be decided")
    found = wish_of(owners["orders"], order_id)
    assert found
    return found[0]


def hand_over(platform: Platform) -> None:
    """The carrier comes now."""
    platform.owners["shipping"].execute("UPDATE shipping_pickup SET due_at = now()")
    platform.start_watchdog()
    taken = "SELECT count(*) FROM shipping_shipment WHERE status = 'handed_over'"
    platform.wait_until(lambda: platform.count("shipping", taken) == 1, "the carrier")


def test_a_confirmed_order_is_taken_back_and_everything_stands_as_before_it(
    patient: Platform, databases: Databases, returning: Mode
) -> None:
    before = holdings(databases)
    with override_switch("gift_wrap", active=True):
        order_id = confirmed(patient, databases, gift_wrap=True)
    assert holdings(databases) != before

    cancel(order_id)

    assert wait_until_decided(patient, databases, order_id) == "cancelled"
    recalled = {"shipments": [(1,)], "messages": [(2,)]}  # one of each kind
    assert holdings(databases) == before | recalled
    assert driver_of_return(databases) == DRIVERS[returning]
    assert prove(Patience(moment=timedelta(0), second_look=0.5)).holds


def test_a_parcel_that_the_carrier_has_is_told_at_once(
    patient: Platform, databases: Databases
) -> None:
    order_id = confirmed(patient, databases)
    hand_over(patient)
    patient.wait_until_ended(1)
    told = "SELECT count(*) FROM orders_orderevent WHERE type = 'ShipmentHandedOver'"
    patient.wait_until(lambda: patient.count("orders", told) == 1, "the news of it")
    with pytest.raises(CannotBeCancelled) as refusal:
        cancel(order_id)
    assert refusal.value.code == "already_shipped"


def test_a_carrier_that_was_faster_decides_and_everything_stays(
    patient: Platform, databases: Databases
) -> None:
    order_id = confirmed(patient, databases)
    patient.kill("orders")  # so that it does not hear of the hand-over before the wish
    hand_over(patient)
    cancel(order_id)
    patient.start(["orders"])

    assert wait_until_decided(patient, databases, order_id) == "refused"
    patient.wait_until_ended(2)
    assert holdings(databases)["shipments"] == [(1,)]
    assert holdings(databases)["messages"] == [(1,)]
    [(why,)] = databases["orders"].execute("SELECT why_not FROM orders_cancellation").fetchall()
    assert why.endswith("has left the house; send it back when it arrives")
