"""The gifts and parcels of one batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import msgspec
from django.conf import settings

from apps.contracts.shipping import CreateShipment, WrapGift
from apps.messaging.database import Database, Row, columns, touches
from apps.messaging.handling import Call, Heard, Task, Workspace
from apps.shipping.carrier_api import Booking
from apps.shipping.carriers import IN_HOUSE, Consignment
from apps.shipping.models import GiftStatus, ShipmentStatus

HAND_OVER = "hand_over"  # the reaction's row in the saga log
RELEASE = "release"  # the call by which a carrier outside learns that it may come

# Lock gifts, in key order.
LOCK_GIFTS = """
SELECT saga_id, boxes, status
FROM shipping_giftwrap WHERE saga_id = ANY(%b::uuid[]) ORDER BY saga_id FOR UPDATE
"""

# Write gifts that were just wrapped.
INSERT_GIFTS = """
INSERT INTO shipping_giftwrap (saga_id, order_id, pieces, boxes, status)
SELECT *, 'wrapped' FROM unnest(%b::uuid[], %b::uuid[], %b::int[], %b::int[])
"""

# Unwrap gifts, changing them from wrapped to unwrapped.
UNWRAP_GIFTS = """
UPDATE shipping_giftwrap SET status = 'unwrapped', changed_at = statement_timestamp()
WHERE saga_id = ANY(%b::uuid[]) AND status = 'wrapped'
"""

# Lock shipments, in key order.
LOCK_SHIPMENTS = """
SELECT saga_id, carrier, reference, status
FROM shipping_shipment WHERE saga_id = ANY(%b::uuid[]) ORDER BY saga_id FOR UPDATE
"""

# Write shipments that were just booked.
INSERT_SHIPMENTS = """
INSERT INTO shipping_shipment (saga_id, order_id, reference, carrier, name, street, postal_code,
                               city, country, pieces, parcels, tracking_number, label_url, status)
SELECT *, 'booked' FROM unnest(
  %b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
  %b::text[], %b::text[], %b::int[], %b::int[], %b::text[], %b::text[])
"""

# Hand over, cancel or recall shipments, changing them from booked.
MOVE_SHIPMENTS = """
UPDATE shipping_shipment AS shipment
SET status = moved.status,
    handed_over_at = CASE moved.status WHEN 'handed_over' THEN statement_timestamp() END,
    cancelled_at = CASE WHEN moved.status <> 'handed_over' THEN statement_timestamp() END
FROM unnest(%b::uuid[], %b::text[]) AS moved (saga_id, status)
WHERE shipment.saga_id = moved.saga_id AND shipment.status = 'booked'
"""


@dataclass(slots=True)
class Gift:
    """A wrapped gift, as the batch leaves it."""

    saga_id: UUID
    boxes: int
    status: str


class GiftDesk(Workspace):
    """Where gifts are wrapped and unwrapped."""

    def __init__(self, database: Database, gifts: dict[UUID, Gift]) -> None:
        super().__init__(database)
        self._gifts = gifts
        self._wrapped: list[tuple[UUID, UUID, int, int]] = []
        self._unwrapped: list[UUID] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        rows = _lock(database, LOCK_GIFTS, tasks, unless=WrapGift)
        return cls(database, {row[0]: Gift(*row) for row in rows})

    def gift(self, saga_id: UUID | None = None) -> Gift | None:
        """The gift of a saga, the request's if none is named; None where there is none."""
        return self._gifts.get(saga_id or self.request.saga_id)

    def wrap(self, order_id: UUID, pieces: int, boxes: int) -> None:
        """Wrap a gift for the request's saga."""
        self._wrapped.append((self.request.saga_id, order_id, pieces, boxes))

    def unwrap(self, gift: Gift) -> None:
        """Unwrap a wrapped gift."""
        gift.status = GiftStatus.UNWRAPPED
        self._unwrapped.append(gift.saga_id)

    def save(self) -> None:
        if self._wrapped:
            self.database.send(INSERT_GIFTS, columns(self._wrapped, 4))
        if self._unwrapped:
            unwrapped = self._unwrapped
            self.database.send(UNWRAP_GIFTS, [unwrapped], touches(len(unwrapped)))


