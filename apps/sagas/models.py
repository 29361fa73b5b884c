"""The engine's record of every saga, and the history of what was asked and answered."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q

from apps.contracts.numbers import number_of
from apps.contracts.plan import Mode
from apps.messaging import models as messaging
from apps.messaging.display import words
from apps.sagas.state import ENDED, STAYS_OPEN, Driver, Outcome, Status

LIVE = Q(ended_at__isnull=True)
AT_ITS_END = Q(status__in=[each.value for each in ENDED])
PENDING = ("pending_step", "pending_action", "pending_generation", "pending_since")
NOTHING_PENDING = Q(**{f"{name}__isnull": True for name in PENDING})
TAKEN_OVER = Q(mode=Mode.CHOREOGRAPHED.value, driver=Driver.ENGINE.value)
TURNED = ~Q(cause_step="")  # back, or waiting for the decision whether to
CAUSE_WORDS = SearchVector("cause_reason", config="simple")
ALL_PENDING = Q(**{f"{name}__isnull": False for name in PENDING})


class Saga(models.Model):
    """One saga: where it is, and the request that it waits for."""

    saga_id = models.UUIDField(primary_key=True)
    process = models.TextField()
    version = models.IntegerField()  # of the definition
    mode = models.TextField()  # how it began
    driver = models.TextField(
        choices=[(each.value, each.value) for each in Driver], db_default=Driver.ENGINE.value
    )
    plan = models.TextField()  # as in the header: fixed when it starts
    order_id = models.UUIDField()
    customer_id = models.BigIntegerField()
    total_cents = models.BigIntegerField(null=True)  # of the order when it was placed
    currency = models.TextField(db_default="")  # ISO 4217
    status = models.TextField(choices=[(each.value, each.value) for each in Status])
    pending_step = models.TextField(null=True)
    pending_action = models.TextField(null=True)
    pending_generation = models.IntegerField(null=True)
    pending_since = models.DateTimeField(null=True)  # first asked
    attempt = models.IntegerField(db_default=1)  # sendings of it; 0: held back by a pause
    due_at = models.DateTimeField(null=True)  # when it has waited for long enough
    deadline_at = models.DateTimeField(null=True)  # after which it turns back, if it still can
    desk_due_at = models.DateTimeField(null=True)  # when what stands on the desk is asked again
    paused_until = models.DateTimeField(null=True)  # until then answers are taken, nothing is sent
    detours = models.JSONField(db_default={})  # a state.Detours; of most sagas empty
    inputs = models.JSONField()  # what the steps ahead need; the address goes with the last of them
    # What turned it back, or waits for a decision: a refusal, or that no answer came.
    cause_step = models.TextField(default="")
    cause_type = models.TextField(default="")
    cause = models.JSONField(null=True)
    cause_reason = models.TextField(default="")
    traceparent = models.TextField(db_default="")  # W3C, of the request that started it
    revision = models.IntegerField()  # raised by each answer that changes it
    started_at = models.DateTimeField(db_index=True)
    changed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [
            ("retry_saga", "Can ask a step again"),
            ("compensate_saga", "Can turn a saga back"),
            ("skip_saga", "Can go on without a step"),
            ("pause_saga", "Can pause and resume a saga"),
            ("resolve_saga", "Can settle a stuck undo with evidence"),
            ("substitute_saga", "Can undo a stuck step in another way"),
            ("record_saga", "Can record that a stuck step happened"),
            ("reveal_saga", "Can read the payloads of a saga's messages"),
        ]
        constraints = [
            # A live saga waits for an answer or for what stands on the desk, an ended one for none.
            models.CheckConstraint(
                condition=(LIVE & ALL_PENDING)
                | (Q(status="stuck") & NOTHING_PENDING & Q(desk_due_at__isnull=False))
                | (~LIVE & NOTHING_PENDING),
                name="saga_waits_while_live",
            ),
            # When it ended is known of each that ended, and of no other.
            models.CheckConstraint(
                condition=(AT_ITS_END & ~LIVE) | (~AT_ITS_END & LIVE),
                name="saga_ended_at_its_end",
            ),
            # What turned it back is known of each that turned back; of one that goes forward there
            # is no such thing.
            models.CheckConstraint(
                condition=(
                    Q(status__in=["running", "skipping", "fencing", "confirmed"])
                    & Q(cause_step="", cause__isnull=True)
                )
                | (
                    Q(status__in=["awaiting_decision", "compensating", "undone"])
                    & Q(cause__isnull=False)
                    & ~Q(cause_step="")
                )
                | Q(status="stuck"),
                name="saga_turned_back_for_a_cause",
            ),
            # Events drive what began with events; the engine may take it over, never back.
            models.CheckConstraint(
                condition=Q(driver="engine") | Q(mode="choreographed"),
                name="saga_driven_as_it_began",
            ),
            # An order is placed once, and taken back once; goods of it may come back by and by.
            models.UniqueConstraint(
                F("order_id"),
                F("process"),
                models.Case(
                    models.When(process="return_order", then=F("saga_id")), default=F("order_id")
                ),
                name="saga_once_per_order",
            ),
        ]
        # No index has a column that changes with each answer, so that an update touches none (HOT).
        # Lists are in the order of their starts, so each thing that they are filtered by has an
        # index that gives this order; docs/decisions/0038 weighs what that costs.
        indexes = [
            models.Index(fields=["customer_id", "started_at"], name="saga_of_customer"),
            models.Index(fields=["process", "started_at"], name="saga_by_process"),
            models.Index(fields=["mode", "started_at"], name="saga_by_mode"),
            models.Index(fields=["started_at"], condition=TAKEN_OVER, name="saga_taken_over"),
            models.Index(fields=["total_cents"], name="saga_by_total"),
            # Of those that turned back, few among many: where, why, and the words of it.
            models.Index(
                fields=["cause_step", "started_at"], condition=TURNED, name="saga_turned_back"
            ),
            models.Index(
                fields=["cause_type", "started_at"], condition=TURNED, name="saga_by_cause"
            ),
            GinIndex(CAUSE_WORDS, condition=TURNED, name="saga_cause_words"),
            # Live ones have their own: a status that changes often is in no index.
            models.Index(fields=["status", "started_at"], condition=~LIVE, name="saga_by_end"),
            # What is under way, oldest first: few among many that ended.
            models.Index(fields=["started_at"], condition=LIVE, name="saga_live"),
            models.Index(fields=["ended_at"], condition=~LIVE, name="saga_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.process.replace('_', ' ')} {number_of(self.order_id)}"

    @property
    def was_taken_over(self) -> bool:
        """By the engine, from the services: as TAKEN_OVER."""
        return self.mode == Mode.CHOREOGRAPHED and self.driver == Driver.ENGINE


class StateMark(models.Model):
    """How far the topic saga-state has come: what changed before is on it."""

    topic = models.TextField(primary_key=True)
    until = models.DateTimeField()


class Brake(models.Model):
    """That something is held back, while it is: who watches next has to tell when it is over."""

    name = models.TextField(primary_key=True)
    since = models.DateTimeField()


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
    outcome = models.TextField(
        choices=[(each.value, each.value) for each in Outcome if each not in STAYS_OPEN]
    )
    answer_type = models.TextField()
    answer = models.JSONField()  # no personal data
    message_id = models.UUIDField()  # of the answer

    class Meta:
        constraints = [
            # A saga takes one answer after the other.
            models.UniqueConstraint(fields=["saga_id", "revision"], name="step_one_by_one"),
            # Only an action is done or refused, only a compensation undoes, only a Fence asks.
            models.CheckConstraint(
                condition=Q(action="do", outcome__in=["done", "refused"])
                | Q(action="undo", outcome__in=["undone", "nothing_to_undo"])
                | Q(action="fence", outcome__in=["happened", "fenced"]),
                name="step_outcome_fits_action",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.outcome}"


class SagaEvent(models.Model):
    """What happened to a saga beside the answers: sent again, turned back, stuck (append-only)."""

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    saga_id = models.UUIDField()
    revision = models.IntegerField()  # of the saga, with which it happened
    at = models.DateTimeField()
    kind = models.TextField()
    step = models.TextField()
    action = models.TextField()
    generation = models.IntegerField()
    text = models.TextField()  # for people

    class Meta:
        indexes = [models.Index(fields=["saga_id", "id"], name="sagas_events_of_saga")]

    def __str__(self) -> str:
        return f"{self.step}: {self.kind}"


class EarlyFact(models.Model):
    """What was told of a saga before its start was heard of: it waits here for the start.

    No order holds between topics. A row goes with the start, so the table is nearly empty.
    """

    message_id = models.UUIDField(primary_key=True)
    saga_id = models.UUIDField()
    heard = models.TextField()  # JSON, engine.Early
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["saga_id"], name="sagas_early_of_saga")]

    def __str__(self) -> str:
        return f"{self.saga_id} at {self.at:%H:%M:%S}"


class Case(models.Model):
    """Something that a person should look at, from when it arose until it is settled.

    A saga's own cases are its requests on the desk; other contexts tell of further ones.
    """

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    kind = models.TextField()  # stuck, decision, or what another context names
    context = models.TextField()  # that told of it
    saga_id = models.UUIDField()
    step = models.TextField()
    action = models.TextField(default="")
    reason = models.TextField()  # why it is on the desk: what was last said
    opened_at = models.DateTimeField()
    owner_id = models.BigIntegerField(null=True)  # a user of the database `default`
    owner = models.TextField(db_default="")  # by name
    version = models.IntegerField(db_default=1)  # raised by each change
    closed_at = models.DateTimeField(null=True)
    closed_by = models.TextField(db_default="")  # what closed it

    class Meta:
        permissions = [
            ("assign_case", "Can give a case to somebody"),
            ("note_case", "Can remark on a case"),
            ("close_case", "Can close a case that nothing else closes"),
        ]
        constraints = [
            # A thing that needs a person stands on the desk once.
            models.UniqueConstraint(
                fields=["saga_id", "step", "action", "kind"],
                condition=Q(closed_at__isnull=True),
                name="case_open_once",
            ),
            # How it was settled is known of each that is.
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closed_by="")
                | (Q(closed_at__isnull=False) & ~Q(closed_by="")),
                name="case_closed_by_something",
            ),
        ]
        indexes = [
            # The desk: the oldest first; few among many.
            models.Index(
                fields=["opened_at"], condition=Q(closed_at__isnull=True), name="case_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{words(self.kind)}: {words(self.step)}"


class ApprovalStatus(models.TextChoices):
    """What became of a request for approval."""

    OPEN = "open"  # it waits for another person until it expires
    APPROVED = "approved"  # another person allowed it, and it was carried out
    DECLINED = "declined"  # another person said no
    WITHDRAWN = "withdrawn"  # who had asked does not want it any more
    LAPSED = "lapsed"  # open -> it expired, or the saga moved, and the same was asked for anew


DECIDED = Q(status__in=["approved", "declined"])
BY_NOBODY = Q(decided_at__isnull=True, decided_by_id__isnull=True, decided_by="", decision="")


class Approval(models.Model):
    """A move above the limit that one person asks for and another one decides. What was asked for
    is never changed: the run-time role may update the decision alone, and delete nothing."""

    id = models.UUIDField(primary_key=True)  # UUIDv7: sorts by time
    status = models.TextField(choices=ApprovalStatus, db_default="open")
    operation = models.TextField()  # compensate, skip, resolve, substitute, record
    saga_id = models.UUIDField()
    step = models.TextField(default="")
    parameters = models.JSONField()  # the operation's further ones
    version = models.IntegerField()  # of the saga, as it was seen by who asks
    position = models.TextField()  # where the saga was then: approvals.position_of
    money_cents = models.BigIntegerField()  # given back in all, as foreseen then
    currency = models.TextField()
    reason = models.TextField()
    requester_id = models.BigIntegerField()  # a user of the database `default`
    requester = models.TextField()  # the name, which outlives the user
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by_id = models.BigIntegerField(null=True)
    decided_by = models.TextField(db_default="")
    decision = models.TextField(db_default="")  # why it was allowed or not

    class Meta:
        permissions = [("decide_approval", "Can approve and decline what others ask for")]
        constraints = [
            # Four eyes: nobody decides what they asked for themselves, whatever rights they have.
            models.CheckConstraint(
                condition=Q(decided_by_id__isnull=True) | ~Q(decided_by_id=F("requester_id")),
                name="approval_by_another_person",
            ),
            # Who decided, when and why is known of each that is decided, and of no other.
            models.CheckConstraint(
                condition=(
                    DECIDED
                    & Q(decided_at__isnull=False, decided_by_id__isnull=False)
                    & ~Q(decided_by="")
                    & ~Q(decision="")
                )
                | (~DECIDED & BY_NOBODY),
                name="approval_decided_by_somebody",
            ),
            # The same is asked for once at a time.
            models.UniqueConstraint(
                fields=["saga_id", "operation", "step"],
                condition=Q(status="open"),
                name="approval_asked_once",
            ),
            # Nothing waits for ever.
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("requested_at")), name="approval_expires"
            ),
        ]
        indexes = [
            # What waits, the oldest first; few among many.
            models.Index(fields=["id"], condition=Q(status="open"), name="approval_open"),
            # What the admin searches for.
            models.Index(fields=["saga_id"], name="approval_of_saga"),
            models.Index(fields=["requester"], name="approval_asked_by"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.step}".replace("_", " ").strip()


class Lease(messaging.Lease):
    """Who does what only one process should do."""

    class Meta(messaging.Lease.Meta):
        pass


class SagaLog(messaging.SagaLog):
    """Commands that the engine itself was sent."""

    class Meta(messaging.SagaLog.Meta):
        pass


class SagaLogListing(messaging.SagaLogListing):
    """The same to look at."""

    class Meta(messaging.SagaLogListing.Meta):
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
    """What people did by hand: to sagas, cases, and what the engine could not make sense of."""

    class Meta(messaging.OperatorAction.Meta):
        pass
