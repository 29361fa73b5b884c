"""Steps that wait until their message has left the house.

A step does not send. It queues its message, and asks here what became of it: to it, the world
outside is the table of dispatches. So a slow mail server holds up no claim on a step, and mails of
steps and of news go one way.
"""

from datetime import timedelta
from functools import partial
from uuid import UUID

import msgspec
from django.db import transaction

from apps.contracts.notifications import Delivery
from apps.messaging.database import Database
from apps.messaging.handling import Call, CallOutside, StillWaiting
from apps.messaging.intents import IntentTable
from apps.messaging.waking import wake
from apps.notifications.models import DispatchStatus, MessageKind, name_of

AWAIT_DISPATCH = "await_dispatch"
LONGEST_CALL_SECONDS = 2.0  # one statement of our own database
ASK_AGAIN = timedelta(seconds=15)  # what is definite wakes the call: this is for lost wake-ups
ORDERS_WAIT = timedelta(minutes=10)  # for a server that takes no mail; then they go on without it

OPEN = {DispatchStatus.QUEUED, DispatchStatus.SENDING}

# Where a message is, by each channel; and whether its order has waited for long enough.
LOOK = """
SELECT status, now(), %b::timestamptz + %b::interval < now()
FROM notifications_dispatch
WHERE order_id = %b AND kind = %b AND (kind <> 'returned' OR saga_id = %b)
"""

# The step that has asked for this message, and waits. (What has not asked yet is due anyway.)
WAITING_FOR = """
SELECT id FROM notifications_intent
WHERE subject = %b AND status IN ('unknown', 'waiting') ORDER BY id FOR UPDATE
"""


class Awaited(msgspec.Struct, frozen=True):
    """The message that a step waits for."""

    order_id: UUID
    kind: str
    saga_id: UUID | None = None  # that asked; of a return its message is its own


def wait_for(order_id: UUID, kind: MessageKind, saga_id: UUID) -> CallOutside:
    """What a handler returns whose message is queued to leave the house."""
    awaited = Awaited(order_id, kind.value, saga_id)
    return CallOutside(AWAIT_DISPATCH, name_of(kind, order_id, saga_id), awaited)


def outcome_of(call: Call) -> Delivery:
    """What became of a message. Raises StillWaiting while that is not definite, for as long as
    orders wait."""
    awaited: Awaited = call.details
    since = (call.called_at, ORDERS_WAIT)
    which = (awaited.order_id, awaited.kind, awaited.saga_id)
    rows = Database("notifications").fetch(LOOK, (*since, *which))
    found = {DispatchStatus(status) for status, _, _ in rows}
    if OPEN.isdisjoint(found):
        return delivery(found)
    [(_, now, is_over), *_] = rows
    if is_over:
        return Delivery.DELAYED
    raise StillWaiting("The message is on its way out", now + ASK_AGAIN)


def delivery(found: set[DispatchStatus]) -> Delivery:
    """What is known of a message by its ways: the best of them counts. Without any it is in the
    inbox alone, which takes everything."""
    if not found or DispatchStatus.SENT in found:
        return Delivery.DELIVERED
    return Delivery.UNKNOWN if DispatchStatus.UNKNOWN in found else Delivery.REFUSED


def wake_steps(database: Database, order_id: UUID, kind: str, saga_id: UUID) -> None:
    """Let the steps ask again, at once, that wait for a message. The caller has a transaction
    open."""
    rows = database.fetch(WAITING_FOR, [name_of(kind, order_id, saga_id)])
    IntentTable(database).hasten(id for (id,) in rows)
    if rows:
        transaction.on_commit(partial(wake, "notifications"), using="notifications")
