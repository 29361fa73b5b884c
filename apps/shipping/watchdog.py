"""Shipping's own watchdog: when the carrier's hour has come, it is given what waits for it.

Only where HAND_OVER_AFTER lets parcels wait; otherwise they are handed over on OrderConfirmed.
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from django.db import transaction

from apps.contracts.catalogue import Action
from apps.contracts.plan import Plan
from apps.contracts.shipping import ShipmentHandedOver
from apps.messaging.context import context
from apps.messaging.database import Row
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.failpoints import reach
from apps.messaging.metrics import TURNED
from apps.messaging.outbox import publish
from apps.messaging.request import Request
from apps.shipping.workspaces import HAND_OVER

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
FROM (SELECT saga_id FROM shipping_shipment WHERE saga_id = ANY(%b::uuid[]) AND status = 'booked'
      ORDER BY saga_id FOR UPDATE) AS due
WHERE shipment.saga_id = due.saga_id AND shipment.status = 'booked'
RETURNING shipment.saga_id, shipment.carrier, shipment.reference
"""

# Nobody waits for these any more.
FORGET = "DELETE FROM shipping_pickup WHERE saga_id = ANY(%b::uuid[])"


class Watchdog:
    """One process's watch over the parcels that wait. Several may watch: they share the work."""

    def __init__(self) -> None:
        self.database = context("shipping").database

    def turn(self) -> int:
        """Look once; how many parcels the carriers took."""
        TURNED.labels("shipping").set_to_current_time()
        with self.database.transaction():
            waiting = {row[0]: row for row in self.database.fetch(DUE, [MOST_PARCELS])}
            if not waiting:
                return 0
            taken = self.database.fetch(HAND_OVER_DUE, [[*waiting]])
            self.database.execute(FORGET, [[*waiting]])
            self._tell([_handed_over(waiting[saga_id], *rest) for saga_id, *rest in taken])
        return len(taken)

    def _tell(self, told: Sequence[Envelope]) -> None:
        requests = [each.request for each in told]
        after = partial(reach, "watchdog.after_commit", requests)
        transaction.on_commit(after, using=self.database.alias)
        publish(self.database, told)
        reach("watchdog.before_commit", requests)

    def close(self) -> None:
        """Nothing is held."""


def _handed_over(waiting: Row, carrier: str, reference: str) -> Envelope:
    saga_id, plan, traceparent, causation_id = waiting
    event = ShipmentHandedOver(carrier=carrier, reference=reference)
    return new_envelope(
        event, _request(saga_id, plan), plan=plan, traceparent=traceparent,
        causation_id=causation_id,
    )  # fmt: skip


def _request(saga_id: UUID, plan: str) -> Request:
    """As the reaction tells it: in the mode of what was heard."""
    return Request(saga_id, HAND_OVER, Action.DO, 1, Plan.from_header(plan).mode)
