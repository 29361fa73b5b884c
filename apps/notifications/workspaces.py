"""The messages that one batch writes, and what it hears that leads to some."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Self
from uuid import UUID

import msgspec
from django.db import transaction

from apps.contracts.orders import CancellationBegun, OrderCreated
from apps.messaging.database import Database, columns
from apps.messaging.handling import Task, Workspace
from apps.messaging.waking import wake
from apps.notifications.models import MessageKind
from apps.notifications.wording import Text, refund, refusal, shipment

POST = "post"  # the job that sends them

# Whom messages are sent to, and not only laid into the inbox.
REACHABLE = """
SELECT customer_id FROM notifications_contact
WHERE customer_id = ANY(%b::bigint[])
  AND (push_url <> '' OR email <> '' AND undeliverable_since IS NULL)
"""

# Put messages into inboxes, each kind once per order, that of a return once per saga; what is
# there already stays as it is.
# In one order, so that no two batches wait for each other's in a circle.
INSERT_MESSAGES = """
INSERT INTO notifications_customermessage
  (saga_id, order_id, customer_id, kind, subject, body, facts)
SELECT saga_id, order_id, customer_id, kind, subject, body, facts::jsonb FROM unnest(
  %b::uuid[], %b::uuid[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::text[])
  AS message (saga_id, order_id, customer_id, kind, subject, body, facts)
ORDER BY order_id, kind, saga_id
ON CONFLICT DO NOTHING
"""

# Queue messages for the ways out that their customers have. Each way is gone once.
INSERT_DISPATCHES = """
INSERT INTO notifications_dispatch
  (id, message_id, saga_id, order_id, customer_id, kind, channel, status)
SELECT gen_random_uuid(), message.id, saga_id, order_id, customer_id, kind, channel, 'queued'
FROM unnest(%b::uuid[], %b::text[], %b::uuid[]) AS given (order_id, kind, asked_by)
JOIN notifications_customermessage AS message USING (order_id, kind)
JOIN notifications_contact AS contact USING (customer_id)
CROSS JOIN LATERAL (VALUES
  ('email', email <> '' AND undeliverable_since IS NULL),
  ('push', push_url <> '')) AS way (channel, is_there)
WHERE is_there AND (kind <> 'returned' OR saga_id = asked_by)
ORDER BY message.id, channel
ON CONFLICT (message_id, channel) DO NOTHING
"""

# Add what was heard of sagas to what was heard before; all of it as it is then. Of reasons the
# latest counts, whichever was heard first.
FOLD_NEWS = """
INSERT INTO notifications_ordernews AS news
  (saga_id, order_id, customer_id, currency, refused, reason, reason_told_by, carrier, reference,
   returned_cents)
SELECT * FROM jsonb_to_recordset(%b::text::jsonb) AS heard (
  saga_id uuid, order_id uuid, customer_id bigint, currency text, refused bool, reason text,
  reason_told_by uuid, carrier text, reference text, returned_cents bigint)
ORDER BY saga_id
ON CONFLICT (saga_id) DO UPDATE SET
  order_id = coalesce(news.order_id, excluded.order_id),
  customer_id = coalesce(news.customer_id, excluded.customer_id),
  currency = coalesce(nullif(news.currency, ''), excluded.currency),
  refused = news.refused OR excluded.refused,
  reason = CASE WHEN excluded.reason_told_by > news.reason_told_by
                  OR news.reason_told_by IS NULL THEN excluded.reason ELSE news.reason END,
  reason_told_by = greatest(news.reason_told_by, excluded.reason_told_by),
  carrier = coalesce(nullif(news.carrier, ''), excluded.carrier),
  reference = coalesce(nullif(news.reference, ''), excluded.reference),
  returned_cents = coalesce(news.returned_cents, excluded.returned_cents)
RETURNING saga_id, order_id, customer_id, currency, refused, reason, reason_told_by, carrier,
          reference, returned_cents
"""


class Message(NamedTuple):
    """A message to a customer."""

    saga_id: UUID
    order_id: UUID
    customer_id: int
    kind: MessageKind
    text: Text


def write_messages(database: Database, messages: Sequence[Message]) -> None:
    """Into the inboxes, once for each thing that is told."""
    if messages:
        rows = [
            (m.saga_id, m.order_id, m.customer_id, m.kind.value, m.text.subject, m.text.body,
             msgspec.json.encode(m.text.facts).decode())
            for m in messages
        ]  # fmt: skip
        database.send(INSERT_MESSAGES, columns(rows, 7))


def queue_dispatches(database: Database, messages: Sequence[Message]) -> None:
    """Out of the house as well, to customers who can be reached."""
    if messages:
        rows = [(each.order_id, each.kind.value, each.saga_id) for each in messages]
        database.send(INSERT_DISPATCHES, columns(rows, 3))
        transaction.on_commit(partial(wake, "notifications", POST), using="notifications")


def reachable(database: Database, customers: Iterable[int]) -> frozenset[int]:
    """Those of the customers who can be told outside."""
    wanted = sorted(set(customers))
    rows = database.fetch(REACHABLE, [wanted]) if wanted else []
    return frozenset(customer for (customer,) in rows)


class Inboxes(Workspace):
    """The inboxes of all customers. Nothing is read to write there; a constraint sees to it."""

    def __init__(self, database: Database, reachable: frozenset[int]) -> None:
        super().__init__(database)
        self._reachable = reachable
        self._messages: list[Message] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        told = [getattr(each.message, "customer_id", None) for each in tasks]
        return cls(database, reachable(database, (each for each in told if each is not None)))

    def deliver(self, order_id: UUID, customer_id: int, kind: MessageKind, text: Text) -> bool:
        """Put a message into a customer's inbox, unless it was told already.
        Whether it is sent out of the house too."""
        self._messages.append(Message(self.request.saga_id, order_id, customer_id, kind, text))
        return customer_id in self._reachable

    def save(self) -> None:
        write_messages(self.database, self._messages)
        out = [each for each in self._messages if each.customer_id in self._reachable]
        queue_dispatches(self.database, out)


class News(Workspace):
    """What is heard of sagas. Whose second half comes, in whatever order, that news is told."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._heard: dict[UUID, dict[str, Any]] = {}

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        return cls(database)

    def begin(self, start: OrderCreated | CancellationBegun) -> None:
        """Whom the news of the request's saga are for."""
        self._hear(order_id=start.order_id, customer_id=start.customer_id, currency=start.currency)

    def refuse(self) -> None:
        """The order is undone."""
        self._hear(refused=True)

    def explain(self, reason: str, told_by: UUID) -> None:
        """Why it will be, perhaps: the latest reason counts."""
        known = self._heard.get(self.request.saga_id, {}).get("reason_told_by")
        if known is None or known < told_by:
            self._hear(reason=reason, reason_told_by=told_by)

    def ship(self, carrier: str, reference: str) -> None:
        """The carrier has the parcel."""
        self._hear(carrier=carrier, reference=reference)

    def give_back(self, cents: int) -> None:
        """What was paid is given back."""
        self._hear(returned_cents=cents)

    def _hear(self, **facts: Any) -> None:
        self._heard.setdefault(self.request.saga_id, {}).update(facts)

    def save(self) -> None:
        if not self._heard:
            return
        heard = [Known(saga_id, **facts)._asdict() for saga_id, facts in self._heard.items()]
        rows = self.database.fetch(FOLD_NEWS, [msgspec.json.encode(heard).decode()])
        messages = [message for row in rows for message in Known._make(row).messages()]
        if not messages:
            return
        write_messages(self.database, messages)
        found = reachable(self.database, (each.customer_id for each in messages))
        queue_dispatches(self.database, [each for each in messages if each.customer_id in found])


class Known(NamedTuple):
    """A row of news, in the order of FOLD_NEWS."""

    saga_id: UUID
    order_id: UUID | None = None
    customer_id: int | None = None
    currency: str = ""
    refused: bool = False
    reason: str = ""
    reason_told_by: UUID | None = None
    carrier: str = ""
    reference: str = ""
    returned_cents: int | None = None

    def messages(self) -> list[Message]:
        """What its customer is told; nothing before it is known who that is."""
        order, customer = self.order_id, self.customer_id
        if order is None or customer is None:
            return []
        told = []
        if self.refused:
            told.append((MessageKind.REFUSED, refusal(order, self.reason)))
        if self.carrier:
            told.append((MessageKind.SHIPPED, shipment(order, self.carrier, self.reference)))
        if self.returned_cents is not None:
            told.append((MessageKind.REFUNDED, refund(order, self.returned_cents, self.currency)))
        return [Message(self.saga_id, order, customer, kind, text) for kind, text in told]
