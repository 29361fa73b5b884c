"""What products cost, and the prices that were promised. Money is in cents of the currency."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.messaging import models as messaging


class ListPrice(models.Model):
    """What one piece of a product costs. A product without list price is not sold."""

    product_id = models.TextField(primary_key=True)
    name = models.TextField(default="", db_default="")  # for people; no rule reads it
    unit_price_cents = models.IntegerField()
    currency = models.TextField()  # ISO 4217
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Nothing is given away by mistake.
            models.CheckConstraint(condition=Q(unit_price_cents__gt=0), name="list_price_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} {self.name}".strip()


class Promotion(models.Model):
    """Another price of a product for some time, in the currency of its list price.

    Several may run at once: a shop has one price for everybody and another for its card's holders.
    """

    id = models.BigAutoField(primary_key=True)
    product_id = models.TextField()
    unit_price_cents = models.IntegerField()
    starts_at = models.DateTimeField(db_default=Now())
    ends_at = models.DateTimeField(null=True)  # from this moment it is over; null: until ended

    class Meta:
        constraints = [
            # Nothing is given away by mistake.
            models.CheckConstraint(condition=Q(unit_price_cents__gt=0), name="promotion_positive"),
            # A promotion that ends before it starts would never run, and nobody would notice.
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="promotion_ends_after_start",
            ),
            # The same offer twice would run on after one of them is ended.
            models.UniqueConstraint(
                fields=["product_id", "unit_price_cents"], name="promotion_once_per_price"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} at {self.unit_price_cents}"


class FreezeStatus(models.TextChoices):
    """Whether a promise of prices holds."""

    FROZEN = "frozen"  # the order costs this, whatever prices do
    UNFROZEN = "unfrozen"  # frozen -> taken back


class PriceFreeze(models.Model):
    """The prices that were promised to one saga.

    The lines are one JSON document: they are written once, read as a whole and never searched.
    """

    saga_id = models.UUIDField(primary_key=True)  # a saga's prices are frozen once
    order_id = models.UUIDField()
    currency = models.TextField()
    total_cents = models.BigIntegerField()  # quantity times price, summed over the lines
    lines = models.JSONField()  # [{product_id, quantity, unit_price_cents}, …]
    status = models.TextField(
        choices=FreezeStatus, default=FreezeStatus.FROZEN, db_default="frozen"
    )
    frozen_at = models.DateTimeField(db_default=Now())
    unfrozen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Each line costs something, so all together do.
            models.CheckConstraint(condition=Q(total_cents__gt=0), name="freeze_total_positive"),
            # A promise holds or was taken back at some time, never both.
            models.CheckConstraint(
                condition=Q(status="frozen", unfrozen_at__isnull=True)
                | Q(status="unfrozen", unfrozen_at__isnull=False),
                name="freeze_holds_or_taken_back",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.total_cents} {self.currency}"


class SagaLog(messaging.SagaLog):
    """The steps that pricing carried out."""

    class Meta(messaging.SagaLog.Meta):
        pass


class SagaLogListing(messaging.SagaLogListing):
    """The same to look at."""

    class Meta(messaging.SagaLogListing.Meta):
        pass


class OutboxMessage(messaging.OutboxMessage):
    """What pricing has to tell."""

    class Meta(messaging.OutboxMessage.Meta):
        pass


class DeadLetter(messaging.DeadLetter):
    """What pricing could not handle."""

    class Meta(messaging.DeadLetter.Meta):
        pass


class BarrierNote(messaging.BarrierNote):
    """What pricing's barrier decided that was not the ordinary."""

    class Meta(messaging.BarrierNote.Meta):
        pass


class OperatorAction(messaging.OperatorAction):
    """What people did by hand in pricing."""

    class Meta(messaging.OperatorAction.Meta):
        pass
