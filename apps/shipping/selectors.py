"""What others may read of shipping. Ask inside one transaction to see one moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.shipping.models import GiftStatus, GiftWrap, Pickup, Shipment, ShipmentStatus, Tracking


@dataclass(frozen=True, slots=True)
class GiftEffects:
    """How often each thing was done with one saga's gift: once or never."""

    saga_id: UUID
    wrapped: int
    unwrapped: int


@dataclass(frozen=True, slots=True)
class ShipmentEffects:
    """How often each thing was done with one saga's parcel: once or never."""

    saga_id: UUID
    booked: int
    cancelled: int
    handed_over: int


@dataclass(frozen=True, slots=True)
class GiftSummary:
    """What a saga's page says of its gift."""

    status: str
    pieces: int
    boxes: int
    wrapped_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class ShipmentSummary:
    """What a saga's page says of its parcel. No address."""

    status: str
    reference: str
    carrier: str
    pieces: int
    parcels: int
    booked_at: datetime
    handed_over_at: datetime | None
    cancelled_at: datetime | None
    tracking_number: str  # of a carrier outside; empty: it has none
    label_url: str


@dataclass(frozen=True, slots=True)
class TrackingSummary:
    """Where a carrier outside says that a parcel is."""

    stage: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Goods that left the house."""

    saga_id: UUID
    order_id: UUID


@dataclass(frozen=True, slots=True)
class OpenBooking:
    """A parcel that is booked, neither handed over nor cancelled."""

    saga_id: UUID
    order_id: UUID
    since: datetime


def gift_of_saga(saga_id: UUID) -> GiftSummary | None:
    """The gift of a saga; None where none was ever wrapped."""
    found = GiftWrap.objects.filter(saga_id=saga_id).values_list(*GiftSummary.__slots__).first()
    return GiftSummary(*found) if found else None


def shipment_of_saga(saga_id: UUID) -> ShipmentSummary | None:
    """The parcel of a saga; None where none was ever booked."""
    rows = Shipment.objects.filter(saga_id=saga_id).values_list(*ShipmentSummary.__slots__)
    found = rows.first()
    return ShipmentSummary(*found) if found else None


def pickup_of_saga(saga_id: UUID) -> datetime | None:
    """When the carrier comes for a saga's parcel; None where nothing waits for it."""
    return Pickup.objects.filter(saga_id=saga_id).values_list("due_at", flat=True).first()


def tracking_of_saga(saga_id: UUID) -> TrackingSummary | None:
    """Where the parcel of a saga is; None where no carrier outside was asked to fetch it."""
    rows = Tracking.objects.filter(saga_id=saga_id).values_list(*TrackingSummary.__slots__)
    found = rows.first()
    return TrackingSummary(*found) if found else None


def gift_effects() -> Iterator[GiftEffects]:
    """What was done with each gift, by saga."""
    rows = GiftWrap.objects.order_by("saga_id").values_list("saga_id", "status")
    for saga_id, status in rows.iterator():
        yield GiftEffects(saga_id, wrapped=1, unwrapped=int(status == GiftStatus.UNWRAPPED))


def shipment_effects() -> Iterator[ShipmentEffects]:
    """What was done with each parcel, by saga."""
    rows = Shipment.objects.order_by("saga_id").values_list("saga_id", "status")
    for saga_id, status in rows.iterator():
        yield ShipmentEffects(
            saga_id,
            booked=1,
            cancelled=int(status in (ShipmentStatus.CANCELLED, ShipmentStatus.RECALLED)),
            handed_over=int(status == ShipmentStatus.HANDED_OVER),
        )


def handed_over() -> Iterator[HandedOver]:
    """What carriers have, by saga."""
    rows = Shipment.objects.filter(status=ShipmentStatus.HANDED_OVER).order_by("saga_id")
    for row in rows.values_list("saga_id", "order_id").iterator():
        yield HandedOver(*row)


def open_bookings() -> list[OpenBooking]:
    """What is booked, oldest first."""
    rows = Shipment.objects.filter(status=ShipmentStatus.BOOKED).order_by("booked_at")
    return [OpenBooking(*row) for row in rows.values_list("saga_id", "order_id", "booked_at")]
