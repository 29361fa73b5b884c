"""The messages that one batch writes."""

from collections.abc import Sequence
from typing import Self
from uuid import UUID

from apps.messaging.database import Database, columns
from apps.messaging.handling import Task, Workspace
from apps.notifications.models import MessageKind
from apps.notifications.wording import Text

# Put messages into inboxes, each kind once per order, that of a refund once per return; what is
# there already stays as it is.
# In one order, so that no two batches wait for each other's in a circle.
INSERT_MESSAGES = """
INSERT INTO notifications_customermessage (saga_id, order_id, customer_id, kind, subject, body)
SELECT * FROM unnest(
  %b::uuid[], %b::uuid[], %b::bigint[], %b::text[], %b::text[], %b::text[])
  AS message (saga_id, order_id, customer_id, kind, subject, body)
ORDER BY order_id, kind, saga_id
ON CONFLICT DO NOTHING
"""


class Inboxes(Workspace):
    """The inboxes of all customers. Nothing is read to write there; a constraint sees to it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._messages: list[tuple[UUID, UUID, int, str, str, str]] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        return cls(database)

    def deliver(self, order_id: UUID, customer_id: int, kind: MessageKind, text: Text) -> None:
        """Put a message into a customer's inbox, unless it was told already."""
        self._messages.append(
            (self.request.saga_id, order_id, customer_id, kind.value, text.subject, text.body)
        )

    def save(self) -> None:
        if self._messages:
            self.database.send(INSERT_MESSAGES, columns(self._messages, 6))
