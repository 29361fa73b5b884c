"""What should never be asked of shipping: not refusals, but signs that something is wrong."""

from uuid import UUID

from apps.messaging.errors import sentence_of


class ShippingError(Exception):
    """Something unexpected in shipping; the message is tried again, then parked."""

    def __init__(self, saga_id: UUID, status: str | None = None) -> None:
        self.saga_id = saga_id
        self.status = status  # of what was found; None: nothing was
        super().__init__(f"{sentence_of(self)} Saga {saga_id}: {status or 'nothing found'}.")


class GiftNotWrapped(ShippingError):
    """A gift was to be unwrapped that is not wrapped; compare the saga log with the gifts."""


class ShipmentNotBooked(ShippingError):
    """A shipment was to be handed over or cancelled that is not booked; compare the saga log with
    the shipments."""


class ShipmentHasLeft(ShippingError):
    """A shipment was to be cancelled that the carrier already has; only a return brings it back."""


class NoDefiniteAnswer(Exception):
    """The carrier did not say what became of it; it is asked again, under the same reference."""

    def __init__(self, status: int, code: str = "") -> None:
        self.status, self.code = status, code
        answer = f"{status}, {code}" if code else str(status)
        super().__init__(f"{sentence_of(self)} It answered {answer}.")


class CarrierNotConfigured(Exception):
    """A parcel was booked with a carrier outside, so there was a CARRIER_URL: set it again."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)
