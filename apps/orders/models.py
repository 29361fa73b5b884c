"""What orders owns: the order with its lines, its customer's timeline, and the keys of the API."""

from django.db import models
from django.db.models.functions import Now

from apps.contracts.numbers import number_of
from apps.messaging import models as messaging


class OrderStatus(models.TextChoices):
    """Where an order stands. PLACED -> CONFIRMED or CANCELLED; CONFIRMED -> CANCELLED where its
    customer wishes so before the parcel leaves."""

    PLACED = "placed"  # accepted; its saga is under way
    CONFIRMED = "confirmed"  # paid, its parcel is booked
    CANCELLED = "cancelled"  # everything done for it is undone or given back; final


class PaymentMethod(models.TextChoices):
    """How an order is paid; the values are those of the messages."""

    CREDIT = "credit"  # store credit
    CARD = "card"  # a payment gateway


class Order(models.Model):
    """A customer's order. Every order ends confirmed or cancelled."""

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    number = models.TextField(unique=True)  # for people, derived from the id
    saga_id = models.UUIDField(unique=True)  # one saga per order
    customer_id = models.BigIntegerField()  # a user of the database `default`: no foreign key
    status = models.TextField(choices=OrderStatus, default=OrderStatus.PLACED)
    currency = models.TextField()  # ISO 4217
    total_cents = models.BigIntegerField()  # the lines' sum; once confirmed, of the frozen prices
    payment_method = models.TextField(choices=PaymentMethod)
    gift_wrap = models.BooleanField()  # the wish; whether it is wrapped says the plan
    plan = models.TextField()  # process/version/mode/steps, fixed when the order was placed
    placed_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    start_told = models.IntegerField(db_default=1)  # how often its saga's start was published
    start_told_at = models.DateTimeField(db_default=Now())  # the last time
    # Personal data: shown to the customer, masked in the admin, in no log.
    address_name = models.TextField()
    address_street = models.TextField()
    address_postal_code = models.TextField()
    address_city = models.TextField()
    address_country = models.TextField()  # ISO 3166-1 alpha-2

    class Meta:
        permissions = [("reveal_order", "Can read an order's address")]
        constraints = [
            # An end has a time and a time has an end: no order is half over.
            models.CheckConstraint(
                condition=models.Q(status="placed", ended_at=None)
                | models.Q(status__in=["confirmed", "cancelled"], ended_at__isnull=False),
                name="orders_end_has_a_time",
            ),
            # Prices and quantities are positive, so every order costs something.
            models.CheckConstraint(
                condition=models.Q(total_cents__gt=0), name="orders_total_is_positive"
            ),
            # Three letters: what every other context reads amounts in.
            models.CheckConstraint(
                condition=models.Q(currency__regex=r"^[A-Z]{3}$"), name="orders_currency_is_iso"
            ),
            models.CheckConstraint(
                # A payment method that nobody takes would never end.
                condition=models.Q(payment_method__in=["credit", "card"]),
                name="orders_payment_method_is_known",
            ),
        ]
        indexes = [
            # A customer's orders, newest first, page by page.
            models.Index(fields=["customer_id", "-id"], name="orders_of_customer"),
            # Orders whose start may have got lost: few among many that ended.
            models.Index(
                fields=["start_told_at"],
                condition=models.Q(status="placed"),
                name="orders_under_way",
            ),
            # The admin's filter, and the orders whose saga is still under way.
            models.Index(fields=["status", "-id"], name="orders_by_status"),
        ]

    def __str__(self) -> str:
        return self.number


