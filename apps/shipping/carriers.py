"""Who takes parcels away: our own van, or a carrier that is asked over HTTP (`carrier_api`).

The van decides at once, in the transaction of whoever asks. A carrier outside is only ever asked by
workers, in no transaction: what it answers is definite, and whatever is raised means that the
outcome is not known.
"""

import base64
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.contracts.values import Address
from apps.shipping import carrier_api
from apps.shipping.carrier_api import Booking, NotTaken

IN_HOUSE = "in-house"


class Consignment(msgspec.Struct, frozen=True):
    """What is to be booked: all that a carrier needs to know of an order."""

    saga_id: UUID
    order_id: UUID
    address: Address
    pieces: int
    carrier: str


class Carrier(Protocol):
    """Takes orders away. Each of these may be asked again, and then says the same."""

    outside: bool  # workers ask it; otherwise it answers at once

    @property
    def name(self) -> str:
        """What rows and customers are told that it is called."""
        ...

    def book(self, wanted: Consignment, key: str, asked_at: datetime) -> Booking | NotTaken:
        """Have an order taken away; the same key, first asked for then, is the same booking."""
        ...

    def close(self, key: str) -> None:
        """Have nothing booked under a key, whatever is still on its way to the carrier."""
        ...

    def cancel(self, reference: str) -> bool:
        """Take a booking back; False: the carrier has the parcel already."""
        ...

    def hand_over(self, reference: str) -> bool:
        """The parcel may leave; False: the carrier has cancelled the booking."""
        ...


class InHouseCarrier:
    """Our own van. Whether a parcel is still here says the row of the shipment, under its lock."""

    name = IN_HOUSE
    outside = False
    most_pieces = 60  # in one order
    parcel_pieces = 20  # a parcel holds

    def book(self, wanted: Consignment, key: str, asked_at: datetime) -> Booking | NotTaken:
        if wanted.pieces > self.most_pieces:
            return NotTaken(code=carrier_api.TOO_MANY_PIECES, most_pieces=self.most_pieces)
        parcels = -(-wanted.pieces // self.parcel_pieces)
        return Booking(reference=reference_of(wanted.saga_id), parcels=parcels)

    def close(self, key: str) -> None:
        """What was not booked at once is not booked."""

    def cancel(self, reference: str) -> bool:
        return True

    def hand_over(self, reference: str) -> bool:
        return True


class HttpCarrier:
    """A carrier outside the house, at CARRIER_URL. It comes for what it was told to fetch, and
    tells by its tracking when it has it."""

    outside = True

    @property
    def name(self) -> str:
        if settings.CARRIER_NAME == IN_HOUSE:
            raise ImproperlyConfigured("CARRIER_NAME is that of a carrier outside, not in-house")
        return str(settings.CARRIER_NAME)

    def book(self, wanted: Consignment, key: str, asked_at: datetime) -> Booking | NotTaken:
        return carrier_api.book(key, wanted.address, wanted.pieces, asked_at)

    def close(self, key: str) -> None:
        carrier_api.close(key)

    def cancel(self, reference: str) -> bool:
        return carrier_api.cancel(reference)

    def hand_over(self, reference: str) -> bool:
        return carrier_api.release(reference)


def chosen() -> Carrier:
    """Who takes what is booked from now on."""
    return HttpCarrier() if settings.CARRIER_URL else InHouseCarrier()


def carrier_of(name: str) -> Carrier:
    """Who took a booking, whatever is chosen now."""
    return InHouseCarrier() if name == IN_HOUSE else HttpCarrier()


def reference_of(saga_id: UUID) -> str:
    """`SP-` and 12 letters and digits: the last 60 bits of the saga id, which are random ones."""
    return "SP-" + base64.b32encode(saga_id.bytes[-10:]).decode()[-12:]
