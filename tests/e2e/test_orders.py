"""Orders across six services, through Kafka, with the platform's own processes."""

from uuid import UUID

import msgspec
import psycopg
import pytest
from waffle.testutils import override_switch

from apps.contracts.plan import Mode
from apps.orders.selectors import order_of, refusal_of
from apps.payments.services import set_credit
from apps.processes import PLACE_ORDER
from tests.e2e.world import CUSTOMER, basket, buy, holdings
from tests.kinds import POOR, WITHOUT_BANK, Kind
from tests.running import Platform

Databases = dict[str, psycopg.Connection]


def told_of(order_id: UUID, customer: int = CUSTOMER) -> tuple[str, str | None, str | None]:
    """Status, refused step and type of the refusal, as the customer is told."""
    order = order_of(customer, order_id)
    assert order
    refusal = refusal_of(order)
    return (order.status, refusal.step, refusal.code) if refusal else (order.status, None, None)


STEPS = (
    "create_order",
    "reserve_stock",
    "freeze_price",
    "check_fraud",
    "authorize_payment",
    "wrap_gift",
    "create_shipment",
    "capture_payment",
    "confirm_order",
    "send_confirmation",
)


def history(databases: Databases, mode: Mode) -> list[tuple[str, str, str]]:
    """Step, action and outcome of the only saga, in the order of the answers; where events drive
    it, which are heard in any order, forward and then back."""
    found = (
        databases["sagas"]
        .execute("SELECT step, action, outcome FROM sagas_sagastep ORDER BY revision")
        .fetchall()
    )
    if mode is Mode.ORCHESTRATED:
        return found
    done = sorted((each for each in found if each[1] == "do"), key=lambda it: STEPS.index(it[0]))
    undone = sorted((each for each in found if each[1] != "do"), key=lambda it: -STEPS.index(it[0]))
    return done + undone


def test_an_order_is_confirmed_across_all_services(
    platform: Platform, databases: Databases, mode: Mode
) -> None:
    placement = buy(basket(tea=2, cup=1))
    platform.wait_until_ended(1)
    assert told_of(placement.order_id) == ("confirmed", None, None)
    assert holdings(databases) == {
        "inventory": [("cake", 1000, 0, 0), ("cup", 999, 0, 1), ("tea", 998, 0, 2)],
        "pricing": [(1,)],
        "payments": [(CUSTOMER, 10_000_000 - 2100, 0)],
        "wraps": [(0,)],
        "shipments": [(1,)],
        "messages": [(1,)],
    }
    assert history(databases, mode) == [
        (step, "do", "done") for step in STEPS if step not in ("wrap_gift", "check_fraud")
    ]


@pytest.mark.parametrize("kind", [each for each in WITHOUT_BANK if each.refused], ids=str)
def test_a_refusal_leaves_every_other_service_as_it_was(
    platform: Platform, databases: Databases, mode: Mode, kind: Kind
) -> None:
    set_credit(available={POOR: 1}, currency="USD", reason="test")
    before = holdings(databases)
    with override_switch("gift_wrap", active=True):
        placement = buy(kind.lines, gift_wrap=kind.gift_wrap, customer=kind.customer)
    platform.wait_until_ended(1)
    assert holdings(databases) == before
    refusal = PLACE_ORDER.step(kind.refused).refusal
    assert refusal
    told = told_of(placement.order_id, kind.customer)
    assert told == ("cancelled", kind.refused, refusal.__name__)
    plan = [
        each for each in STEPS if each != "check_fraud" and (kind.gift_wrap or each != "wrap_gift")
    ]
    done = plan[: plan.index(kind.refused)]
    assert history(databases, mode) == [
        *((each, "do", "done") for each in done),
        (kind.refused, "do", "refused"),
        *((each, "undo", "undone") for each in reversed(done)),
    ]


@pytest.mark.parametrize("on", [True, False])
def test_a_gift_is_wrapped_if_it_is_wished_and_the_switch_is_on(
    platform: Platform, databases: Databases, mode: Mode, on: bool
) -> None:
    with override_switch("gift_wrap", active=on):
        buy(basket(tea=1), gift_wrap=True)
    platform.wait_until_ended(1)
    assert holdings(databases)["wraps"] == [(int(on),)]
    assert (("wrap_gift", "do", "done") in history(databases, mode)) == on


def test_a_flipped_switch_changes_no_saga_in_flight(
    platform: Platform, databases: Databases, mode: Mode
) -> None:
    """Ten placed with the switch on, ten with it off, all in flight: each keeps its plan."""
    platform.kill("shipping")  # so that none of them gets past gift wrap meanwhile
    with override_switch("gift_wrap", active=True):
        wrapped = [buy(basket(tea=1), gift_wrap=True) for _ in range(10)]
    with override_switch("gift_wrap", active=False):
        plain = [buy(basket(tea=1), gift_wrap=True) for _ in range(10)]
    platform.start(["shipping"])
    platform.wait_until_ended(20)
    found = databases["shipping"].execute("SELECT order_id FROM shipping_giftwrap").fetchall()
    assert sorted(each for (each,) in found) == sorted(each.order_id for each in wrapped)
    assert [told_of(each.order_id)[0] for each in plain] == ["confirmed"] * 10


def test_how_a_saga_ended_is_told(platform: Platform, databases: Databases, mode: Mode) -> None:
    from tests.kafka import Tap

    with Tap("saga-events") as tap:
        buy(basket(tea=1001))
        platform.wait_until_ended(1)
        tap.wait_until(lambda: bool(tap.messages))
        [message] = tap.messages
    assert msgspec.json.decode(message.value()) == {
        "process": "place_order",
        "outcome": "undone",
        "refused_step": "reserve_stock",
    }


def test_no_personal_data_outlives_its_use_in_the_engine(
    platform: Platform, databases: Databases, mode: Mode
) -> None:
    buy(basket(tea=1))
    platform.wait_until_ended(1)
    rows = databases["sagas"].execute("SELECT inputs FROM sagas_saga").fetchall()
    steps = databases["sagas"].execute("SELECT answer FROM sagas_sagastep").fetchall()
    assert "Any Street" not in str(rows) + str(steps)
