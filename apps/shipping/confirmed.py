"""What is told, of itself, about the parcel of an order that was confirmed."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from apps.contracts.base import Event
from apps.contracts.catalogue import EVENT_TOPICS, Action
from apps.contracts.plan import Plan
from apps.contracts.steps import PersonNeeded
from apps.messaging.database import Database
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.failpoints import reach
from apps.messaging.outbox import publish
from apps.messaging.request import Request
from apps.shipping.workspaces import HAND_OVER


class Confirmed(NamedTuple):
    """The confirmation that a hand-over follows from, as it was heard."""

    saga_id: UUID
    plan: str
    traceparent: str
    causation_id: str

    @property
    def request(self) -> Request:
        """As the reaction tells it: in the mode of what was heard."""
        mode = Plan.from_header(self.plan).mode
        return Request(self.saga_id, HAND_OVER, Action.DO, 1, mode)

    def tell(self, event: Event, *, topic: str = "") -> Envelope:
        """An event on its way."""
        return new_envelope(
            event,
            self.request,
            plan=self.plan,
            traceparent=self.traceparent,
            causation_id=self.causation_id,
            topic=topic,
        )

    def need_person(self, kind: str, reason: str) -> Envelope:
        """A person should look."""
        event = PersonNeeded(kind=kind, context="shipping", reason=reason)
        return self.tell(event, topic=EVENT_TOPICS["shipping"])


def publish_turn(database: Database, told: Sequence[Envelope]) -> None:
    """Publish what a turn of a watchdog has found, at the end of its transaction."""
    requests = [each.request for each in told]
    after = partial(reach, "watchdog.after_commit", requests)
    transaction.on_commit(after, using=database.alias)
    publish(database, told)
    reach("watchdog.before_commit", requests)
