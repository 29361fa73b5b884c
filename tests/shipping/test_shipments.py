"""Booking parcels, cancelling them and handing them over."""

from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.contracts.shipping import (
    CancelShipment,
    ShipmentCancelled,
    ShipmentCreated,
    ShipmentHandedOver,
    ShipmentRefused,
)
from apps.messaging.database import Database
from apps.messaging.errors import RivalMovedFirst
from apps.messaging.handling import Task
from apps.messaging.request import Request
from apps.shipping import selectors
from apps.shipping.carrier_api import Booking
from apps.shipping.carriers import IN_HOUSE, Consignment, InHouseCarrier, reference_of
from apps.shipping.errors import ShipmentHasLeft, ShipmentNotBooked
from apps.shipping.handlers import cancel_shipment
from apps.shipping.selectors import HandedOver, ShipmentEffects
from apps.shipping.workspaces import Parcels
from tests.handling import ask, ask_together
from tests.shipping.desk import (
    BOOKED,
    CANCELLED,
    HANDED_OVER,
    HOME,
    booked,
    cancel,
    hand_over,
    parcel,
    shipment,
)


@pytest.fixture
def shipping(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["shipping"]


def test_booking_keeps_address_pieces_and_reference(shipping: psycopg.Connection) -> None:
    saga_id, order_id = uuid7(), uuid7()
    answer = ask("shipping", parcel(20, 1, order_id=order_id), saga_id=saga_id)
    reference = reference_of(saga_id)
    assert answer == ShipmentCreated(carrier="in-house", reference=reference)
    assert shipment(shipping, saga_id) == BOOKED
    assert shipping.execute(
        "SELECT order_id, reference, carrier, name, street, postal_code, city, country, pieces,"
        " parcels FROM shipping_shipment"
    ).fetchall() == [
        (
            order_id,
            reference,
            "in-house",
            "Anna Agapova",
            "Gasse 7",
            "10115",
            "Berlin",
            "DE",
            21,
            2,
        )
    ]


def test_the_carrier_takes_sixty_pieces_and_no_more(shipping: psycopg.Connection) -> None:
    taken, refused = uuid7(), uuid7()
    answers = ask_together("shipping", [(taken, "", parcel(60)), (refused, "", parcel(60, 1))])
    assert answers == [
        ShipmentCreated(carrier="in-house", reference=reference_of(taken)),
        ShipmentRefused(pieces=61, most_pieces=60),
    ]
    assert shipment(shipping, taken) == BOOKED
    assert shipment(shipping, refused) is None


def test_booking_twice_for_one_saga_is_an_error(shipping: psycopg.Connection) -> None:
    saga_id = booked(2)
    with pytest.raises(errors.UniqueViolation):
        ask("shipping", parcel(3), saga_id=saga_id)
    assert shipping.execute("SELECT pieces FROM shipping_shipment").fetchall() == [(2,)]


def test_a_booking_is_cancelled(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    assert cancel(saga_id) == ShipmentCancelled(reference=reference_of(saga_id))
    assert shipment(shipping, saga_id) == CANCELLED


def test_a_confirmed_order_is_handed_over(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    assert hand_over(saga_id) == ShipmentHandedOver(
        carrier="in-house", reference=reference_of(saga_id)
    )
    assert shipment(shipping, saga_id) == HANDED_OVER


def test_what_has_left_cannot_be_cancelled(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    hand_over(saga_id)
    with pytest.raises(ShipmentHasLeft, match="handed_over"):
        cancel(saga_id)
    assert shipment(shipping, saga_id) == HANDED_OVER


def test_what_is_cancelled_is_neither_handed_over_nor_cancelled_again(
    shipping: psycopg.Connection,
) -> None:
    saga_id = booked()
    cancel(saga_id)
    with pytest.raises(ShipmentNotBooked, match="cancelled"):
        hand_over(saga_id)
    with pytest.raises(ShipmentNotBooked, match="cancelled"):
        cancel(saga_id)
    assert shipment(shipping, saga_id) == CANCELLED


def test_what_has_left_is_not_handed_over_again(shipping: psycopg.Connection) -> None:
    saga_id = booked()
    hand_over(saga_id)
    assert hand_over(saga_id) is None
    assert shipment(shipping, saga_id) == HANDED_OVER


def test_what_was_never_booked_is_an_error(shipping: psycopg.Connection) -> None:
    with pytest.raises(ShipmentNotBooked, match="nothing found"):
        hand_over(uuid7())
    with pytest.raises(ShipmentNotBooked, match="nothing found"):
        cancel(uuid7())


def test_one_batch_cancels_several(shipping: psycopg.Connection) -> None:
    sagas = [booked() for _ in range(3)]
    answers = ask_together("shipping", [(each, "", CancelShipment()) for each in sagas[::-1]])
    assert answers == [ShipmentCancelled(reference=reference_of(each)) for each in sagas[::-1]]
    assert [shipment(shipping, each) for each in sagas] == [CANCELLED] * 3


def test_goods_of_one_order_leave_once_whichever_saga_asks(shipping: psycopg.Connection) -> None:
    order_id = uuid7()
    first, second = booked(order_id=order_id), booked(order_id=order_id)
    hand_over(first)
    with pytest.raises(errors.UniqueViolation, match="shipping_one_hand_over_per_order"):
        hand_over(second)
    assert shipment(shipping, second) == BOOKED


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'handed_over'", "shipping_times_follow_from_status"),
        ("handed_over_at = now()", "shipping_times_follow_from_status"),
        ("status = 'cancelled', handed_over_at = now()", "shipping_times_follow_from_status"),
        ("status = 'lost'", "shipping_times_follow_from_status"),
        ("pieces = 0", "shipping_no_parcel_is_empty"),
        ("parcels = 0", "shipping_no_parcel_is_empty"),
    ],
)
def test_the_database_refuses_what_no_shipment_can_be(
    shipping: psycopg.Connection, change: str, constraint: str
) -> None:
    saga_id = booked()
    with pytest.raises(errors.CheckViolation, match=constraint):
        shipping.execute(f"UPDATE shipping_shipment SET {change}")
    assert shipment(shipping, saga_id) == BOOKED


def test_no_two_shipments_have_one_reference(shipping: psycopg.Connection) -> None:
    booked()
    booked()
    with pytest.raises(errors.UniqueViolation, match="shipping_reference_is_unique"):
        shipping.execute("UPDATE shipping_shipment SET reference = 'SP-1'")


def test_the_checks_see_what_left_and_what_is_open(shipping: psycopg.Connection) -> None:
    orders = [uuid7() for _ in range(3)]
    waiting, gone, undone = (booked(order_id=each) for each in orders)
    hand_over(gone)
    cancel(undone)
    assert list(selectors.handed_over()) == [HandedOver(gone, orders[1])]
    assert [(each.saga_id, each.order_id) for each in selectors.open_bookings()] == [
        (waiting, orders[0])
    ]
    assert list(selectors.shipment_effects()) == [
        ShipmentEffects(waiting, booked=1, cancelled=0, handed_over=0),
        ShipmentEffects(gone, booked=1, cancelled=0, handed_over=1),
        ShipmentEffects(undone, booked=1, cancelled=1, handed_over=0),
    ]


@pytest.mark.parametrize(("pieces", "parcels"), [(1, 1), (20, 1), (21, 2), (60, 3)])
def test_a_parcel_holds_twenty_pieces(pieces: int, parcels: int) -> None:
    wanted = Consignment(
        saga_id=uuid7(), order_id=uuid7(), address=HOME, pieces=pieces, carrier=IN_HOUSE
    )
    booking = InHouseCarrier().book(wanted, "", datetime.now(UTC))
    assert isinstance(booking, Booking)
    assert booking.parcels == parcels


def test_a_reference_is_readable_and_always_the_same() -> None:
    saga_id = uuid7()
    assert reference_of(saga_id) == reference_of(saga_id)
    assert reference_of(saga_id).startswith("SP-")
    assert len(reference_of(saga_id)) == 15
    assert len({reference_of(uuid7()) for _ in range(1000)}) == 1000


def test_a_batch_under_which_a_parcel_changed_writes_nothing(
    shipping: psycopg.Connection,
) -> None:
    """The lock makes this impossible; if it ever fails to, nothing of the batch is kept."""
    saga_id = booked()
    with pytest.raises(RivalMovedFirst):
        cancel_while_it_is_handed_over(saga_id)
    assert shipment(shipping, saga_id) == BOOKED


def cancel_while_it_is_handed_over(saga_id: UUID) -> None:
    database = Database("shipping")
    request = Request(saga_id, "create_shipment", Action.UNDO, 1, Mode.ORCHESTRATED)
    with database.transaction():
        parcels = Parcels.load(database, [Task(request, CancelShipment())])
        parcels.request = request
        cancel_shipment(CancelShipment(), parcels)
        database.execute(
            "UPDATE shipping_shipment SET status = 'handed_over', handed_over_at = now()"
        )
        parcels.save()
