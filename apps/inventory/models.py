"""Stock, what is set aside of it, and the movements that both are the sum of.

Nothing here is a foreign key: checking one costs as much as writing the row, and every writer
locks the stock rows that it writes about.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.contracts.numbers import number_of
from apps.messaging import models as messaging


class Stock(models.Model):
    """How many pieces of a product there are, by what may be done with them.

    Each column is the sum of the same column of the product's movements.
    """

    product_id = models.TextField(primary_key=True)
    name = models.TextField(default="", db_default="")  # for people; no rule reads it
    on_hand = models.IntegerField(default=0, db_default=0)  # free to sell
    reserved = models.IntegerField(default=0, db_default=0)  # set aside for live sagas
    shipped = models.IntegerField(default=0, db_default=0)  # left the house, and did not come back

    class Meta:
        verbose_name_plural = "stock"
        constraints = [
            # A piece that is not there cannot be sold.
            models.CheckConstraint(condition=Q(on_hand__gte=0), name="stock_on_hand_not_negative"),
            # A piece that was not set aside can be neither released nor shipped.
            models.CheckConstraint(
                condition=Q(reserved__gte=0), name="stock_reserved_not_negative"
            ),
            # What has not left does not come back.
            models.CheckConstraint(condition=Q(shipped__gte=0), name="stock_shipped_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} {self.name}".strip()


class MovementKind(models.TextChoices):
    """Why pieces moved, and between which columns of the stock."""

    RECEIVED = "received"  # nowhere -> on hand: goods came in
    CORRECTION = "correction"  # nowhere <-> on hand: a count found another number
    RESERVED = "reserved"  # on hand -> reserved
    RELEASED = "released"  # reserved -> on hand
    SHIPPED = "shipped"  # reserved -> shipped
    RETURNED = "returned"  # shipped -> on hand: a customer sent them back, undamaged


OF_A_SAGA = [
    MovementKind.RESERVED,
    MovementKind.RELEASED,
    MovementKind.SHIPPED,
    MovementKind.RETURNED,
]


class StockMovement(models.Model):
    """What was added to each column of a product's stock, once and for good (append-only)."""

    id = models.BigAutoField(primary_key=True)
    product_id = models.TextField()
    kind = models.TextField(choices=MovementKind)
    on_hand = models.IntegerField(db_default=0)
    reserved = models.IntegerField(db_default=0)
    shipped = models.IntegerField(db_default=0)
    saga_id = models.UUIDField(null=True)
    reason = models.TextField(default="", db_default="")  # of a receipt or a correction
    moved_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Each kind moves between its own columns: only goods that come in and corrections
            # change how many pieces there are.
            models.CheckConstraint(
                condition=(
                    Q(kind="received", on_hand__gt=0, reserved=0, shipped=0)
                    | (Q(kind="correction", reserved=0, shipped=0) & ~Q(on_hand=0))
                    | Q(kind="reserved", on_hand__lt=0, reserved=-F("on_hand"), shipped=0)
                    | Q(kind="released", on_hand__gt=0, reserved=-F("on_hand"), shipped=0)
                    | Q(kind="shipped", on_hand=0, reserved__lt=0, shipped=-F("reserved"))
                    | Q(kind="returned", on_hand__gt=0, reserved=0, shipped=-F("on_hand"))
                ),
                name="movement_fits_its_kind",
            ),
            # What a saga moved can be told from what people moved.
            models.CheckConstraint(
                condition=Q(kind__in=OF_A_SAGA, saga_id__isnull=False)
                | (~Q(kind__in=OF_A_SAGA) & Q(saga_id__isnull=True)),
                name="movement_has_its_saga",
            ),
            # A saga moves a product once each way: every effect and every reversal once.
            models.UniqueConstraint(
                fields=["saga_id", "product_id", "kind"],
                condition=Q(saga_id__isnull=False),
                name="movement_once_per_saga",
            ),
        ]
        indexes = [models.Index(fields=["product_id"], name="movement_of_product")]

    def __str__(self) -> str:
        return f"{self.kind} {self.product_id}"


class ReservationStatus(models.TextChoices):
    """What became of pieces that were set aside."""

    RESERVED = "reserved"  # set aside for a live saga, or confirmed and not yet handed over
    RELEASED = "released"  # reserved -> free to sell again
    SHIPPED = "shipped"  # reserved -> left the house


