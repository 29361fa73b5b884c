"""Parcels that are kept back for customers who cancel, and those that wait for the carrier."""

from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.orders import OrderConfirmed
from apps.contracts.shipping import (
    GiftUnpacked,
    RecallShipment,
    ShipmentHandedOver,
    ShipmentNotRecalled,
    ShipmentRecalled,
    UnpackGift,
    UnwrapGift,
)
from apps.messaging.batch import Batch
from apps.shipping.carriers import reference_of
from apps.shipping.errors import ShipmentNotBooked
from apps.shipping.watchdog import Watchdog
from tests.handling import ask, ask_together
from tests.messaging.kit import PLAN, TRACE, envelope, record
from tests.shipping.desk import (
    BOOKED,
    CANCELLED,
    HANDED_OVER,
    RECALLED,
    booked,
    cancel,
    gift,
    hand_over,
    recall,
    shipment,
)
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def shipping(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["shipping"]


# --- recalling


def test_a_parcel_that_is_in_the_house_is_kept_back(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    assert recall(saga_id) == ShipmentRecalled(reference=reference_of(saga_id))
    assert shipment(shipping, saga_id) == RECALLED


def test_a_parcel_that_has_left_stays_with_the_carrier(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    hand_over(saga_id)
    refusal = recall(saga_id)
    reference = reference_of(saga_id)
    assert refusal == ShipmentNotRecalled(carrier="in-house", reference=reference)
    assert refusal.reason == (
        f"The parcel {reference} has left the house; send it back when it arrives"
    )
    assert shipment(shipping, saga_id) == HANDED_OVER


def test_what_is_recalled_is_not_handed_over_when_the_confirmation_is_heard_late(
    shipping: psycopg.Connection,
) -> None:
    saga_id = booked()
    recall(saga_id)
    assert hand_over(saga_id) is None
    assert shipment(shipping, saga_id) == RECALLED


def test_what_an_order_has_undone_is_not_recalled(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    cancel(saga_id)
    with pytest.raises(ShipmentNotBooked, match="cancelled"):
        recall(saga_id)
    with pytest.raises(ShipmentNotBooked, match="nothing found"):
        recall(uuid7())
    assert shipment(shipping, saga_id) == CANCELLED


def test_a_recall_that_is_sent_again_has_the_same_answer(shipping: psycopg.Connection) -> None:
    saga_id, own = booked(), uuid7()
    asked = envelope(
        RecallShipment(placed_by=saga_id), own, step="recall_shipment", topic="shipping-commands"
    )
    for _ in range(2):
        Batch("shipping", [record(asked)]).carry_out()
    assert told(shipping) == [("ShipmentRecalled", {"reference": reference_of(saga_id)})] * 2
    assert shipment(shipping, saga_id) == RECALLED


def test_one_batch_recalls_several(shipping: psycopg.Connection) -> None:
    sagas = [booked() for _ in range(3)]
    hand_over(sagas[1])
    asked = [(uuid7(), "", RecallShipment(placed_by=each)) for each in reversed(sagas)]
    answers = [type(each).__name__ for each in ask_together("shipping", asked)]
    assert answers == ["ShipmentRecalled", "ShipmentNotRecalled", "ShipmentRecalled"]
    assert [shipment(shipping, each) for each in sagas] == [RECALLED, HANDED_OVER, RECALLED]


def test_carrier_or_customer_one_of_them_wins(shipping: psycopg.Connection) -> None:
    for _ in range(5):
        saga_id = booked()
        rivals = at_once(partial(hand_over, saga_id), partial(recall, saga_id))
        came = [type(each).__name__ for each in rivals]
        assert (came, shipment(shipping, saga_id)) in [
            (["ShipmentHandedOver", "ShipmentNotRecalled"], HANDED_OVER),
            (["NoneType", "ShipmentRecalled"], RECALLED),
        ]


def test_a_gift_is_unpacked(shipping: psycopg.Connection) -> None:
    saga_id = uuid7()
    ask("shipping", gift(2), saga_id=saga_id)
    assert ask("shipping", UnpackGift(placed_by=saga_id)) == GiftUnpacked(boxes=1)
    assert shipping.execute("SELECT status FROM shipping_giftwrap").fetchall() == [("unwrapped",)]


def test_a_gift_that_an_operator_left_out_needs_no_unpacking(
    shipping: psycopg.Connection,
) -> None:
    saga_id = uuid7()
    ask("shipping", gift(2), saga_id=saga_id)
    ask("shipping", UnwrapGift(), saga_id=saga_id)
    assert ask("shipping", UnpackGift(placed_by=saga_id)) == GiftUnpacked(boxes=0)
    assert ask("shipping", UnpackGift(placed_by=uuid7())) == GiftUnpacked(boxes=0)


# --- waiting for the carrier


@pytest.fixture
def tomorrow(settings: Any) -> None:
    """The carrier comes a day after the confirmation."""
    settings.HAND_OVER_AFTER = 24 * 3600


def confirm(*sagas: UUID) -> None:
    """Shipping hears that orders are confirmed."""
    heard = [
        record(envelope(OrderConfirmed(order_id=uuid7()), each, step="confirm_order"))
        for each in sagas
    ]
    Batch("shipping", heard).carry_out()


def told(shipping: psycopg.Connection) -> list[tuple[str, dict[str, str]]]:
    """What shipping has told: type and payload."""
    rows = shipping.execute(
        "SELECT headers, payload FROM shipping_outboxmessage ORDER BY created_at, id"
    ).fetchall()
    read = [(msgspec.json.decode(headers), msgspec.json.decode(body)) for headers, body in rows]
    return [(headers["type"], body) for headers, body in read]


def waiting(shipping: psycopg.Connection) -> int:
    [(count,)] = shipping.execute("SELECT count(*) FROM shipping_pickup").fetchall()
    return count


def the_carrier_comes(shipping: psycopg.Connection) -> int:
    """For all that waits; how many parcels it takes."""
    shipping.execute("UPDATE shipping_pickup SET due_at = now()")
    return Watchdog().turn()


def test_without_a_delay_nothing_waits(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    confirm(saga_id)
    assert (shipment(shipping, saga_id), waiting(shipping)) == (HANDED_OVER, 0)
    assert [each[0] for each in told(shipping)] == ["ShipmentHandedOver"]


@pytest.mark.usefixtures("tomorrow")
def test_a_confirmed_parcel_waits_for_its_carrier(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    confirm(saga_id)
    assert Watchdog().turn() == 0
    assert (shipment(shipping, saga_id), waiting(shipping), told(shipping)) == (BOOKED, 1, [])

    assert the_carrier_comes(shipping) == 1

    assert (shipment(shipping, saga_id), waiting(shipping)) == (HANDED_OVER, 0)
    reference = reference_of(saga_id)
    assert told(shipping) == [
        ("ShipmentHandedOver", {"carrier": "in-house", "reference": reference})
    ]
    [(headers,)] = shipping.execute("SELECT headers FROM shipping_outboxmessage").fetchall()
    found = msgspec.json.decode(headers)
    asked = ("saga_id", "step_id", "action", "generation", "mode", "plan", "traceparent")
    assert [found[name] for name in asked] == [
        str(saga_id), "hand_over", "do", "1", "orchestrated", PLAN.to_header(), TRACE,
    ]  # fmt: skip


@pytest.mark.usefixtures("tomorrow")
def test_a_reaction_that_was_parked_until_its_parcel_had_left_has_nothing_to_do(
    shipping: psycopg.Connection,
) -> None:
    saga_id = booked()
    confirm(saga_id)  # heard, and the watchdog gives the parcel away by that
    the_carrier_comes(shipping)
    before = told(shipping)
    assert hand_over(saga_id) is None
    assert (shipment(shipping, saga_id), told(shipping)) == (HANDED_OVER, before)


@pytest.mark.usefixtures("tomorrow")
def test_while_it_waits_it_can_be_recalled(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    confirm(saga_id)
    assert recall(saga_id) == ShipmentRecalled(reference=reference_of(saga_id))
    assert the_carrier_comes(shipping) == 0
    assert (shipment(shipping, saga_id), waiting(shipping), told(shipping)) == (RECALLED, 0, [])


@pytest.mark.usefixtures("tomorrow")
@pytest.mark.parametrize("taken", [True, False])
def test_a_confirmation_that_is_heard_again_sends_no_second_carrier(
    shipping: psycopg.Connection, taken: bool
) -> None:
    saga_id = booked()
    confirm(saga_id)
    if taken:
        the_carrier_comes(shipping)
    confirm(saga_id)
    the_carrier_comes(shipping)
    the_carrier_comes(shipping)
    assert [each[0] for each in told(shipping)] == ["ShipmentHandedOver"]
    assert (shipment(shipping, saga_id), waiting(shipping)) == (HANDED_OVER, 0)


@pytest.mark.usefixtures("tomorrow")
def test_two_watchdogs_send_each_parcel_once(shipping: psycopg.Connection) -> None:
    confirm(*[booked() for _ in range(20)])
    shipping.execute("UPDATE shipping_pickup SET due_at = now()")
    turns = at_once(Watchdog().turn, Watchdog().turn)
    assert sum(turns) == 20  # type: ignore[arg-type]
    assert [each[0] for each in told(shipping)] == ["ShipmentHandedOver"] * 20


@pytest.mark.usefixtures("tomorrow")
def test_carrier_and_customer_at_the_same_hour(shipping: psycopg.Connection) -> None:
    for _ in range(5):
        saga_id = booked()
        confirm(saga_id)
        shipping.execute("UPDATE shipping_pickup SET due_at = now()")
        taken, answer = at_once(Watchdog().turn, partial(recall, saga_id))
        assert (taken, type(answer), shipment(shipping, saga_id)) in [
            (1, ShipmentNotRecalled, HANDED_OVER),
            (0, ShipmentRecalled, RECALLED),
        ]


def test_a_parcel_that_waited_when_the_delay_was_taken_away_still_leaves(
    shipping: psycopg.Connection, settings: Any
) -> None:
    settings.HAND_OVER_AFTER = 60
    saga_id = booked()
    confirm(saga_id)
    settings.HAND_OVER_AFTER = 0
    assert the_carrier_comes(shipping) == 1
    assert told(shipping)[0][0] == ShipmentHandedOver.__name__
