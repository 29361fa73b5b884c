"""Store credit as a double-entry ledger, and the payments that orders make from it.

A customer's account has two pots, what is available and what is held for orders; the shop has
two more, where credit comes from and where takings go. The shop's pots are nowhere stored: they
are sums over the ledger, so that no row is touched by every order.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.messaging import models as messaging


class Pot(models.TextChoices):
    """Where money lies."""

    FUNDING = "funding"  # the shop's: where credit comes from; below zero by all credit given out
    AVAILABLE = "available"  # the customer's, free to spend
    HELD = "held"  # the customer's, set aside for an order
    REVENUE = "revenue"  # the shop's: what was taken


class EntryKind(models.TextChoices):
    """Why money moves; each value says from which pot to which."""

    FUNDED = "funded"  # funding -> available
    WITHDRAWN = "withdrawn"  # available -> funding
    HELD = "held"  # available -> held
    SETTLED = "settled"  # held -> revenue
    GIVEN_BACK = "given_back"  # held -> available, or revenue -> available after a capture
    CREDITED = "credited"  # funding -> available: for goods that were paid by card and came back


OF_A_SAGA = [EntryKind.HELD, EntryKind.SETTLED, EntryKind.GIVEN_BACK, EntryKind.CREDITED]


class PaymentStatus(models.TextChoices):
    """Where a payment stands."""

    AUTHORIZED = "authorized"  # the amount is held
    CAPTURED = "captured"  # authorized -> captured: the amount is taken, and not all given back
    REFUNDED = "refunded"  # authorized | captured -> refunded: the customer has all of it again


class RefundState(models.TextChoices):
    """Where a refund of a part stands."""

    PENDING = "pending"  # the gateway is asked; of the payment so much is spoken for
    ACCEPTED = "accepted"  # pending -> accepted: the customer has it, or the bank is on its way
    FAILED = "failed"  # accepted -> failed: the bank gave it back, so that it is owed again


def _moves(kind: EntryKind, source: Pot, target: Pot) -> Q:
    return Q(kind=kind, from_pot=source, to_pot=target)


class Account(models.Model):
    """A customer's store credit in one currency. Its balances are the sum of its ledger entries."""

    id = models.BigAutoField(primary_key=True)
    customer_id = models.BigIntegerField()
    currency = models.CharField(max_length=3)  # ISO 4217
    available_cents = models.BigIntegerField(db_default=0)
    held_cents = models.BigIntegerField(db_default=0)
    opened_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # The last credit is spent once, and nobody spends what they do not have.
            models.CheckConstraint(
                condition=Q(available_cents__gte=0, held_cents__gte=0),
                name="payments_account_never_negative",
            ),
            # Otherwise a customer's credit would depend on which of two accounts is read.
            models.UniqueConstraint(
                fields=["customer_id", "currency"], name="payments_one_account_per_currency"
            ),
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id}, {self.currency}"


