"""What shipping does: wrap, book, undo both, and hand over what is confirmed."""

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings

from apps.contracts.base import Event
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
    ShipmentNotReleased,
    ShipmentRecalled,
    ShipmentRefused,
    ShipmentReleased,
    UnpackGift,
    UnwrapGift,
    WrapGift,
)
from apps.contracts.steps import UndoRefused
from apps.contracts.values import Line
from apps.messaging.handling import (
    ByHand,
    Call,
    CallOutside,
    Handler,
    Heard,
    Listener,
    Outgoing,
    OutsideCall,
    Reaction,
)
from apps.messaging.providers import Provider
from apps.shipping import carrier_api, carriers
from apps.shipping.carrier_api import Booking, NotTaken
from apps.shipping.carriers import Consignment
from apps.shipping.errors import GiftNotWrapped, ShipmentHasLeft, ShipmentNotBooked
from apps.shipping.gift_boxes import MOST_GIFT_PIECES, boxes_for
from apps.shipping.models import GiftStatus, ShipmentStatus
from apps.shipping.workspaces import (
    HAND_OVER,
    RELEASE,
    GiftDesk,
    Parcel,
    Parcels,
    Pickups,
    Reference,
)


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


def create_shipment(
    command: CreateShipment, parcels: Parcels
) -> ShipmentCreated | ShipmentRefused | CallOutside:
    """Book the whole basket with the carrier that is chosen; refused where it does not take it."""
    carrier, request = carriers.chosen(), parcels.request
    wanted = Consignment(
        saga_id=request.saga_id,
        order_id=command.order_id,
        address=command.address,
        pieces=pieces_in(command.lines),
        carrier=carrier.name,
    )
    if carrier.outside:
        return CallOutside(BOOK, str(request.saga_id), wanted)
    return _booked(wanted, carrier.book(wanted, str(request.saga_id), datetime.now(UTC)), parcels)


def cancel_shipment(command: CancelShipment, parcels: Parcels) -> ShipmentCancelled | CallOutside:
    """Cancel what is booked. What has left cannot be cancelled: within an order's saga it never
    comes to that, for goods leave only after its pivot."""
    parcel = _parcel(parcels)
    if parcel.status == ShipmentStatus.HANDED_OVER:
        raise ShipmentHasLeft(parcel.saga_id, parcel.status)
    if parcel.status == ShipmentStatus.CANCELLED:
        raise ShipmentNotBooked(parcel.saga_id, parcel.status)
    if parcel.outside:
        return _call(CANCEL, parcel)
    parcels.move(parcel, ShipmentStatus.CANCELLED)
    return ShipmentCancelled(reference=parcel.reference)


def recall_shipment(
    command: RecallShipment, parcels: Parcels
) -> ShipmentRecalled | ShipmentNotRecalled | CallOutside:
    """Keep a confirmed order's parcel in the house. The row's lock decides between the van and the
    customer: whoever comes second finds what the first one did. A carrier outside decides itself
    between fetching the parcel and cancelling the booking."""
    parcel = _parcel(parcels, command.placed_by)
    if parcel.status == ShipmentStatus.HANDED_OVER:
        return ShipmentNotRecalled(carrier=parcel.carrier, reference=parcel.reference)
    if parcel.status != ShipmentStatus.BOOKED:
        raise ShipmentNotBooked(parcel.saga_id, parcel.status)
    if parcel.outside:
        return _call(RECALL, parcel)
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
    """Give the van what is booked for a confirmed order; nothing where it was recalled, or waits
    for its carrier (then the watchdog gives it, or asks a carrier outside to fetch it). Where this
    was parked meanwhile, the watchdog may have given it already, and told so."""
    parcel = _parcel(parcels)
    if parcel.status in (ShipmentStatus.RECALLED, ShipmentStatus.HANDED_OVER):
        return None
    if parcel.status != ShipmentStatus.BOOKED:
        raise ShipmentNotBooked(parcel.saga_id, parcel.status)
    if settings.HAND_OVER_AFTER or parcel.outside:
        return None
    parcels.move(parcel, ShipmentStatus.HANDED_OVER)
    return ShipmentHandedOver(carrier=parcel.carrier, reference=parcel.reference)


def hear_confirmed(heard: Heard, pickups: Pickups) -> Iterable[Outgoing]:
    """Remember when the carrier comes for the parcel, where that is not at once."""
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


# --- a carrier outside

BOOK, CANCEL, RECALL = "book", "cancel", "recall"


def _call(operation: str, parcel: Parcel) -> CallOutside:
    booked = Reference(parcel.carrier, parcel.reference)
    return CallOutside(operation, str(parcel.saga_id), booked)


