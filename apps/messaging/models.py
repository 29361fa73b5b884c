"""The tables that every context's database has, as abstract models."""

from django.db import models

from apps.messaging.barrier import Status
from apps.messaging.display import with_evidence


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


class SagaLogListing(models.Model):
    """The saga log as a view with a key of one column, which Django's admin needs."""

    id = models.TextField(primary_key=True)  # saga:step
    saga_id = models.UUIDField()
    step = models.TextField()
    status = models.TextField(choices=[(each.value, each.value) for each in Status])
    generation = models.IntegerField()
    answer_type = models.TextField()
    started_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        abstract = True
        managed = False
        verbose_name = "saga log"

    def __str__(self) -> str:
        return f"{self.step} {self.status}"


class IntentStatus(models.TextChoices):
    """Where an outside call is."""

    DUE = "due"  # to be made; no worker has claimed it yet, so it can be withdrawn
    CLAIMED = "claimed"  # a worker has it until its lease ends: the call may be under way
    UNKNOWN = "unknown"  # it was made and no definite answer came; asked again under the same key
    WAITING = "waiting"  # the outside world needs more time: a person, a bank
    REFUSED = "refused"  # an undo that the outside world will not make; a person decides
    SETTLED = "settled"  # its outcome is recorded
    WITHDRAWN = "withdrawn"  # it was never made and never will be