class LedgerEntry(models.Model):
    """One transfer between two pots: double entry in one row, so that the ledger sums to zero.

    Append-only: the run-time role can neither change nor delete a row.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    kind = models.TextField(choices=EntryKind)
    from_pot = models.TextField(choices=Pot)
    to_pot = models.TextField(choices=Pot)
    amount_cents = models.BigIntegerField()
    saga_id = models.UUIDField(null=True)  # null: funding, which belongs to no order
    reason = models.TextField(db_default="")  # of a funding or withdrawal, for people
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            # A transfer of nothing, or of less, would be a transfer the other way.
            models.CheckConstraint(
                condition=Q(amount_cents__gt=0), name="payments_entry_moves_something"
            ),
            # What an entry says and what it does cannot differ.
            models.CheckConstraint(
                condition=_moves(EntryKind.FUNDED, Pot.FUNDING, Pot.AVAILABLE)
                | _moves(EntryKind.WITHDRAWN, Pot.AVAILABLE, Pot.FUNDING)
                | _moves(EntryKind.HELD, Pot.AVAILABLE, Pot.HELD)
                | _moves(EntryKind.SETTLED, Pot.HELD, Pot.REVENUE)
                | _moves(EntryKind.GIVEN_BACK, Pot.HELD, Pot.AVAILABLE)
                | _moves(EntryKind.GIVEN_BACK, Pot.REVENUE, Pot.AVAILABLE)
                | _moves(EntryKind.CREDITED, Pot.FUNDING, Pot.AVAILABLE),
                name="payments_entry_kind_names_its_pots",
            ),
            # Only what an order does needs a saga, and all of it does.
            models.CheckConstraint(
                condition=Q(kind__in=[EntryKind.FUNDED, EntryKind.WITHDRAWN], saga_id=None)
                | Q(kind__in=OF_A_SAGA, saga_id__isnull=False),
                name="payments_entry_of_an_order_has_a_saga",
            ),
            # An order's money is held once, settled once and given back once, and for each return
            # once: that is a saga of its own.
            models.UniqueConstraint(
                fields=["saga_id", "kind"], name="payments_one_entry_per_saga_and_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"entry {self.id}: {self.kind}"


class Payment(models.Model):
    """What one saga's order pays. Made when the amount is held; it has no row before."""

    saga_id = models.UUIDField(primary_key=True)
    order_id = models.UUIDField(db_index=True)
    customer_id = models.BigIntegerField()
    currency = models.CharField(max_length=3)  # ISO 4217
    method = models.TextField()  # a contracts.values.PaymentMethod
    amount_cents = models.BigIntegerField()
    status = models.TextField(choices=PaymentStatus)
    captured_cents = models.BigIntegerField(db_default=0)
    refunded_cents = models.BigIntegerField(db_default=0)  # of what was captured
    refunding_cents = models.BigIntegerField(db_default=0)  # of refunds that are pending
    reference = models.TextField(db_default="")  # the gateway's, of a card payment
    authorized_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                # A payment of nothing would hide that an order was never paid.
                condition=Q(amount_cents__gt=0),
                name="payments_payment_of_something",
            ),
            # The amounts follow from the status, so that captured - refunded is what is due: of
            # what is captured a part may be given back, of what is refunded nothing is kept.
            models.CheckConstraint(
                condition=Q(status=PaymentStatus.AUTHORIZED, captured_cents=0, refunded_cents=0)
                | Q(
                    status=PaymentStatus.CAPTURED,
                    captured_cents=F("amount_cents"),
                    refunded_cents__lt=F("captured_cents"),
                )
                | Q(status=PaymentStatus.REFUNDED, captured_cents=0, refunded_cents=0)
                | Q(
                    status=PaymentStatus.REFUNDED,
                    captured_cents=F("amount_cents"),
                    refunded_cents=F("captured_cents"),
                ),
                name="payments_amounts_follow_from_status",
            ),
            # No more is given back than was taken, counting what is on its way.
            models.CheckConstraint(
                condition=Q(
                    refunded_cents__gte=0,
                    refunding_cents__gte=0,
                    refunded_cents__lte=F("captured_cents") - F("refunding_cents"),
                ),
                name="payments_no_more_back_than_taken",
            ),
            # An order is captured at most once, whichever saga asks.
            models.UniqueConstraint(
                fields=["order_id"],
                condition=Q(captured_cents__gt=0),
                name="payments_one_capture_per_order",
            ),
        ]
        indexes = [
            # What people search by: whose it is, and what the gateway calls it.
            models.Index(fields=["customer_id"], name="payments_of_customer"),
            models.Index(
                fields=["reference"], condition=~Q(reference=""), name="payments_by_reference"
            ),
        ]

    def __str__(self) -> str:
        return f"payment of order {self.order_id}"


class Refund(models.Model):
    """A part of a payment that is given back, for one return."""

    asked_by = models.UUIDField(primary_key=True)  # the return's saga
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    cents = models.BigIntegerField()
    to = models.TextField()  # a contracts.values.RefundTo
    state = models.TextField(choices=RefundState)
    reference = models.TextField(db_default="")  # the gateway's, of a refund to a card
    asked_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # To give back nothing is no refund.
            models.CheckConstraint(condition=Q(cents__gt=0), name="payments_refund_of_something"),
            # A way that nobody knows could not be proved.
            models.CheckConstraint(
                condition=Q(to__in=["original", "credit"]), name="payments_refund_way_is_known"
            ),
        ]
        indexes = [
            # The list of them, newest first.
            models.Index(fields=["asked_at", "asked_by"], name="payments_refunds_by_time"),
            # What the gateway calls it.
            models.Index(
                fields=["reference"],
                condition=~Q(reference=""),
                name="payments_refunds_by_reference",
            ),
        ]

    def __str__(self) -> str:
        return f"refund of {self.cents} cents"


class SagaLog(messaging.SagaLog):
    """Which steps payments took, and what it answered."""

    class Meta(messaging.SagaLog.Meta):
        pass


class SagaLogListing(messaging.SagaLogListing):
    """The same to look at."""

    class Meta(messaging.SagaLogListing.Meta):
        pass


class Intent(messaging.Intent):
    """Calls that payments makes to the outside world."""

    class Meta(messaging.Intent.Meta):
        pass


class OutboxMessage(messaging.OutboxMessage):
    """What payments tells and the broker has not yet acknowledged."""

    class Meta(messaging.OutboxMessage.Meta):
        pass


class DeadLetter(messaging.DeadLetter):
    """What payments could not handle."""

    class Meta(messaging.DeadLetter.Meta):
        pass


class BarrierNote(messaging.BarrierNote):
    """What payments' barrier decided other than ordinarily."""

    class Meta(messaging.BarrierNote.Meta):
        pass


class OperatorAction(messaging.OperatorAction):
    """What people did by hand in payments."""

    class Meta(messaging.OperatorAction.Meta):
        pass
