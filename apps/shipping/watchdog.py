"""Shipping's own watchdog: when the carrier's hour has come, it is given what waits for it.

Our van waits only where HAND_OVER_AFTER lets it; otherwise it is given parcels on OrderConfirmed. A
carrier outside is always asked from here to fetch a parcel; `tracking` follows what it does.
"""

from collections.abc import Sequence
from functools import partial

from django.db import transaction

from apps.contracts.orders import OrderConfirmed
from apps.contracts.shipping import ShipmentHandedOver
from apps.messaging.context import context
from apps.messaging.database import Row, columns
from apps.messaging.envelope import Envelope
from apps.messaging.handling import CallOutside
from apps.messaging.intents import IntentTable
from apps.messaging.metrics import TURNED
from apps.messaging.waking import wake
from apps.shipping.confirmed import Confirmed, publish_turn
from apps.shipping.tracking import CarrierWatch
from apps.shipping.workspaces import RELEASE, Reference

MOST_PARCELS = 100  # in one turn

# The parcels whose carrier has come, locked in key order; of several watchdogs each takes others.
DUE = """
SELECT saga_id, plan, traceparent, causation_id FROM shipping_pickup
WHERE due_at <= now() ORDER BY saga_id LIMIT %b FOR UPDATE SKIP LOCKED
"""

# booked -> handed_over, locked in key order. What was recalled meanwhile stays in the house.
HAND_OVER_DUE = """
UPDATE shipping_shipment AS shipment
SET status = 'handed_over', handed_over_at = statement_timestamp()
FROM (SELECT saga_id FROM shipping_shipment
      WHERE saga_id = ANY(%b::uuid[]) AND status = 'booked' AND carrier = 'in-house'
      ORDER BY saga_id FOR UPDATE) AS due
WHERE shipment.saga_id = due.saga_id AND shipment.status = 'booked'
RETURNING shipment.saga_id, shipment.carrier, shipment.reference
"""

# What carriers outside are to be asked to fetch, locked in key order.
BOOKED_OUTSIDE = """
SELECT saga_id, order_id, carrier, reference FROM shipping_shipment
WHERE saga_id = ANY(%b::uuid[]) AND status = 'booked' AND carrier <> 'in-house'
ORDER BY saga_id FOR UPDATE
"""

# Of these, those that cannot be asked for now: a recall is under way, or the reaction that the call
# answers is not carried out yet. A new statement, after the lock: who recalls holds it too.
NOT_NOW = """
SELECT saga_id FROM unnest(%b::uuid[]) AS asked (saga_id)
WHERE EXISTS (SELECT FROM shipping_intent AS intent
              WHERE intent.subject = asked.saga_id::text
                AND intent.status IN ('due', 'claimed', 'unknown', 'waiting'))
   OR NOT EXISTS (SELECT FROM shipping_sagalog AS log
                  WHERE log.saga_id = asked.saga_id AND log.step = 'hand_over')
"""

# Look at them again a little later; others come first.
LATER = """
UPDATE shipping_pickup SET due_at = now() + interval '5 seconds' WHERE saga_id = ANY(%b::uuid[])
"""

# From now on it is the carrier who knows where they are.
FOLLOW = """
INSERT INTO shipping_tracking (saga_id, reference, plan, traceparent, causation_id, changed_at,
                               due_at)
SELECT saga_id, reference, plan, traceparent, causation_id, now(), now() + interval '30 seconds'
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[])
  AS asked (saga_id, reference, plan, traceparent, causation_id)
"""

# Nobody waits for these any more.
FORGET = "DELETE FROM shipping_pickup WHERE saga_id = ANY(%b::uuid[])"


class Watchdog:
    """One process's watch over the parcels that wait. Several may watch: they share the work."""

    def __init__(self) -> None:
        self.database = context("shipping").database

    def turn(self) -> int:
        """Look once; how many parcels the van took, and carriers outside are asked to fetch."""
        TURNED.labels("shipping").set_to_current_time()
        with self.database.transaction():
            rows = self.database.fetch(DUE, [MOST_PARCELS])
            if not rows:
                return 0
            waiting = {row[0]: Confirmed(*row) for row in rows}
            taken = sorted(self.database.fetch(HAND_OVER_DUE, [[*waiting]]))  # by saga
            outside = self.database.fetch(BOOKED_OUTSIDE, [[*waiting]])
            not_now = {row[0] for row in self.database.fetch(NOT_NOW, [[r[0] for r in outside]])}
            asked = [row for row in outside if row[0] not in not_now]
            self._release([(waiting[row[0]], row) for row in asked])
            self.database.execute(LATER, [[*not_now]])
            self.database.execute(FORGET, [[*(waiting.keys() - not_now)]])
            publish_turn(
                self.database,
                [
                    waiting[saga_id].tell(ShipmentHandedOver(carrier=carrier, reference=reference))
                    for saga_id, carrier, reference in taken
                ],
            )
        return len(taken) + len(asked)

    def _release(self, asked: Sequence[tuple[Confirmed, Row]]) -> None:
        """Want the calls by which carriers outside learn that they may come."""
        if not asked:
            return
        followed = [(each.saga_id, row[3], *each[1:]) for each, row in asked]
        self.database.execute(FOLLOW, columns(followed, 5))
        IntentTable(self.database).add([_call(*each) for each in asked])
        transaction.on_commit(partial(wake, "shipping"), using=self.database.alias)

    def close(self) -> None:
        """Nothing is held."""


def _call(confirmed: Confirmed, row: Row) -> tuple[Envelope, CallOutside]:
    """What the reaction to the confirmation wants of a carrier outside."""
    saga_id, order_id, carrier, reference = row
    asked = confirmed.tell(OrderConfirmed(order_id=order_id))
    return asked, CallOutside(RELEASE, str(saga_id), Reference(carrier, reference))


WATCHES = (Watchdog, CarrierWatch)
