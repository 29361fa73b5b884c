"""Messages to customers, in an inbox of our own; and their ways out of the house."""

from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.contracts.numbers import number_of
from apps.messaging import models as messaging


class MessageKind(models.TextChoices):
    """What a message is about."""

    CONFIRMED = "confirmed"  # the order is confirmed
    REFUSED = "refused"  # the order could not be carried out, and is undone
    SHIPPED = "shipped"  # the carrier has the parcel
    REFUNDED = "refunded"  # what was paid is given back
    CANCELLED = "cancelled"  # the confirmed order is cancelled, as the customer wished
    RETURNED = "returned"  # returned goods have arrived and are paid for; once for each return


def name_of(kind: str, order_id: UUID, saga_id: UUID | None) -> str:
    """Names a message and every copy of it: of a kind there is one for an order, but of goods that
    came back one for each return, which is a saga."""
    return f"{kind}.{saga_id if named_by(kind) == 'saga_id' else order_id}"


def named_by(kind: str) -> str:
    """Whose id stands in the names of a kind."""
    return "saga_id" if kind == MessageKind.RETURNED else "order_id"


class Channel(models.TextChoices):
    """A way out of the house."""

    EMAIL = "email"
    PUSH = "push"  # a POST to an address of the customer's own


class DispatchStatus(models.TextChoices):
    """Where a message is on its way by one channel."""

    QUEUED = "queued"  # to be sent; nobody outside has it
    SENDING = "sending"  # a worker has it until its lease ends: it may be under way
    SENT = "sent"  # taken by the server that we gave it to
    UNKNOWN = "unknown"  # it may have been sent; it is not sent again by itself
    REFUSED = "refused"  # a definite no: nobody has it, and it is not sent again by itself
    BOUNCED = "bounced"  # it was taken, and came back


class CustomerMessage(models.Model):
    """A message in a customer's inbox. Being written is being delivered."""

    id = models.BigAutoField(primary_key=True)
    saga_id = models.UUIDField(db_index=True)  # that had it sent
    order_id = models.UUIDField()
    customer_id = models.BigIntegerField()
    kind = models.TextField(choices=MessageKind)
    subject = models.TextField()
    body = models.TextField()  # plain text
    facts = models.JSONField(db_default={})  # what mails are made of; nothing personal
    sent_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)  # null: not yet

    class Meta:
        constraints = [
            # Nobody is told the same thing of an order twice, whichever saga asks; of its returns
            # each is told once.
            models.UniqueConstraint(
                fields=["order_id", "kind"],
                condition=~Q(kind="returned"),
                name="notifications_once_per_order_and_kind",
            ),
            models.UniqueConstraint(
                fields=["saga_id"],
                condition=Q(kind="returned"),
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


class Contact(models.Model):
    """Where a customer wishes to be told. Addresses are here and nowhere else."""

    customer_id = models.BigIntegerField(primary_key=True)
    email = models.TextField(db_default="")
    push_url = models.TextField(db_default="")
    undeliverable_since = models.DateTimeField(null=True)  # the e-mail; until it is changed
    changed_at = models.DateTimeField(db_default=Now())  # the e-mail

    class Meta:
        constraints = [
            # No address is undeliverable that is not there.
            models.CheckConstraint(
                condition=Q(undeliverable_since=None) | ~Q(email=""),
                name="notifications_an_address_is_undeliverable",
            ),
        ]

    def __str__(self) -> str:
        return f"contact of customer {self.customer_id}"


class Dispatch(models.Model):
    """A message on its way by one channel. The row is the job; who sends it has a lease on it,
    taken by a commit before the call.

    The address is not here: it is the contact's at the time of sending.
    """

    id = models.UUIDField(primary_key=True)
    message = models.ForeignKey(CustomerMessage, on_delete=models.PROTECT)
    saga_id = models.UUIDField(db_index=True)
    order_id = models.UUIDField(db_index=True)
    customer_id = models.BigIntegerField(db_index=True)
    kind = models.TextField(choices=MessageKind)
    channel = models.TextField(choices=Channel)
    status = models.TextField(choices=DispatchStatus)
    version = models.IntegerField(db_default=0)  # raised by every change: what a person has seen
    attempt = models.IntegerField(db_default=0)
    code = models.TextField(db_default="")  # what was answered last, without addresses
    due_at = models.DateTimeField(db_default=Now())
    lease = models.UUIDField(null=True)  # of the worker that sent it last
    leased_until = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "dispatches"
        permissions = [
            ("resend_dispatch", "Can send a message to a customer again"),
            ("reveal_dispatch", "Can read the address that a message goes to"),
        ]
        constraints = [
            # A message goes each way once.
            models.UniqueConstraint(
                fields=["message", "channel"], name="notifications_once_per_channel"
            ),
            # What may be under way is somebody's, until a time.
            models.CheckConstraint(
                condition=~Q(status="sending") | Q(lease__isnull=False, leased_until__isnull=False),
                name="notifications_sending_under_a_lease",
            ),
        ]
        indexes = [
            # What is to be sent, the longest due first; few among many that are sent.
            models.Index(
                fields=["due_at"],
                condition=Q(status__in=["queued", "sending"]),
                name="notifications_dispatches_due",
            ),
            # The list of them, a page at a time.
            models.Index(fields=["queued_at", "id"], name="notifications_dispatch_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} message of order {number_of(self.order_id)} by {self.channel}"


class OrderNews(models.Model):
    """What was heard of a saga that its customer is told without anybody asking for it.

    Events come in any order, so each leaves here what it says; what is complete is told.
    """

    saga_id = models.UUIDField(primary_key=True)
    order_id = models.UUIDField(null=True)  # null: the saga's start was not heard yet
    customer_id = models.BigIntegerField(null=True)
    currency = models.TextField(db_default="")
    refused = models.BooleanField(db_default=False)
    reason = models.TextField(db_default="")  # of the latest refusal, for the customer
    reason_told_by = models.UUIDField(null=True)  # the message, which says what is latest
    carrier = models.TextField(db_default="")  # that has the parcel; empty: nobody yet
    reference = models.TextField(db_default="")
    returned_cents = models.BigIntegerField(null=True)

    class Meta:
        verbose_name_plural = "order news"

    def __str__(self) -> str:
        return f"news of saga {self.saga_id}"


class SagaLog(messaging.SagaLog):
    """Which steps notifications took, and what it answered."""

    class Meta(messaging.SagaLog.Meta):
        pass


class SagaLogListing(messaging.SagaLogListing):
    """The same to look at."""

    class Meta(messaging.SagaLogListing.Meta):
        pass


class Intent(messaging.Intent):
    """Steps that wait until their messages have left the house."""

    class Meta(messaging.Intent.Meta):
        pass


class ProviderState(messaging.ProviderState):
    """Whom notifications calls, and who does not answer."""

    class Meta(messaging.ProviderState.Meta):
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
