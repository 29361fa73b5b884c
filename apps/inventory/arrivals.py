"""The desk where goods arrive that customers send back: to the step that waits, the world outside.

`wait_for` is OutsideCall.make. It writes what is expected, once per call, and takes what a person
says of it when there is that. What does not come in time is late; where the step never is to
happen, the desk is closed, so that no later word counts.
"""

from uuid import UUID, uuid5

import msgspec
from django.conf import settings

from apps.contracts.reading import read
from apps.contracts.values import AcceptedLine, Line
from apps.inventory.models import ArrivalStatus
from apps.messaging.database import Database
from apps.messaging.handling import Call, StillWaiting

LONGEST_CALL_SECONDS = 2.0  # a few statements of our own database

# Expect goods, unless this call did so before.
EXPECT = """
INSERT INTO inventory_arrival
  (id, saga_id, return_id, placed_by, order_id, customer_id, expected, accepted, status, due_at)
VALUES (%b, %b, %b, %b, %b, %b, %b::text::jsonb, '[]', 'expected',
  now() + make_interval(days => %b))
ON CONFLICT (id) DO NOTHING
"""

# expected -> late or withdrawn: nobody waits for it any longer.
CLOSE = """
UPDATE inventory_arrival SET closed_at = now(), version = version + 1,
  status = CASE WHEN %(unwanted)b::boolean THEN 'withdrawn' ELSE 'late' END
WHERE id = %(id)b AND status = 'expected' AND (%(unwanted)b::boolean OR due_at <= now())
"""

# What is known of it.
LOOK = "SELECT status, accepted::text, due_at FROM inventory_arrival WHERE id = %b"


class ExpectedGoods(msgspec.Struct, frozen=True):
    """What a return sends."""

    return_id: UUID
    placed_by: UUID
    order_id: UUID
    customer_id: int
    lines: tuple[Line, ...]


class Arrived(msgspec.Struct, frozen=True):
    """What came of it."""

    status: ArrivalStatus
    accepted: tuple[AcceptedLine, ...] = ()


def arrival_id(call: Call) -> UUID:
    """The arrival of a call: one per saga and generation."""
    return uuid5(call.request.saga_id, call.key)


def wait_for(call: Call) -> Arrived:
    """What arrived. Raises StillWaiting until that is known, or too late."""
    database, id = Database("inventory"), arrival_id(call)
    database.execute(EXPECT, (id, call.request.saga_id, *_columns(call.details)))
    database.execute(CLOSE, {"id": id, "unwanted": call.unwanted})
    [(status, accepted, due_at)] = database.fetch(LOOK, [id])
    if status == ArrivalStatus.EXPECTED:
        raise StillWaiting("The goods are on their way", due_at)
    lines = read(accepted, tuple[AcceptedLine, ...])
    return Arrived(ArrivalStatus(status), lines)


def _columns(goods: ExpectedGoods) -> tuple[object, ...]:
    lines = msgspec.json.encode(goods.lines).decode()
    whose = (goods.return_id, goods.placed_by, goods.order_id, goods.customer_id)
    return (*whose, lines, settings.RETURN_ARRIVES_WITHIN_DAYS)
