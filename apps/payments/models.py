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
    FAILED = "failed"  # accepted -> failed: it came back, and a person gives it back another way


# What our books count as given back, and what customers were told.
GIVEN_BACK = (RefundState.ACCEPTED, RefundState.FAILED)


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
    expires_at = models.DateTimeField(null=True)  # when a card's hold lapses, as the bank said
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
            # What the watch over holds looks for; few among many that are taken.
            models.Index(
                fields=["expires_at"],
                condition=Q(status=PaymentStatus.AUTHORIZED, expires_at__isnull=False),
                name="payments_holds_that_end",
            ),
            # What is compared with the gateway: the cards of a time.
            models.Index(
                fields=["authorized_at"], condition=Q(method="card"), name="payments_cards_by_time"
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


class CardStatus(models.TextChoices):
    """Where one attempt to pay by card stands; the first three are open."""

    GIVEN = "given"  # the customer has named the card; the bank was not asked yet
    ASKED = "asked"  # given -> asked: written before the bank is; what it said is not known here
    ACTION = "action"  # asked -> action: the bank asks its customer (3-D Secure)
    HELD = "held"  # open -> held: the amount is set aside
    DECLINED = "declined"  # open -> declined: a definite no; another card may be tried
    LOST = "lost"  # asked -> lost: nobody will tell; the next attempt asks for the same card
    CLOSED = "closed"  # open -> closed: nobody wants it any more


OPEN_CARDS = (CardStatus.GIVEN, CardStatus.ASKED, CardStatus.ACTION)


class CardAttempt(models.Model):
    """One card that an order should be paid by, and what its bank said. A call of the intents has
    one row for each; all of them are attempts of one PaymentIntent at Stripe.

    No card's data is here: `card` is the name that Stripe has for it.
    """

    id = models.BigAutoField(primary_key=True)
    call = models.TextField()  # the intent's key
    number = models.IntegerField()  # of the attempt, from 1; a part of its idempotency keys
    saga_id = models.UUIDField()
    order_id = models.UUIDField()
    customer_id = models.BigIntegerField()
    card = models.TextField()  # pm_…
    status = models.TextField(choices=CardStatus)
    reference = models.TextField(db_default="")  # pi_…, once Stripe has told it
    code = models.TextField(db_default="")  # why it was declined
    client_secret = models.TextField(db_default="")  # a secret: only while the customer needs it
    action_url = models.TextField(db_default="")  # where the customer goes for 3-D Secure, if told
    asked_at = models.DateTimeField(null=True)  # before the first request under its keys
    changed_at = models.DateTimeField(db_default=Now())  # of the status

    class Meta:
        constraints = [
            # Each attempt has keys of its own.
            models.UniqueConstraint(
                fields=["call", "number"], name="payments_one_attempt_per_number"
            ),
            # The bank is asked about one card at a time.
            models.UniqueConstraint(
                fields=["saga_id"],
                condition=Q(status__in=OPEN_CARDS),
                name="payments_one_open_card_per_saga",
            ),
            # Nothing is known of what was not asked, and what is asked is dated before.
            models.CheckConstraint(
                condition=Q(asked_at__isnull=False)
                | Q(status__in=[CardStatus.GIVEN, CardStatus.CLOSED]),
                name="payments_card_asked_before_answered",
            ),
            # Nobody is declined without a reason.
            models.CheckConstraint(
                condition=~Q(status=CardStatus.DECLINED) | ~Q(code=""),
                name="payments_decline_has_a_code",
            ),
            # A secret is kept for as long as it is of use, and no longer.
            models.CheckConstraint(
                condition=Q(status=CardStatus.ACTION) | Q(client_secret="", action_url=""),
                name="payments_secret_while_it_is_needed",
            ),
        ]
        indexes = [
            # What the customer asks about, and what Stripe tells of.
            models.Index(fields=["order_id"], name="payments_cards_of_order"),
            models.Index(
                fields=["reference"], condition=~Q(reference=""), name="payments_cards_by_reference"
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of order {self.order_id}"


class EventStatus(models.TextChoices):
    """What became of an event that Stripe has told us."""

    RECEIVED = "received"  # its signature is good; nobody has looked into it yet, or for good
    HANDLED = "handled"  # received -> what followed from it is done
    IGNORED = "ignored"  # received -> nothing follows from it; the reason says why
    FAILED = "failed"  # received -> given up after many tries; the reconciliation still sees it


class StripeEvent(models.Model):
    """What Stripe has told us of itself: that something happened to an object, and to which.

    The row is the job: who looks into it holds a lease, and asks Stripe for the object as it is.
    What else the event said is neither trusted nor kept. Only how far it is may change.
    """

    id = models.TextField(primary_key=True)  # evt_…, Stripe's own: told twice, kept once
    type = models.TextField()
    object_id = models.TextField()
    saga_id = models.UUIDField(null=True)  # as the object's metadata name it; null: they do not
    happened_at = models.DateTimeField()  # by Stripe's clock
    received_at = models.DateTimeField(db_default=Now())
    status = models.TextField(choices=EventStatus, db_default=EventStatus.RECEIVED)
    reason = models.TextField(db_default="")  # why it waits, was ignored or given up
    due_at = models.DateTimeField(db_default=Now())
    attempt = models.IntegerField(db_default=0)  # claims so far
    lease = models.UUIDField(null=True)  # of the worker that looks into it
    leased_until = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # What is to be looked into, the longest due first; few among many that are done.
            models.Index(
                fields=["due_at"], condition=Q(status="received"), name="payments_events_due"
            ),
            models.Index(fields=["received_at"], name="payments_events_by_time"),
            models.Index(fields=["saga_id"], name="payments_events_of_saga"),
            models.Index(fields=["object_id"], name="payments_events_of_object"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class FindingKind(models.TextChoices):
    """What a person should know of the money outside; the guide for operations says what to do."""

    HOLD_ENDS = "hold_ends"  # a hold that is not taken will end soon
    HOLD_LOST = "hold_lost"  # the gateway has let go what we believed to be held
    REFUND_REFUSED = "refund_refused"  # the gateway will not refund what is owed
    REFUND_FAILED = "refund_failed"  # a refund that we recorded came back
    DISPUTE = "dispute"  # the cardholder's bank wants the money back
    GATEWAY_DIFFERS = "gateway_differs"  # the gateway's books and ours say different things


class Finding(models.Model):
    """Something about the gateway's money that was told to a person, once for each thing.

    Append-only but for whether it is still there.
    """

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    key = models.TextField(unique=True)  # names the thing: found again, it is not told again
    kind = models.TextField(choices=FindingKind)
    saga_id = models.UUIDField()
    order_id = models.UUIDField(null=True)  # null: the gateway does not say whose it is
    reference = models.TextField()  # what it is about, in the gateway's name: pi_…, re_…, dp_…
    payment_intent = models.TextField()  # pi_…, or empty
    text = models.TextField()  # as it was told
    found_at = models.DateTimeField(db_default=Now())
    gone_at = models.DateTimeField(null=True)  # when a difference was seen to be there no more

    class Meta:
        indexes = [
            models.Index(fields=["saga_id"], name="payments_findings_of_saga"),
            models.Index(fields=["order_id"], name="payments_findings_of_order"),
            models.Index(fields=["reference"], name="payments_findings_by_object"),
            models.Index(fields=["payment_intent"], name="payments_findings_of_payment"),
            # What is still to be compared again.
            models.Index(
                fields=["kind"], condition=Q(gone_at__isnull=True), name="payments_findings_there"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.reference}".replace("_", " ", 1)


class Reconciliation(models.Model):
    """One comparison of the gateway's books with ours (append-only)."""

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    compared_at = models.DateTimeField()
    since = models.DateTimeField()  # of the payments that were compared
    seconds = models.FloatField()  # that it took
    compared = models.IntegerField()  # payments on either side
    not_ours = models.IntegerField()  # payments of the gateway that no saga of ours made
    complete = models.BooleanField()  # false: there were more than are read at once
    differences = models.IntegerField()
    examples = models.JSONField()  # the first of them, in words

    def __str__(self) -> str:
        return f"{self.differences} differences in {self.compared} payments"


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


class ProviderState(messaging.ProviderState):
    """Whom payments calls, and who does not answer."""

    class Meta(messaging.ProviderState.Meta):
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
