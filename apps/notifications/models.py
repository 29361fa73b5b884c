"""Messages to customers, in an inbox of our own."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.messaging import models as messaging


class MessageKind(models.TextChoices):
    """What a message is about."""

    CONFIRMED = "confirmed"  # the order is confirmed
    CANCELLED = "cancelled"  # the confirmed order is cancelled, as the customer wished
    REFUNDED = "refunded"  # returned goods have arrived and are paid back; once for each return


class CustomerMessage(models.Model):
    """A message in a customer's inbox. Being written is being delivered."""

    id = models.BigAutoField(primary_key=True)
    saga_id = models.UUIDField(db_index=True)  # that had it sent
    order_id = models.UUIDField()
    customer_id = models.BigIntegerField()
    kind = models.TextField(choices=MessageKind)
    subject = models.TextField()
    body = models.TextField()  # plain text
    sent_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)  # null: not yet

    class Meta:
        constraints = [
            # Nobody is told the same thing of an order twice, whichever saga asks; of its returns
            # each is told once.
            models.UniqueConstraint(
                fields=["order_id", "kind"],
                condition=~Q(kind="refunded"),
                name="notifications_once_per_order_and_kind",
            ),
            models.UniqueConstraint(
                fields=["saga_id"],
                condition=Q(kind="refunded"),
                name="notifications_once_per_return",
            ),
            # A kind that nobody knows could not be counted.
            models.CheckConstraint(
                condition=Q(kind__in=MessageKind.values), name="notifications_kind_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["customer_id", "-id"], name="notifications_inbox"),
        ]

    def __str__(self) -> str:
        return self.subject


class SagaLog(messaging.SagaLog):
    """Which steps notifications took, and what it answered."""

    class Meta(messaging.SagaLog.Meta):
        pass


class SagaLogListing(messaging.SagaLogListing):
    """The same to look at."""

    class Meta(messaging.SagaLogListing.Meta):
        pass


class OutboxMessage(messaging.OutboxMessage):
    """What notifications tells and the broker has not yet acknowledged."""

    class Meta(messaging.OutboxMessage.Meta):
        pass


class DeadLetter(messaging.DeadLetter):
    """What notifications could not handle."""

    class Meta(messaging.DeadLetter.Meta):
        pass


class BarrierNote(messaging.BarrierNote):
    """What notifications' barrier decided other than ordinarily."""

    class Meta(messaging.BarrierNote.Meta):
        pass


class OperatorAction(messaging.OperatorAction):
    """What people did by hand in notifications."""

    class Meta(messaging.OperatorAction.Meta):
        pass
