"""The engine's record of every saga, and the history of what was asked and answered."""

from django.db import models
from django.db.models import Q

from apps.messaging import models as messaging
from apps.sagas.decide import Outcome, Status

LIVE = Q(status__in=["running", "compensating"])
PENDING = ("pending_step", "pending_action", "pending_generation", "pending_since")
NOTHING_PENDING = Q(**{f"{name}__isnull": True for name in PENDING})
ALL_PENDING = Q(**{f"{name}__isnull": False for name in PENDING})


class Saga(models.Model):
    """One saga: where it is, and the one request that it waits for."""

    saga_id = models.UUIDField(primary_key=True)
    process = models.TextField()
    version = models.IntegerField()  # of the definition
    mode = models.TextField()  # how it began
    plan = models.TextField()  # as in the header: fixed when it starts
    order_id = models.UUIDField()
    customer_id = models.BigIntegerField(db_index=True)
    status = models.TextField(choices=[(each.value, each.value) for each in Status])
    pending_step = models.TextField(null=True)
    pending_action = models.TextField(null=True)
    pending_generation = models.IntegerField(null=True)
    pending_since = models.DateTimeField(null=True)
    inputs = models.JSONField()  # what the steps ahead need; the address goes with the last of them
    refused_step = models.TextField(default="")  # whose refusal turned it back
    refusal_type = models.TextField(default="")
    refusal = models.JSONField(null=True)
    refusal_reason = models.TextField(default="")
    revision = models.IntegerField()  # raised by each answer that changes it
    started_at = models.DateTimeField(db_index=True)
    changed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # A live saga waits for exactly one answer; one that ended waits for none.
            models.CheckConstraint(
                condition=(LIVE & ALL_PENDING) | (~LIVE & NOTHING_PENDING),
                name="saga_waits_while_live",
            ),
            # When it ended is known of each that ended, and of no other.
            models.CheckConstraint(
                condition=(LIVE & Q(ended_at__isnull=True)) | (~LIVE & Q(ended_at__isnull=False)),
                name="saga_ended_at_its_end",
            ),
            # What turned it back is known of each that turned back, and of no other.
            models.CheckConstraint(
                condition=(
                    Q(status__in=["running", "confirmed"], refused_step="", refusal__isnull=True)
                    | (
                        Q(status__in=["compensating", "undone"], refusal__isnull=False)
                        & ~Q(refused_step="")
                    )
                ),
                name="saga_turned_back_by_a_refusal",
            ),
            # An order is placed once.
            models.UniqueConstraint(fields=["order_id", "process"], name="saga_once_per_order"),
        ]
        # No index has a column that changes with each answer, so that an update touches none (HOT).
        indexes = [
            # What is under way, oldest first: few among many that ended.
            models.Index(fields=["started_at"], condition=LIVE, name="saga_live"),
            models.Index(fields=["ended_at"], condition=~LIVE, name="saga_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.process.replace('_', ' ')} of order {self.order_id}"


class SagaStep(models.Model):
    """One request and its answer, told once and for good (append-only)."""

    pk = models.CompositePrimaryKey("saga_id", "step", "action", "generation")  # answered once
    saga_id = models.UUIDField()
    step = models.TextField()
    action = models.TextField()
    generation = models.IntegerField()
    revision = models.IntegerField()  # of the saga, that this answer made: the order of the history
    asked_at = models.DateTimeField()  # of the first step: when its saga was heard of
    answered_at = models.DateTimeField()
    outcome = models.TextField(choices=[(each.value, each.value) for each in Outcome])
    answer_type = models.TextField()
    answer = models.JSONField()  # no personal data
    message_id = models.UUIDField()  # of the answer

    class Meta:
        constraints = [
            # A saga takes one answer after the other.
            models.UniqueConstraint(fields=["saga_id", "revision"], name="step_one_by_one"),
            # Only an action is done or refused; only a compensation undoes.
            models.CheckConstraint(
                condition=Q(action="do", outcome__in=["done", "refused"])
                | Q(action="undo", outcome__in=["undone", "nothing_to_undo"]),
                name="step_outcome_fits_action",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.outcome}"


class SagaLog(messaging.SagaLog):
    """Commands that the engine itself was sent."""

    class Meta(messaging.SagaLog.Meta):
        pass


class OutboxMessage(messaging.OutboxMessage):
    """What the engine asks and tells."""

    class Meta(messaging.OutboxMessage.Meta):
        pass


class DeadLetter(messaging.DeadLetter):
    """What the engine could not make sense of."""

    class Meta(messaging.DeadLetter.Meta):
        pass


class BarrierNote(messaging.BarrierNote):
    """Answers that no saga waited for."""

    class Meta(messaging.BarrierNote.Meta):
        pass


class OperatorAction(messaging.OperatorAction):
    """What people did by hand with sagas, and with what the engine could not make sense of."""

    class Meta(messaging.OperatorAction.Meta):
        pass