class Reservation(models.Model):
    """The pieces of one product that are set aside for one saga."""

    pk = models.CompositePrimaryKey("saga_id", "product_id")  # a saga reserves a product once
    saga_id = models.UUIDField()
    product_id = models.TextField()
    order_id = models.UUIDField()
    quantity = models.IntegerField()
    status = models.TextField(
        choices=ReservationStatus, default=ReservationStatus.RESERVED, db_default="reserved"
    )
    reserved_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)  # released or shipped

    class Meta:
        constraints = [
            # Nothing cannot be reserved.
            models.CheckConstraint(condition=Q(quantity__gt=0), name="reservation_of_something"),
            # A reservation is open or it was settled at some time, never both.
            models.CheckConstraint(
                condition=Q(status="reserved", settled_at__isnull=True)
                | Q(status__in=["released", "shipped"], settled_at__isnull=False),
                name="reservation_open_or_settled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id}"


class ReservationListing(models.Model):
    """Reservations as a view with a key of one column, which Django's admin needs."""

    id = models.TextField(primary_key=True)  # saga:product
    saga_id = models.UUIDField()
    product_id = models.TextField()
    order_id = models.UUIDField()
    quantity = models.IntegerField()
    status = models.TextField(choices=ReservationStatus)
    reserved_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        verbose_name = "reservation"

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id}"


class ArrivalStatus(models.TextChoices):
    """Where goods are that a customer sends back."""

    EXPECTED = "expected"  # on their way: a person says what arrives
    RECEIVED = "received"  # expected -> received: some of it is accepted; final
    REFUSED = "refused"  # expected -> refused: nothing came, or nothing can be accepted; final
    LATE = "late"  # expected -> late: nothing came in time; final
    WITHDRAWN = "withdrawn"  # expected -> withdrawn: nobody waits for them any more; final


class Arrival(models.Model):
    """What one return sends, and what of it came: to the step that waits for it, the world
    outside."""

    id = models.UUIDField(primary_key=True)  # made from the call's key: asked twice, it is one
    return_id = models.UUIDField(db_index=True)  # as orders calls it: what stands on the label
    saga_id = models.UUIDField(db_index=True)  # of the return
    placed_by = models.UUIDField(db_index=True)  # the saga that placed the order
    order_id = models.UUIDField(db_index=True)
    customer_id = models.BigIntegerField(db_index=True)
    expected = models.JSONField()  # [{product_id, quantity}]
    accepted = models.JSONField(default=list)  # [{product_id, quantity, damaged}]
    status = models.TextField(choices=ArrivalStatus)
    version = models.IntegerField(db_default=0)  # raised by every change: what a person has seen
    decided_by = models.TextField(db_default="")
    announced_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField()  # it comes by then or not at all
    closed_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("receive_arrival", "Can say what of a return has arrived")]
        constraints = [
            # The time tells the same as the status.
            models.CheckConstraint(
                condition=Q(status="expected", closed_at=None)
                | (~Q(status="expected") & Q(closed_at__isnull=False)),
                name="arrival_closed_at_follows_from_status",
            ),
            # What arrived is somebody's word, and what did not come is nobody's.
            models.CheckConstraint(
                condition=(Q(status__in=["received", "refused"]) & ~Q(decided_by=""))
                | Q(status__in=["expected", "late", "withdrawn"], decided_by=""),
                name="arrival_decided_by_somebody",
            ),
            # What is received is something, and nothing else is.
            models.CheckConstraint(
                condition=(Q(status="received") & ~Q(accepted=[]))
                | (~Q(status="received") & Q(accepted=[])),
                name="arrival_of_something",
            ),
            # A return expects its goods once at a time.
            models.UniqueConstraint(
                fields=["saga_id"],
                condition=Q(status="expected"),
                name="arrival_expected_once_per_saga",
            ),
        ]
        indexes = [
            # The desk, a page at a time.
            models.Index(fields=["announced_at", "id"], name="arrivals_by_time"),
        ]

    def __str__(self) -> str:
        return f"return of order {number_of(self.order_id)}"


class Intent(messaging.Intent):
    """Goods that steps wait for."""

    class Meta(messaging.Intent.Meta):
        pass


class ProviderState(messaging.ProviderState):
    """Whom inventory calls, and who does not answer."""

    class Meta(messaging.ProviderState.Meta):
        pass


class SagaLog(messaging.SagaLog):
    """The steps that inventory carried out."""

    class Meta(messaging.SagaLog.Meta):
        pass


class SagaLogListing(messaging.SagaLogListing):
    """The same to look at."""

    class Meta(messaging.SagaLogListing.Meta):
        pass


class OutboxMessage(messaging.OutboxMessage):
    """What inventory has to tell."""

    class Meta(messaging.OutboxMessage.Meta):
        pass


class DeadLetter(messaging.DeadLetter):
    """What inventory could not handle."""

    class Meta(messaging.DeadLetter.Meta):
        pass


class BarrierNote(messaging.BarrierNote):
    """What inventory's barrier decided that was not the ordinary."""

    class Meta(messaging.BarrierNote.Meta):
        pass


class OperatorAction(messaging.OperatorAction):
    """What people did by hand in inventory."""

    class Meta(messaging.OperatorAction.Meta):
        pass