def book(call: Call) -> Booking | NotTaken:
    """Book with a carrier outside; or, where nobody wants it any more, close its reference."""
    wanted: Consignment = call.details
    carrier = carriers.carrier_of(wanted.carrier)
    if call.unwanted:
        carrier.close(call.key)
        return NotTaken(carrier_api.CLOSED)
    return carrier.book(wanted, call.key, call.called_at)


def cancel(call: Call) -> bool:
    """Take a booking back; False: the carrier has the parcel."""
    return carriers.carrier_of(call.details.carrier).cancel(call.details.reference)


def release(call: Call) -> bool:
    """The carrier may fetch the parcel; False: it has cancelled the booking."""
    return carriers.carrier_of(call.details.carrier).hand_over(call.details.reference)


def booking_answered(
    call: Call, outcome: Booking | NotTaken | ByHand, parcels: Parcels
) -> ShipmentCreated | ShipmentRefused:
    """The carrier has taken the order, or it will not."""
    if isinstance(outcome, ByHand):
        outcome = Booking(reference=outcome.evidence, parcels=1)
    return _booked(call.details, outcome, parcels)


def _booked(
    wanted: Consignment, answer: Booking | NotTaken, parcels: Parcels
) -> ShipmentCreated | ShipmentRefused:
    if isinstance(answer, NotTaken):
        why = REASONS.get(answer.code, "").format(country=wanted.address.country)
        return ShipmentRefused(pieces=wanted.pieces, most_pieces=answer.most_pieces, why=why)
    parcels.book(wanted, answer)
    return ShipmentCreated(carrier=wanted.carrier, reference=answer.reference)


# Why a carrier does not take an order that is not too large, as a customer reads it.
REASONS = {
    carrier_api.COUNTRY_NOT_SERVED: "The carrier does not deliver to {country}",
    carrier_api.ADDRESS_NOT_SERVED: "The carrier does not deliver to this address",
    carrier_api.CLOSED: "The parcel was not wanted any more",
}


def cancellation_answered(
    call: Call, outcome: bool | ByHand, parcels: Parcels
) -> ShipmentCancelled | UndoRefused:
    """The booking is cancelled; or the carrier has the parcel, which it never should."""
    parcel = _booked_parcel(parcels, call)
    if outcome is False:
        return UndoRefused(reason=f"{parcel.carrier} has the parcel {parcel.reference} already")
    parcels.move(parcel, ShipmentStatus.CANCELLED)
    return ShipmentCancelled(reference=parcel.reference)


def recall_answered(
    call: Call, outcome: bool | ByHand, parcels: Parcels
) -> ShipmentRecalled | ShipmentNotRecalled:
    """The parcel stays here, or the carrier was faster. That it has the parcel tells its tracking,
    before or after this."""
    if outcome is False:
        booked: Reference = call.details
        return ShipmentNotRecalled(carrier=booked.carrier, reference=booked.reference)
    parcel = _booked_parcel(parcels, call)
    parcels.move(parcel, ShipmentStatus.RECALLED)
    return ShipmentRecalled(reference=parcel.reference)


def release_answered(
    call: Call, outcome: bool | ByHand, parcels: Parcels
) -> ShipmentReleased | ShipmentNotReleased:
    """The carrier knows that it may come. When it has come tells its tracking; that it will not,
    too, and asks for a person."""
    told = ShipmentNotReleased if outcome is False else ShipmentReleased
    return told(carrier=call.details.carrier, reference=call.details.reference)


def _booked_parcel(parcels: Parcels, call: Call) -> Parcel:
    parcel = _parcel(parcels, UUID(call.subject))
    if parcel.status != ShipmentStatus.BOOKED:
        raise ShipmentNotBooked(parcel.saga_id, parcel.status)
    return parcel


CARRIER = Provider.from_settings("carrier")


def _outside(
    steps: Collection[str],
    make: Callable[[Call], Any],
    record: Callable[[Call, Any, Parcels], Event],
    details: type[msgspec.Struct] = Reference,
    personal: str = "",
) -> OutsideCall:
    return OutsideCall(
        make,
        record,
        Parcels,
        details=details,
        longest=carrier_api.LONGEST_CALL_SECONDS,
        steps=frozenset(steps),
        provider=CARRIER,
        personal=personal,
    )


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
CALLS = {
    BOOK: _outside({"create_shipment"}, book, booking_answered, Consignment, "address"),
    CANCEL: _outside({"create_shipment"}, cancel, cancellation_answered),
    RECALL: _outside({"recall_shipment"}, cancel, recall_answered),
    RELEASE: _outside((), release, release_answered),
}
