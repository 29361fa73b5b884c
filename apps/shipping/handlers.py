"""What shipping does: wrap, book, undo both, and hand over what is confirmed."""

from collections.abc import Iterable
from uuid import UUID

from django.conf import settings

from apps.contracts.orders import OrderConfirmed
from apps.contracts.shipping import (
    CancelShipment,
    CreateShipment,
    GiftUnpacked,
    GiftUnwrapped,
    GiftWrapped,
    GiftWrapUnavailable,
    RecallShipment,
    ShipmentCancelled,
    ShipmentCreated,
    ShipmentHandedOver,
    ShipmentNotRecalled,
    ShipmentRecalled,
    ShipmentRefused,
    UnpackGift,
    UnwrapGift,
    WrapGift,
)
from apps.contracts.values import Line
from apps.messaging.handling import Handler, Heard, Listener, Outgoing, Reaction
from apps.shipping.carriers import Carrier, InHouseCarrier
from apps.shipping.errors import GiftNotWrapped, ShipmentHasLeft, ShipmentNotBooked
from apps.shipping.gift_boxes import MOST_GIFT_PIECES, boxes_for
from apps.shipping.models import GiftStatus, ShipmentStatus
from apps.shipping.workspaces import HAND_OVER, GiftDesk, Parcel, Parcels, Pickups

CARRIER: Carrier = InHouseCarrier()


def wrap_gift(command: WrapGift, desk: GiftDesk) -> GiftWrapped | GiftWrapUnavailable:
    """Wrap the whole basket, or nothing where it needs more boxes than an order gets."""
    pieces = pieces_in(command.lines)
    boxes = boxes_for(pieces)
    if boxes is None:
        return GiftWrapUnavailable(pieces=pieces, most_pieces=MOST_GIFT_PIECES)
    desk.wrap(command.order_id, pieces, boxes)
    return GiftWrapped(boxes=boxes)


def unwrap_gift(command: UnwrapGift, desk: GiftDesk) -> GiftUnwrapped:
    """Take the gift out of its boxes again."""
    gift = desk.gift()
    if gift is None:
        raise GiftNotWrapped(desk.request.saga_id)
    if gift.status != GiftStatus.WRAPPED:
        raise GiftNotWrapped(gift.saga_id, gift.status)
    desk.unwrap(gift)
    return GiftUnwrapped(boxes=gift.boxes)


def create_shipment(command: CreateShipment, parcels: Parcels) -> ShipmentCreated | ShipmentRefused:
    """Book the whole basket; refused where the carrier does not take so much."""
    pieces = pieces_in(command.lines)
    booking = CARRIER.book(parcels.request.saga_id, pieces)
    if booking is None:
        return ShipmentRefused(pieces=pieces, most_pieces=CARRIER.most_pieces)
    parcels.book(command, CARRIER.name, booking, pieces)
    return ShipmentCreated(carrier=CARRIER.name, reference=booking.reference)


def cancel_shipment(command: CancelShipment, parcels: Parcels) -> ShipmentCancelled:
    """Cancel what is booked. What has left cannot be cancelled: within an order's saga it never
    comes to that, for goods leave only after its pivot."""
    parcel = _parcel(parcels)
    if parcel.status == ShipmentStatus.HANDED_OVER:
        raise ShipmentHasLeft(parcel.saga_id, parcel.status)
    if parcel.status == ShipmentStatus.CANCELLED:
        raise ShipmentNotBooked(parcel.saga_id, parcel.status)
    parcels.move(parcel, ShipmentStatus.CANCELLED)
    return ShipmentCancelled(reference=parcel.reference)


def recall_shipment(
    command: RecallShipment, parcels: Parcels
) -> ShipmentRecalled | ShipmentNotRecalled:
    """Keep a confirmed order's parcel in the house. The row's lock decides between the carrier and
    the customer: whoever comes second finds what the first one did."""
    parcel = _parcel(parcels, command.placed_by)
    if parcel.status == ShipmentStatus.HANDED_OVER:
        return ShipmentNotRecalled(carrier=parcel.carrier, reference=parcel.reference)
    if parcel.status != ShipmentStatus.BOOKED:
        raise ShipmentNotBooked(parcel.saga_id, parcel.status)
    parcels.move(parcel, ShipmentStatus.RECALLED)
    return ShipmentRecalled(reference=parcel.reference)


def unpack_gift(command: UnpackGift, desk: GiftDesk) -> GiftUnpacked:
    """Take the gift out of its boxes. None may be wrapped: an operator let the order go on without
    it."""
    gift = desk.gift(command.placed_by)
    if gift is None or gift.status != GiftStatus.WRAPPED:
        return GiftUnpacked(boxes=0)
    desk.unwrap(gift)
    return GiftUnpacked(boxes=gift.boxes)


def hand_over(event: OrderConfirmed, parcels: Parcels) -> ShipmentHandedOver | None:
    """Give the carrier what is booked for a confirmed order; nothing where it was recalled, or
    waits for the carrier's hour (then the watchdog gives it)."""
    parcel = _parcel(parcels)
    if parcel.status == ShipmentStatus.RECALLED:
        return None
    if parcel.status != ShipmentStatus.BOOKED:
        raise ShipmentNotBooked(parcel.saga_id, parcel.status)
    if settings.HAND_OVER_AFTER:
        return None
    parcels.move(parcel, ShipmentStatus.HANDED_OVER)
    return ShipmentHandedOver(carrier=parcel.carrier, reference=parcel.reference)


def hear_confirmed(heard: Heard, pickups: Pickups) -> Iterable[Outgoing]:
    """Remember when the carrier comes for the parcel, where that is not at once."""
    if settings.HAND_OVER_AFTER:
        pickups.wait(heard)
    return ()


def _parcel(parcels: Parcels, saga_id: UUID | None = None) -> Parcel:
    parcel = parcels.parcel(saga_id)
    if parcel is None:
        raise ShipmentNotBooked(saga_id or parcels.request.saga_id)
    return parcel


def pieces_in(lines: Iterable[Line]) -> int:
    """How many pieces a basket has, whatever they are."""
    return sum(line.quantity for line in lines)


COMMANDS = {
    WrapGift: Handler(wrap_gift, GiftDesk),
    UnwrapGift: Handler(unwrap_gift, GiftDesk),
    CreateShipment: Handler(create_shipment, Parcels),
    CancelShipment: Handler(cancel_shipment, Parcels),
    RecallShipment: Handler(recall_shipment, Parcels),
    UnpackGift: Handler(unpack_gift, GiftDesk),
}
REACTIONS = {
    OrderConfirmed: Reaction(HAND_OVER, hand_over, Parcels),
}
LISTENERS = {
    OrderConfirmed: Listener(hear_confirmed, Pickups),
}
