"""The tables that every context's database has, as abstract models."""

from django.db import models

from apps.messaging.barrier import Status


class SagaLog(models.Model):
    """One row per saga and step: the lock for action and compensation, and the answer given.

    No surrogate key and nothing that refers to it, so that it can be partitioned by saga later.
    """

    pk = models.CompositePrimaryKey("saga_id", "step")
    saga_id = models.UUIDField()
    step = models.TextField()
    status = models.TextField(choices=[(each.value, each.value) for each in Status])
    generation = models.IntegerField()
    answer_type = models.TextField(default="")  # the event that was answered
    answer_version = models.IntegerField(default=1)
    answer = models.BinaryField(default=b"")  # its payload, JSON
    started_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        abstract = True


class OutboxMessage(models.Model):
    """A message that is not yet acknowledged by the broker. Acknowledged rows go."""

    id = models.UUIDField(primary_key=True)  # the message id
    topic = models.TextField()
    saga_id = models.UUIDField()  # the key
    headers = models.TextField()  # JSON object of texts
    payload = models.BinaryField()  # JSON
    created_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"to {self.topic}"


class ParkedStatus(models.TextChoices):
    """What became of a parked message."""

    PARKED = "parked"  # it failed; a compensation, a re-send or a replay settles it
    WAITING = "waiting"  # an action of the same saga that arrived after a parked one
    RELEASED = "released"  # waiting -> published again
    REPLAYED = "replayed"  # parked -> its request was carried out after all
    SUPERSEDED = "superseded"  # parked -> its step was compensated before it ran


class DeadLetter(models.Model):
    """A message that could not be handled, or waits behind one, exactly as it was read."""

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    status = models.TextField(choices=ParkedStatus)
    blocks_saga = models.BooleanField()  # an action: later actions of its saga wait behind it
    message_id = models.UUIDField(null=True)  # made from its place where it cannot be read
    saga_id = models.UUIDField(null=True)
    step = models.TextField(default="")
    action = models.TextField(default="")
    generation = models.IntegerField(default=0)
    type = models.TextField(default="")
    topic = models.TextField()
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    key = models.BinaryField(null=True)
    headers = models.TextField()  # JSON object of texts; bytes that are no text are escaped
    payload = models.BinaryField()
    error_type = models.TextField(default="")
    error = models.TextField(default="")
    attempts = models.IntegerField(default=0)
    replays = models.IntegerField(default=0)
    parked_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        constraints = [
            # One copy per request: a re-sent command replaces its parked copy.
            models.UniqueConstraint(
                fields=["saga_id", "step", "action", "generation"],
                condition=models.Q(status="parked", blocks_saga=True),
                name="%(app_label)s_one_parked_copy",
            ),
            # A message that is read again after a crash is not parked again.
            models.UniqueConstraint(
                fields=["topic", "partition", "offset", "message_id"],
                name="%(app_label)s_parked_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["saga_id"],
                condition=models.Q(status__in=["parked", "waiting"]),
                name="%(app_label)s_open_letters",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type or 'unreadable'} from {self.topic}"


class BarrierNote(models.Model):
    """A decision of the barrier that was not the ordinary one. The normal path writes none."""

    id = models.UUIDField(primary_key=True)
    saga_id = models.UUIDField(db_index=True)
    step = models.TextField()
    action = models.TextField()
    generation = models.IntegerField()
    decision = models.TextField()  # duplicate, late, nothing_to_undo
    message_id = models.UUIDField()
    noted_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.step}: {self.decision}"
