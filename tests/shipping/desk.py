"""Gifts and parcels, for the tests of shipping."""

from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.orders import OrderConfirmed
from apps.contracts.shipping import CancelShipment, CreateShipment, RecallShipment, WrapGift
from apps.contracts.values import Address, Line
from tests.handling import ask, react

HOME = Address(
    name="Anna Agapova", street="Gasse 7", postal_code="10115", city="Berlin", country="DE"
)


def lines(*quantities: int) -> tuple[Line, ...]:
    """A basket with so many pieces of one product after the other."""
    return tuple(
        Line(product_id=f"P{number}", quantity=quantity)
        for number, quantity in enumerate(quantities, 1)
    )


def gift(*quantities: int) -> WrapGift:
    return WrapGift(order_id=uuid7(), lines=lines(*quantities))


def parcel(*quantities: int, order_id: UUID | None = None) -> CreateShipment:
    return CreateShipment(order_id=order_id or uuid7(), address=HOME, lines=lines(*quantities))


def booked(*quantities: int, order_id: UUID | None = None) -> UUID:
    """The saga of an order whose parcel is booked."""
    saga_id = uuid7()
    ask("shipping", parcel(*quantities or (2,), order_id=order_id), saga_id=saga_id)
    return saga_id


def hand_over(saga_id: UUID) -> Event | None:
    return react("shipping", OrderConfirmed(order_id=uuid7()), saga_id=saga_id)


def cancel(saga_id: UUID) -> Event:
    return ask("shipping", CancelShipment(), saga_id=saga_id)


def shipment(owner: psycopg.Connection, saga_id: UUID) -> tuple[str, bool, bool] | None:
    """Status, and whether it has a time of hand-over and of cancellation."""
    return owner.execute(
        "SELECT status, handed_over_at IS NOT NULL, cancelled_at IS NOT NULL"
        " FROM shipping_shipment WHERE saga_id = %s",
        [saga_id],
    ).fetchone()


BOOKED = ("booked", False, False)
HANDED_OVER = ("handed_over", True, False)
CANCELLED = ("cancelled", False, True)


def recall(saga_id: UUID) -> Event:
    """A saga of its own takes back the order that this one placed."""
    return ask("shipping", RecallShipment(placed_by=saga_id))


RECALLED = ("recalled", False, True)
