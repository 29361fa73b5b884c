"""What a person or a scanner says at the desk where returned goods arrive."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import transaction

from apps.contracts.reading import read
from apps.contracts.values import AcceptedLine, Line
from apps.inventory.errors import (
    ArrivalBusy,
    ArrivalClosed,
    ArrivalMoved,
    NoSuchArrival,
    NotWhatWasAnnounced,
)
from apps.inventory.models import ArrivalStatus
from apps.messaging.audit import Actor, write_down
from apps.messaging.database import Database
from apps.messaging.intents import IntentTable
from apps.messaging.models import SubjectKind
from apps.messaging.waking import wake

STEP = "receive_goods"

# The question that waits for goods, locked so that no worker claims it meanwhile; and whether one
# has it in hand at this moment.
LOCK_QUESTION = """
SELECT intent.id, coalesce(intent.leased_until > now(), false)
FROM inventory_intent AS intent JOIN inventory_arrival AS arrival USING (saga_id)
WHERE arrival.id = %b AND intent.status IN ('due', 'claimed', 'unknown', 'waiting')
ORDER BY intent.id FOR UPDATE OF intent
"""

LOCK_ARRIVAL = """
SELECT status, version, saga_id, order_id, expected::text FROM inventory_arrival
WHERE id = %b FOR UPDATE
"""

# expected -> received or refused. The caller holds the row's lock.
DECIDE = """
UPDATE inventory_arrival
SET status = %b, accepted = %b::text::jsonb, decided_by = %b, closed_at = now(),
    version = version + 1
WHERE id = %b AND status = 'expected'
"""


class Expected(NamedTuple):
    """An arrival that is still expected, locked."""

    saga_id: UUID
    order_id: UUID
    lines: tuple[Line, ...]


def record_arrival(
    *,
    arrival_id: UUID,
    accepted: Sequence[AcceptedLine],
    version: int,
    actor: Actor,
    reason: str,
) -> ArrivalStatus:
    """Say what of a return has arrived and is paid back; the saga that waits goes on at once. With
    no line nothing came, or nothing can be accepted: the return is refused.

    Written down in the same transaction. Raises NoSuchArrival, ArrivalClosed, ArrivalMoved,
    ArrivalBusy, NotWhatWasAnnounced and ReasonMissing, and changes nothing then.
    """
    database = Database("inventory")
    lines = tuple(each for each in accepted if each.quantity or each.damaged)
    status = ArrivalStatus.RECEIVED if accepted else ArrivalStatus.REFUSED
    with database.transaction():
        questions = database.fetch(LOCK_QUESTION, [arrival_id])
        expected = _take(database, arrival_id, version)
        if accepted:
            _refuse_unlike(lines, expected.lines)
        if any(in_hand for _, in_hand in questions):
            raise ArrivalBusy(arrival=arrival_id)  # it would be put off, with the word unheard
        found = msgspec.json.encode(lines).decode()
        database.execute(DECIDE, (status.value, found, actor.name, arrival_id))
        IntentTable(database).hasten(id for id, _ in questions)
        write_down(
            database,
            actor=actor,
            operation="receive" if accepted else "refuse",
            subject_kind=SubjectKind.ORDER,
            subject_id=expected.order_id,
            saga_id=expected.saga_id,
            step=STEP,
            version=version,
            reason=reason,
            parameters={"arrival": str(arrival_id), "accepted": msgspec.to_builtins(lines)},
            outcome=f"expected -> {status}",
        )
        transaction.on_commit(partial(wake, "inventory"), using="inventory")
    return status


def _take(database: Database, arrival_id: UUID, version: int) -> Expected:
    """Lock an arrival that is expected as it was seen."""
    rows = database.fetch(LOCK_ARRIVAL, [arrival_id])
    if not rows:
        raise NoSuchArrival(arrival=arrival_id)
    [(status, now, saga_id, order_id, expected)] = rows
    if status != ArrivalStatus.EXPECTED:
        raise ArrivalClosed(status=status)
    if now != version:
        raise ArrivalMoved(seen=version, now=now)
    return Expected(saga_id, order_id, read(expected, tuple[Line, ...]))


def _refuse_unlike(accepted: Sequence[AcceptedLine], expected: Sequence[Line]) -> None:
    """Raises NotWhatWasAnnounced."""
    most = {each.product_id: each.quantity for each in expected}
    twice = len({each.product_id for each in accepted}) < len(accepted)
    fits = all(
        0 < each.quantity <= most.get(each.product_id, 0) and 0 <= each.damaged <= each.quantity
        for each in accepted
    )
    if twice or not fits or not accepted:
        raise NotWhatWasAnnounced()
