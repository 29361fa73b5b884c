"""Orders that were cleared, and those that a person decides on."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.contracts.numbers import number_of
from apps.messaging import models as messaging

RULES = "rules"  # decided_by where no person did


class AssessmentStatus(models.TextChoices):
    """What a check came to. A refused order has no assessment: nothing was changed."""

    CLEARED = "cleared"  # the order may go on
    LIFTED = "lifted"  # cleared -> lifted: the order was undone, and counts no longer


class ReviewStatus(models.TextChoices):
    """Where a review is."""

    OPEN = "open"  # a person decides
    CLEARED = "cleared"  # open -> cleared; final
    REFUSED = "refused"  # open -> refused; final
    WITHDRAWN = "withdrawn"  # open -> withdrawn: nobody waits for it any more; final


class Assessment(models.Model):
    """One saga's order that was cleared. Of its address there is only the country."""

    saga_id = models.UUIDField(primary_key=True)
    order_id = models.UUIDField(db_index=True)
    customer_id = models.BigIntegerField()
    currency = models.TextField()
    total_cents = models.BigIntegerField()
    country = models.TextField()  # ISO 3166-1 alpha-2
    status = models.TextField(choices=AssessmentStatus)
    decided_by = models.TextField()  # `rules`, or who
    assessed_at = models.DateTimeField(db_default=Now())
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # The time tells the same as the status.
            models.CheckConstraint(
                condition=Q(status=AssessmentStatus.CLEARED, lifted_at=None)
                | Q(status=AssessmentStatus.LIFTED, lifted_at__isnull=False),
                name="fraud_lifted_at_follows_from_status",
            ),
            # Somebody or something decided.
            models.CheckConstraint(
                condition=~Q(decided_by=""), name="fraud_assessment_was_decided_by"
            ),
        ]
        indexes = [
            # How fast a customer orders, and where to.
            models.Index(fields=["customer_id", "assessed_at"], name="fraud_pace"),
        ]

    def __str__(self) -> str:
        return f"check of order {number_of(self.order_id)}"


class Review(models.Model):
    """What a person decides: one for each time that a check could not. The desk outside, to the
    step that waits for it."""

    id = models.UUIDField(primary_key=True)  # made from the call's key: asked twice, it is one
    saga_id = models.UUIDField(db_index=True)
    order_id = models.UUIDField(db_index=True)
    customer_id = models.BigIntegerField(db_index=True)
    currency = models.TextField()
    total_cents = models.BigIntegerField()
    country = models.TextField()
    reasons = models.JSONField()  # sentences
    status = models.TextField(choices=ReviewStatus)
    version = models.IntegerField(db_default=0)  # raised by every change: what a person has seen
    decided_by = models.TextField(db_default="")
    asked_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("decide_review", "Can decide whether an order is taken")]
        constraints = [
            # The time tells the same as the status.
            models.CheckConstraint(
                condition=Q(status=ReviewStatus.OPEN, closed_at=None)
                | (~Q(status=ReviewStatus.OPEN) & Q(closed_at__isnull=False)),
                name="fraud_closed_at_follows_from_status",
            ),
            # A decision is somebody's, and what is open or withdrawn nobody's.
            models.CheckConstraint(
                condition=Q(status__in=["open", "withdrawn"], decided_by="")
                | (Q(status__in=["cleared", "refused"]) & ~Q(decided_by="")),
                name="fraud_decision_is_somebodys",
            ),
            # A step has one review at a time.
            models.UniqueConstraint(
                fields=["saga_id"],
                condition=Q(status="open"),
                name="fraud_one_open_review_per_saga",
            ),
        ]
        indexes = [
            # The list of them, a page at a time.
            models.Index(fields=["asked_at", "id"], name="fraud_reviews_by_time"),
        ]

    def __str__(self) -> str:
        return f"review of order {number_of(self.order_id)}"


class SagaLog(messaging.SagaLog):
    """Which steps fraud took, and what it answered."""

    class Meta(messaging.SagaLog.Meta):
        pass


class SagaLogListing(messaging.SagaLogListing):
    """The same to look at."""

    class Meta(messaging.SagaLogListing.Meta):
        pass


class Intent(messaging.Intent):
    """Questions to a person that steps wait for."""

    class Meta(messaging.Intent.Meta):
        pass


class ProviderState(messaging.ProviderState):
    """Whom fraud calls, and who does not answer."""

    class Meta(messaging.ProviderState.Meta):
        pass


class OutboxMessage(messaging.OutboxMessage):
    """What fraud tells and the broker has not yet acknowledged."""

    class Meta(messaging.OutboxMessage.Meta):
        pass


class DeadLetter(messaging.DeadLetter):
    """What fraud could not handle."""

    class Meta(messaging.DeadLetter.Meta):
        pass


class BarrierNote(messaging.BarrierNote):
    """What fraud's barrier decided other than ordinarily."""

    class Meta(messaging.BarrierNote.Meta):
        pass


class OperatorAction(messaging.OperatorAction):
    """What people did by hand in fraud."""

    class Meta(messaging.OperatorAction.Meta):
        pass