class OrderLine(models.Model):
    """So many pieces of one product at the price that the customer saw."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    position = models.IntegerField()  # as in the request, from 1
    product_id = models.TextField()  # of inventory and pricing: no foreign key
    quantity = models.IntegerField()
    unit_price_cents = models.BigIntegerField()
    returned = models.IntegerField(db_default=0)  # announced as returned, or accepted as that

    class Meta:
        constraints = [
            # No more pieces come back than were bought, in however many returns.
            models.CheckConstraint(
                condition=models.Q(returned__gte=0, returned__lte=models.F("quantity")),
                name="orders_no_more_back_than_bought",
            ),
            # A product stands in one line: stock and prices are counted per product.
            models.UniqueConstraint(
                fields=["order", "product_id"], name="orders_one_line_per_product"
            ),
            # Nothing is sold by less than a piece.
            models.CheckConstraint(
                condition=models.Q(quantity__gt=0), name="orders_quantity_is_positive"
            ),
            # A gift is a promotion with a price, not a price of zero.
            models.CheckConstraint(
                condition=models.Q(unit_price_cents__gt=0), name="orders_price_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id}"


class OrderEvent(models.Model):
    """What the customer can read of the order's way: a fact of orders, or heard from others.

    Folded from events in any order of arrival; of several tellings of one fact the first counts.
    """

    order = models.ForeignKey(Order, models.CASCADE, related_name="events")
    step = models.TextField()
    type = models.TextField()  # the event's type
    about = models.UUIDField(null=True)  # the return that it tells of; null: the order itself
    at = models.DateTimeField()  # when it was told, not when it was heard
    facts = models.JSONField(default=dict)  # amounts, references, the reason of a refusal

    class Meta:
        constraints = [
            # Told twice, or heard twice: once on the timeline.
            models.UniqueConstraint(
                fields=["order", "step", "type", "about"],
                nulls_distinct=False,
                name="orders_one_row_per_fact",
            ),
        ]

    def __str__(self) -> str:
        return self.type


class ModeShare(models.Model):
    """Which share of a process's new sagas events drive; the engine drives the others.

    A process that is not here is the engine's. Changed by modes.set_share alone, with its reason.
    """

    process = models.TextField(primary_key=True)
    choreographed_percent = models.SmallIntegerField()
    version = models.IntegerField(db_default=1)  # raised by each change
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        permissions = [("set_mode", "Can change how new sagas are driven")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(choreographed_percent__gte=0, choreographed_percent__lte=100),
                name="orders_mode_is_a_percentage",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.process.replace('_', ' ')}: {self.choreographed_percent} % by events"


class CancellationStatus(models.TextChoices):
    """Where a customer's wish to cancel stands; the first four are open."""

    REQUESTED = "requested"  # the order's saga is asked; its answer is awaited
    ACCEPTED = "accepted"  # requested -> accepted: the saga turns back
    WAITING = "waiting"  # requested -> waiting: paid already, it is taken back once confirmed
    RETURNING = "returning"  # a saga of its own takes the confirmed order back
    CANCELLED = "cancelled"  # open -> cancelled: so is the order; final
    REFUSED = "refused"  # returning -> refused: the order stays confirmed; final


class Cancellation(models.Model):
    """A customer's wish to cancel an order. There is one per order, for it is decided for good."""

    order = models.OneToOneField(
        Order, models.CASCADE, primary_key=True, related_name="cancellation"
    )
    status = models.TextField(choices=CancellationStatus)
    reason = models.TextField()  # the customer's words, or none
    why_not = models.TextField(default="", db_default="")  # of a refusal, as it was heard
    saga_id = models.UUIDField(null=True, unique=True)  # of cancel_order, once one was started
    plan = models.TextField(default="", db_default="")  # of that saga
    start_told = models.IntegerField(db_default=1)  # how often its start was published
    start_told_at = models.DateTimeField(db_default=Now())  # the last time
    idempotency_key = models.TextField()
    request_hash = models.BinaryField()  # SHA-256 of the canonical request
    requested_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # A decision has a time and a time has a decision.
            models.CheckConstraint(
                condition=models.Q(
                    status__in=["requested", "accepted", "waiting", "returning"], decided_at=None
                )
                | models.Q(status__in=["cancelled", "refused"], decided_at__isnull=False),
                name="orders_cancellation_decided_has_a_time",
            ),
            # While the order's own saga decides there is no other; only another can refuse.
            models.CheckConstraint(
                condition=models.Q(status__in=["requested", "accepted", "waiting"], saga_id=None)
                | models.Q(status__in=["returning", "refused"], saga_id__isnull=False)
                | models.Q(status="cancelled"),
                name="orders_cancellation_saga_follows_from_status",
            ),
            # What the API's documentation promises.
            models.CheckConstraint(
                condition=models.Q(idempotency_key__regex=r"^.{1,255}$"),
                name="orders_cancellation_key_has_a_length",
            ),
        ]
        indexes = [
            # Wishes whose saga's start may have got lost: few among many that are decided.
            models.Index(
                fields=["start_told_at"],
                condition=models.Q(status="returning"),
                name="orders_being_taken_back",
            ),
        ]

    def __str__(self) -> str:
        return f"cancellation of order {self.order_id}"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be decided."""
        return self.decided_at is None


class ReturnStatus(models.TextChoices):
    """Where a return stands."""

    ANNOUNCED = "announced"  # its goods are on their way, or being paid back
    COMPLETED = "completed"  # announced -> completed: what was accepted is paid back; final
    REFUSED = "refused"  # announced -> refused: nothing of it is taken back; final


class Return(models.Model):
    """Goods that a customer sends back after the parcel was handed over; an order may have several
    of them over time. Each is a saga of its own."""

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    order = models.ForeignKey(Order, models.CASCADE, related_name="returns")
    status = models.TextField(choices=ReturnStatus, default=ReturnStatus.ANNOUNCED)
    reason = models.TextField()  # the customer's words, or none
    refund_to = models.TextField()  # a contracts.values.RefundTo
    saga_id = models.UUIDField(unique=True)  # of return_order
    plan = models.TextField()  # of that saga
    start_told = models.IntegerField(db_default=1)  # how often its start was published
    start_told_at = models.DateTimeField(db_default=Now())  # the last time
    awaited_until = models.DateTimeField(null=True)  # the goods, as inventory has told
    refunded_cents = models.BigIntegerField(db_default=0)  # once completed
    why_not = models.TextField(db_default="")  # of a refusal, as it was heard
    idempotency_key = models.TextField()
    request_hash = models.BinaryField()  # SHA-256 of the canonical request
    requested_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # A decision has a time and a time has a decision.
            models.CheckConstraint(
                condition=models.Q(status="announced", decided_at=None)
                | models.Q(status__in=["completed", "refused"], decided_at__isnull=False),
                name="orders_return_decided_has_a_time",
            ),
            # Something is paid back for what is taken back, and for nothing else.
            models.CheckConstraint(
                condition=models.Q(status="completed", refunded_cents__gt=0)
                | models.Q(status__in=["announced", "refused"], refunded_cents=0),
                name="orders_return_is_paid_back",
            ),
            # A way that nobody pays by would never end.
            models.CheckConstraint(
                condition=models.Q(refund_to__in=["original", "credit"]),
                name="orders_return_refund_way_is_known",
            ),
            # The same key is the same return.
            models.UniqueConstraint(
                fields=["order", "idempotency_key"], name="orders_one_return_per_key"
            ),
            # What the API's documentation promises.
            models.CheckConstraint(
                condition=models.Q(idempotency_key__regex=r"^.{1,255}$"),
                name="orders_return_key_has_a_length",
            ),
        ]
        indexes = [
            # Returns whose start may have got lost: few, for most are awaited or over.
            models.Index(
                fields=["start_told_at"],
                condition=models.Q(status="announced", awaited_until=None),
                name="orders_returns_not_awaited",
            ),
        ]

    def __str__(self) -> str:
        return f"return of order {number_of(self.order_id)}"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be decided."""
        return self.decided_at is None


