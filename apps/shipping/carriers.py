"""Who takes parcels away, and what each accepts."""

import base64
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Booking:
    """A carrier's promise to take an order."""

    reference: str
    parcels: int


class Carrier(Protocol):
    """Takes an order away, or says that it is too large. It decides by itself and calls nobody."""

    name: str
    most_pieces: int  # in one order

    def book(self, saga_id: UUID, pieces: int) -> Booking | None:
        """A booking, the same however often it is asked for; None above `most_pieces`."""
        ...


class InHouseCarrier:
    """Our own van."""

    name = "in-house"
    most_pieces = 60
    parcel_pieces = 20  # a parcel holds

    def book(self, saga_id: UUID, pieces: int) -> Booking | None:
        if pieces > self.most_pieces:
            return None
        return Booking(reference_of(saga_id), -(-pieces // self.parcel_pieces))


def reference_of(saga_id: UUID) -> str:
    """`SP-` and 12 letters and digits: the last 60 bits of the saga id, which are random ones."""
    return "SP-" + base64.b32encode(saga_id.bytes[-10:]).decode()[-12:]