@dataclass(slots=True)
class Parcel:
    """A booked shipment, as the batch leaves it."""

    saga_id: UUID
    carrier: str
    reference: str
    status: str

    @property
    def outside(self) -> bool:
        """Whether a carrier outside has it booked: what becomes of it is asked there."""
        return self.carrier != IN_HOUSE


class Reference(msgspec.Struct, frozen=True):
    """What is asked of a booking: no personal data is here."""

    carrier: str
    reference: str


class Parcels(Workspace):
    """What is booked with carriers, and what they have taken."""

    def __init__(self, database: Database, parcels: dict[UUID, Parcel]) -> None:
        super().__init__(database)
        self._parcels = parcels
        self._booked: list[tuple[object, ...]] = []
        self._moved: list[tuple[UUID, str]] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        rows = _lock(database, LOCK_SHIPMENTS, tasks, unless=CreateShipment)
        return cls(database, {row[0]: Parcel(*row) for row in rows})

    def parcel(self, saga_id: UUID | None = None) -> Parcel | None:
        """What is booked for a saga, the request's if none is named; None where nothing is."""
        return self._parcels.get(saga_id or self.request.saga_id)

    def book(self, wanted: Consignment, booking: Booking) -> None:
        """Keep a carrier's booking for the request's saga."""
        to = wanted.address
        address = (to.name, to.street, to.postal_code, to.city, to.country)
        ids = (self.request.saga_id, wanted.order_id, booking.reference, wanted.carrier)
        sizes = (wanted.pieces, booking.parcels)
        self._booked.append((*ids, *address, *sizes, booking.tracking_number, booking.label_url))

    def move(self, parcel: Parcel, status: ShipmentStatus) -> None:
        """Hand over, cancel or recall a booked parcel."""
        parcel.status = status
        self._moved.append((parcel.saga_id, status.value))

    def save(self) -> None:
        if self._booked:
            self.database.send(INSERT_SHIPMENTS, columns(self._booked, 13))
        if self._moved:
            moved = self._moved
            self.database.send(MOVE_SHIPMENTS, columns(moved, 2), touches(len(moved)))


def _lock(database: Database, statement: str, tasks: Sequence[Task], *, unless: type) -> list[Row]:
    """Rows of the tasks' sagas, but for those tasks that make their row only now."""
    sagas = [_whose(task) for task in tasks if not isinstance(task.message, unless)]
    return database.fetch(statement, [sagas]) if sagas else []


def _whose(task: Task) -> UUID:
    """The saga whose row a task is about. A call is about the one that it was wanted for."""
    return UUID(task.message.subject) if isinstance(task.message, Call) else task.about


# Parcels wait for their carrier's hour; one that waits already goes on waiting for its own. Our own
# van takes what it may at once; a carrier outside is asked to come, once.
WAIT_FOR_CARRIER = """
INSERT INTO shipping_pickup (saga_id, due_at, plan, traceparent, causation_id)
SELECT saga_id, now() + make_interval(secs => %b), plan, traceparent, causation_id
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[])
  AS waiting (saga_id, plan, traceparent, causation_id)
WHERE (%b OR EXISTS (SELECT FROM shipping_shipment AS shipment
                     WHERE shipment.saga_id = waiting.saga_id AND shipment.carrier <> 'in-house'))
  AND NOT EXISTS (SELECT FROM shipping_tracking AS tracking
                  WHERE tracking.saga_id = waiting.saga_id)
ORDER BY saga_id ON CONFLICT (saga_id) DO NOTHING
"""


class Pickups(Workspace):
    """The parcels that wait for their carrier. Nothing is read to write there."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._waiting: dict[UUID, tuple[UUID, str, str, str]] = {}

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        return cls(database)

    def wait(self, heard: Heard) -> None:
        """The carrier comes for this order's parcel HAND_OVER_AFTER seconds from now."""
        saga_id = heard.request.saga_id
        self._waiting[saga_id] = (saga_id, heard.plan, heard.traceparent, str(heard.message_id))

    def save(self) -> None:
        if self._waiting:
            after = float(settings.HAND_OVER_AFTER)
            waiting = columns(self._waiting.values(), 4)
            self.database.send(WAIT_FOR_CARRIER, (after, *waiting, after > 0))