class ReturnLine(models.Model):
    """So many pieces of one product that are sent back."""

    # A product stands in one line of a return.
    pk = models.CompositePrimaryKey("parcel_id", "product_id")
    parcel = models.ForeignKey(Return, models.CASCADE, related_name="lines")
    product_id = models.TextField()
    quantity = models.IntegerField()  # announced
    unit_price_cents = models.BigIntegerField()  # that was paid
    accepted = models.IntegerField(db_default=0)  # and paid back, once completed

    class Meta:
        constraints = [
            models.CheckConstraint(
                # No less than a piece is announced, and no more accepted than that.
                condition=models.Q(
                    quantity__gt=0, accepted__gte=0, accepted__lte=models.F("quantity")
                ),
                name="orders_no_more_accepted_than_announced",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id}"


class IdempotencyKey(models.Model):
    """A key under which a customer placed an order, with the answer that was given.

    Written in the order's own transaction: an order answered with 202 exists, and the same key is
    the same order.
    """

    # One customer's key says nothing about another's.
    pk = models.CompositePrimaryKey("customer_id", "key")
    customer_id = models.BigIntegerField()
    key = models.TextField()
    request_hash = models.BinaryField()  # SHA-256 of the canonical request
    # One key per order, so that a repeated request cannot pass for two.
    order = models.OneToOneField(Order, models.CASCADE, related_name="idempotency_key")
    answer_status = models.SmallIntegerField()  # of HTTP
    answer_body = models.TextField()  # JSON, given again byte for byte
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # What the API's documentation promises.
            models.CheckConstraint(
                condition=models.Q(key__regex=r"^.{1,255}$"), name="orders_key_has_a_length"
            ),
        ]


class SagaLog(messaging.SagaLog):
    """Which steps of which sagas orders has carried out."""

    class Meta(messaging.SagaLog.Meta):
        abstract = False


class SagaLogListing(messaging.SagaLogListing):
    """The same to look at."""

    class Meta(messaging.SagaLogListing.Meta):
        pass


class Lease(messaging.Lease):
    """Who of orders does what only one process should do."""

    class Meta(messaging.Lease.Meta):
        abstract = False


class OutboxMessage(messaging.OutboxMessage):
    """What orders has told, not yet acknowledged by the broker."""

    class Meta(messaging.OutboxMessage.Meta):
        abstract = False


class DeadLetter(messaging.DeadLetter):
    """What orders could not handle."""

    class Meta(messaging.DeadLetter.Meta):
        abstract = False


class BarrierNote(messaging.BarrierNote):
    """Unusual decisions of the barrier of orders."""

    class Meta(messaging.BarrierNote.Meta):
        abstract = False


class OperatorAction(messaging.OperatorAction):
    """What people did by hand in orders."""

    class Meta(messaging.OperatorAction.Meta):
        abstract = False