class Intent(models.Model):
    """An outside call that a step stands and falls with: the row is the job.

    Made in the transaction of the request that wants it, called by a worker outside of any, and
    recorded with its answer in one. The key under which the outside world knows the call is fixed
    when the row is made.
    """

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    saga_id = models.UUIDField()
    step = models.TextField()
    action = models.TextField()  # do or undo
    generation = models.IntegerField()  # of the request that it answers
    operation = models.TextField()  # what is called: a name in the context's CALLS
    subject = models.TextField()  # what it is about: calls about one subject are serial
    details = models.BinaryField()  # arguments of the call, JSON
    key = models.TextField()  # for the outside world to tell a repetition from a new call
    status = models.TextField(choices=IntentStatus)
    due_at = models.DateTimeField()
    attempt = models.IntegerField(db_default=0)  # claims so far
    lease = models.UUIDField(null=True)  # of the worker that has claimed it
    leased_until = models.DateTimeField(null=True)
    called_at = models.DateTimeField(null=True)  # first claimed; null: the call was never made
    reason = models.TextField(db_default="")  # why it waits, or what went wrong last
    request = models.TextField()  # headers of what it answers, JSON
    undo = models.TextField(db_default="")  # headers of a compensation that waits for its outcome
    fence = models.TextField(db_default="")  # headers of a Fence that waits for its outcome
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        abstract = True
        constraints = [
            # A request has one call; what replaces it has a higher generation.
            models.UniqueConstraint(
                fields=["saga_id", "step", "action", "generation"],
                name="%(app_label)s_one_call_per_request",
            ),
            # Under one key there is one call, whatever the outside world thinks of it.
            models.UniqueConstraint(fields=["key"], name="%(app_label)s_one_call_per_key"),
            # Calls about one payment or parcel are made one after the other.
            models.UniqueConstraint(
                fields=["subject"],
                condition=models.Q(status__in=["claimed", "unknown", "waiting"]),
                name="%(app_label)s_one_call_at_a_time",
            ),
            # A lease has an end and an owner, and only a claimed call has one.
            models.CheckConstraint(
                condition=models.Q(
                    status="claimed", lease__isnull=False, leased_until__isnull=False
                )
                | (
                    ~models.Q(status="claimed")
                    & models.Q(lease__isnull=True, leased_until__isnull=True)
                ),
                name="%(app_label)s_claimed_under_a_lease",
            ),
        ]
        indexes = [
            # What is to be done, the longest due first; few among many that are settled.
            models.Index(
                fields=["due_at"],
                condition=models.Q(status__in=["due", "claimed", "unknown", "waiting"]),
                name="%(app_label)s_calls_due",
            ),
            # Whether others about the same are under way or older, however many are to be done. Of
            # all calls: see CLAIM.
            models.Index(fields=["subject", "id"], name="%(app_label)s_calls_about"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} for {self.step}"


class ProviderState(models.Model):
    """A provider that is not well: of which calls have had no outcome lately. One that is well has
    no row."""

    name = models.TextField(primary_key=True)
    failures = models.IntegerField()  # in a row
    opened_at = models.DateTimeField(null=True)  # since when it is not called; null: it is
    retry_at = models.DateTimeField(null=True)  # when a call finds out, or has to have found out
    probing = models.BooleanField(db_default=False)  # one does now
    changed_at = models.DateTimeField()

    class Meta:
        abstract = True
        constraints = [
            # Who is not called is asked again some time.
            models.CheckConstraint(
                condition=models.Q(opened_at__isnull=True, retry_at__isnull=True, probing=False)
                | models.Q(opened_at__isnull=False, retry_at__isnull=False),
                name="%(app_label)s_provider_is_asked_again",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Lease(models.Model):
    """Who does what only one process should do, until when by the database's clock."""

    name = models.TextField(primary_key=True)
    holder = models.UUIDField()
    until = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


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
    DISCARDED = "discarded"  # parked -> an operator gave it up; the audit says who and why


class DeadLetter(models.Model):
    """A message that could not be handled, or waits behind one, exactly as it was read.

    What an operator corrected stands beside it, and is what is sent again.
    """

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    status = models.TextField(choices=ParkedStatus)
    version = models.IntegerField(db_default=0)  # raised by every change: what a person has seen
    blocks_saga = models.BooleanField()  # an action: later actions of its saga wait behind it
    closes_step = models.BooleanField(db_default=False)  # a compensation or fence: it never waits
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
    fingerprint = models.TextField(db_default="")  # alike for messages that failed alike
    attempts = models.IntegerField(default=0)
    replays = models.IntegerField(default=0)
    edited_payload = models.BinaryField(null=True)
    edited_headers = models.TextField(null=True)  # all of them, as headers
    edited_by = models.TextField(db_default="")
    parked_at = models.DateTimeField()
    failed_at = models.DateTimeField(null=True)  # the last time
    settled_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        permissions = [
            ("replay_deadletter", "Can send a parked message again"),
            ("edit_deadletter", "Can correct a parked message"),
            ("discard_deadletter", "Can give up a parked message"),
            ("reveal_deadletter", "Can read a parked message's payload"),
        ]
        constraints = [
            # One copy per request: a re-sent command replaces its parked copy. An event that is
            # only listened to is no request: two of one step may tell different things.
            models.UniqueConstraint(
                fields=["saga_id", "step", "action", "generation"],
                condition=models.Q(status="parked")
                & (models.Q(blocks_saga=True) | models.Q(closes_step=True)),
                name="%(app_label)s_one_parked_copy",
            ),
            # A request is an action or it closes the step.
            models.CheckConstraint(
                condition=~models.Q(blocks_saga=True, closes_step=True),
                name="%(app_label)s_letter_asks_one_thing",
            ),
            # Payload and headers were corrected together, by somebody.
            models.CheckConstraint(
                condition=models.Q(
                    edited_payload__isnull=True, edited_headers__isnull=True, edited_by=""
                )
                | (
                    models.Q(edited_payload__isnull=False, edited_headers__isnull=False)
                    & ~models.Q(edited_by="")
                ),
                name="%(app_label)s_letter_edited_by_somebody",
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
            models.Index(
                fields=["fingerprint"],
                condition=models.Q(status="parked"),
                name="%(app_label)s_parked_alike",
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
    decision = models.TextField()  # a barrier.Decision
    message_id = models.UUIDField()
    noted_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.step}: {self.decision}"


class SubjectKind(models.TextChoices):
    """What an operator's action was about."""

    DEAD_LETTER = "dead_letter"
    SAGA = "saga"
    INTENT = "intent"
    CASE = "case"
    APPROVAL = "approval"  # what a second person has to allow
    ORDER = "order"
    PROCESS = "process"  # how its sagas are driven


class OperatorAction(models.Model):
    """What a person did by hand, and why. Append-only, written in the action's own transaction."""

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)  # a user of `default`; null: a terminal's user
    actor = models.TextField()  # the name, which outlives the user
    operation = models.TextField()  # replay, discard, …
    subject_kind = models.TextField(choices=SubjectKind)
    subject_id = models.UUIDField()
    saga_id = models.UUIDField(null=True)
    step = models.TextField(db_default="")
    version = models.BigIntegerField()  # of the subject, as the person had seen it
    reason = models.TextField()
    parameters = models.JSONField()  # what was asked; no personal data
    outcome = models.TextField()  # what was done, in words

    class Meta:
        abstract = True
        constraints = [
            # Dots and dashes are no reason. A letter beyond ASCII is one in no locale's own way,
            # so that this does not depend on how the database was made.
            models.CheckConstraint(
                condition=models.Q(reason__regex="[A-Za-z]|[^ -~[:space:]]"),
                name="%(app_label)s_action_has_a_reason",
            ),
            # Nobody acts unnamed.
            models.CheckConstraint(
                condition=~models.Q(actor=""), name="%(app_label)s_action_has_an_actor"
            ),
        ]
        indexes = [
            models.Index(fields=["saga_id"], name="%(app_label)s_actions_of_saga"),
            models.Index(fields=["subject_id"], name="%(app_label)s_actions_on"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} by {self.actor}"

    @property
    def why(self) -> str:
        """The reason, with the evidence where there is one."""
        return with_evidence(self.reason, self.parameters.get("evidence"))
