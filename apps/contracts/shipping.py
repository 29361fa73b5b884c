"""What shipping is asked and tells."""

from uuid import UUID

from apps.contracts.base import Command, Compensation, Event, Refusal, TakesBack, Undone
from apps.contracts.values import Address, Line


class WrapGift(Command, frozen=True, kw_only=True):
    """Wrap the basket as a gift."""

    order_id: UUID
    lines: tuple[Line, ...]


class GiftWrapped(Event, frozen=True, kw_only=True):
    """The gift is wrapped."""

    boxes: int


class GiftWrapUnavailable(Refusal, frozen=True, kw_only=True):
    """The basket cannot be wrapped."""

    pieces: int
    most_pieces: int

    @property
    def reason(self) -> str:
        return f"Gift wrap holds at most {self.most_pieces} pieces, the order has {self.pieces}"


class GiftUnwrapped(Undone, frozen=True, kw_only=True):
    """The gift is unwrapped."""

    boxes: int = 0


class UnwrapGift(Compensation, frozen=True, kw_only=True):
    """Unwrap the gift."""

    answer = GiftUnwrapped


class CreateShipment(Command, frozen=True, kw_only=True):
    """Book a parcel with a carrier."""

    order_id: UUID
    address: Address
    lines: tuple[Line, ...]


class ShipmentCreated(Event, frozen=True, kw_only=True):
    """The parcel is booked; nothing has left the house."""

    carrier: str
    reference: str


class ShipmentRefused(Refusal, frozen=True, kw_only=True):
    """The carrier does not take the order: it is too large, or for another reason."""

    pieces: int
    most_pieces: int
    why: str = ""  # the other reason, in a sentence for customers

    @property
    def reason(self) -> str:
        if self.why:
            return self.why
        return f"The carrier takes at most {self.most_pieces} pieces, the order has {self.pieces}"


class ShipmentCancelled(Undone, frozen=True, kw_only=True):
    """The booking is cancelled."""

    reference: str = ""


class CancelShipment(Compensation, frozen=True, kw_only=True):
    """Cancel the booking."""

    answer = ShipmentCancelled


class ShipmentReleased(Event, frozen=True, kw_only=True):
    """The carrier was told that it may fetch the parcel."""

    carrier: str
    reference: str


class ShipmentNotReleased(Refusal, frozen=True, kw_only=True):
    """The carrier will not fetch the parcel: it has cancelled the booking."""

    carrier: str
    reference: str

    @property
    def reason(self) -> str:
        return f"The carrier has cancelled the booking {self.reference}"


class ShipmentHandedOver(Event, frozen=True, kw_only=True):
    """The carrier has the parcel."""

    carrier: str
    reference: str


class RecallShipment(TakesBack, frozen=True, kw_only=True):
    """Keep the parcel of a confirmed order back, if it is still in the house."""


class ShipmentRecalled(Event, frozen=True, kw_only=True):
    """The parcel is kept back and will never leave."""

    reference: str


class ShipmentNotRecalled(Refusal, frozen=True, kw_only=True):
    """The carrier has the parcel already."""

    carrier: str
    reference: str

    @property
    def reason(self) -> str:
        return f"The parcel {self.reference} has left the house; send it back when it arrives"


class UnpackGift(TakesBack, frozen=True, kw_only=True):
    """Take the gift of an order that is cancelled after its end out of its boxes."""


class GiftUnpacked(Event, frozen=True, kw_only=True):
    """No gift is wrapped for the order any more."""

    boxes: int  # 0: none was
