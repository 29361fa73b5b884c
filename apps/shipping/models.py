"""Gifts that are wrapped and parcels that are booked, one of each per saga."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.messaging import models as messaging
from apps.shipping.carrier_api import Stage
from apps.shipping.gift_boxes import GIFT_BOX_PIECES, MOST_GIFT_BOXES


class GiftStatus(models.TextChoices):
    """Where a gift stands."""

    WRAPPED = "wrapped"  # in its boxes
    UNWRAPPED = "unwrapped"  # wrapped -> unwrapped: the order was undone


class ShipmentStatus(models.TextChoices):
    """Where a parcel stands."""

    BOOKED = "booked"  # nothing has left the house
    HANDED_OVER = "handed_over"  # booked -> handed_over: the carrier has it; final
    CANCELLED = "cancelled"  # booked -> cancelled: the order was undone; final
    RECALLED = "recalled"  # booked -> recalled: the customer cancelled the confirmed order; final


STAGES = [(each.value, each.name.replace("_", " ").title()) for each in Stage]


class GiftWrap(models.Model):
    """The gift of one saga's order. Made when it is wrapped; it has no row before."""

    saga_id = models.UUIDField(primary_key=True)
    order_id = models.UUIDField(db_index=True)
    pieces = models.IntegerField()
    boxes = models.IntegerField()
    status = models.TextField(choices=GiftStatus)
    wrapped_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # A gift that does not fit its boxes was never wrapped.
            models.CheckConstraint(
                condition=Q(pieces__gte=1, pieces__lte=F("boxes") * GIFT_BOX_PIECES),
                name="shipping_gift_fits_its_boxes",
            ),
            # The desk has no more boxes for one order.
            models.CheckConstraint(
                condition=Q(boxes__gte=1, boxes__lte=MOST_GIFT_BOXES),
                name="shipping_gift_takes_no_more_boxes_than_there_are",
            ),
            # Another value would be neither wrapped nor undone.
            models.CheckConstraint(
                condition=Q(status__in=GiftStatus.values), name="shipping_gift_status_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"gift of order {self.order_id}"


class Shipment(models.Model):
    """The parcel of one saga's order. Its address is personal data: it is shown to nobody here."""

    saga_id = models.UUIDField(primary_key=True)
    order_id = models.UUIDField(db_index=True)
    reference = models.TextField()  # what the carrier and the customer call it
    carrier = models.TextField()
    name = models.TextField()
    street = models.TextField()
    postal_code = models.TextField()
    city = models.TextField()
    country = models.TextField()  # ISO 3166-1 alpha-2
    pieces = models.IntegerField()
    parcels = models.IntegerField()
    tracking_number = models.TextField(db_default="")  # of a carrier outside, as it gave them
    label_url = models.TextField(db_default="")
    status = models.TextField(choices=ShipmentStatus)
    booked_at = models.DateTimeField(db_default=Now())
    handed_over_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Two parcels of one name could be taken for each other.
            models.UniqueConstraint(fields=["reference"], name="shipping_reference_is_unique"),
            # Goods leave the house once per order, whichever saga asks.
            models.UniqueConstraint(
                fields=["order_id"],
                condition=Q(status=ShipmentStatus.HANDED_OVER),
                name="shipping_one_hand_over_per_order",
            ),
            # An empty parcel is a mistake.
            models.CheckConstraint(
                condition=Q(parcels__gte=1, pieces__gte=F("parcels")),
                name="shipping_no_parcel_is_empty",
            ),
            # What was handed over is not cancelled too; the times tell the same as the status.
            models.CheckConstraint(
                condition=Q(status=ShipmentStatus.BOOKED, handed_over_at=None, cancelled_at=None)
                | Q(
                    status=ShipmentStatus.HANDED_OVER,
                    handed_over_at__isnull=False,
                    cancelled_at=None,
                )
                | Q(
                    status__in=[ShipmentStatus.CANCELLED, ShipmentStatus.RECALLED],
                    handed_over_at=None,
                    cancelled_at__isnull=False,
                ),
                name="shipping_times_follow_from_status",
            ),
        ]
        indexes = [
            # What customers know their parcel by.
            models.Index(
                fields=["tracking_number"],
                condition=~Q(tracking_number=""),
                name="shipping_by_tracking_number",
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class Pickup(models.Model):
    """A confirmed order's parcel that waits for its carrier's hour. Gone when that has come."""

    saga_id = models.UUIDField(primary_key=True)
    due_at = models.DateTimeField(db_index=True)
    # What the hand-over is told with: the saga's plan and trace, and the event that led to it.
    plan = models.TextField()
    traceparent = models.TextField()
    causation_id = models.TextField()

    def __str__(self) -> str:
        return f"pickup for saga {self.saga_id}"


class Tracking(models.Model):
    """A confirmed order's parcel that a carrier outside was told to fetch: where it says that the
    parcel is, and when it is asked next."""

    saga_id = models.UUIDField(primary_key=True)
    reference = models.TextField()
    stage = models.TextField(choices=STAGES, db_default=Stage.BOOKED.value)
    revision = models.BigIntegerField(db_default=0)  # the carrier's; a lower one is older
    changed_at = models.DateTimeField()  # when we heard of the stage
    due_at = models.DateTimeField(null=True)  # null: nothing more to ask
    # What the hand-over is told with, as of a Pickup.
    plan = models.TextField()
    traceparent = models.TextField()
    causation_id = models.TextField()

    class Meta:
        constraints = [
            # A parcel belongs to one order.
            models.UniqueConstraint(fields=["reference"], name="shipping_tracked_once"),
        ]
        indexes = [
            # Whom to ask, the longest due first.
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="shipping_tracking_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.stage}"


class CarrierEvent(models.Model):
    """The id of an event that the carrier told us of, kept until no copy of it can come."""

    id = models.TextField(primary_key=True)
    received_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.id


class SagaLog(messaging.SagaLog):
    """Which steps shipping took, and what it answered."""

    class Meta(messaging.SagaLog.Meta):
        pass


class SagaLogListing(messaging.SagaLogListing):
    """The same to look at."""

    class Meta(messaging.SagaLogListing.Meta):
        pass


# An outside call whose outcome is not recorded.
OPEN_CALLS = (
    messaging.IntentStatus.DUE,
    messaging.IntentStatus.CLAIMED,
    messaging.IntentStatus.UNKNOWN,
    messaging.IntentStatus.WAITING,
)


class Intent(messaging.Intent):
    """Calls that shipping makes to the outside world: to a carrier."""

    class Meta(messaging.Intent.Meta):
        pass


class ProviderState(messaging.ProviderState):
    """Whom shipping calls, and who does not answer."""

    class Meta(messaging.ProviderState.Meta):
        pass


class OutboxMessage(messaging.OutboxMessage):
    """What shipping tells and the broker has not yet acknowledged."""

    class Meta(messaging.OutboxMessage.Meta):
        pass


class DeadLetter(messaging.DeadLetter):
    """What shipping could not handle."""

    class Meta(messaging.DeadLetter.Meta):
        pass


class BarrierNote(messaging.BarrierNote):
    """What shipping's barrier decided other than ordinarily."""

    class Meta(messaging.BarrierNote.Meta):
        pass


class OperatorAction(messaging.OperatorAction):
    """What people did by hand in shipping."""

    class Meta(messaging.OperatorAction.Meta):
        pass
