"""What others may read of the engine. Ask inside one transaction to see one moment."""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now

from apps.contracts.base import context_of
from apps.contracts.catalogue import Action
from apps.messaging.display import with_evidence
from apps.messaging.terminal import moment
from apps.processes import process
from apps.sagas.errors import UnknownCase
from apps.sagas.models import Case, OperatorAction, Saga, SagaEvent, SagaStep
from apps.sagas.sleeping import ASLEEP_SECONDS
from apps.sagas.state import Status

PAGE = 2000


@dataclass(frozen=True, slots=True)
class SagaFacts:
    """Where one saga stands."""

    saga_id: UUID
    order_id: UUID
    status: str
    plan: str  # as in the header
    started_at: datetime
    ended_at: datetime | None  # None: it lives
    detours: dict[str, Any]  # a state.Detours

    @property
    def skipped(self) -> frozenset[str]:
        """The steps that it went on without."""
        return frozenset(self.detours.get("skipped", ()))


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One request of a saga and what became of it."""

    saga_id: UUID
    step: str
    action: str
    generation: int
    outcome: str
    asked_at: datetime
    answered_at: datetime


def status_counts() -> dict[str, int]:
    """How many sagas there are in each status that any is in."""
    counted = Saga.objects.values_list("status").annotate(Count("saga_id"))
    return dict(counted.order_by("status"))


def drivers(*, since: datetime) -> dict[tuple[str, str], int]:
    """How many of the sagas that were started from `since` on began in which mode, and whose hand
    they are in now: who began by events and is the engine's was taken over."""
    found = Saga.objects.filter(started_at__gte=since).values_list("mode", "driver")
    return {(mode, driver): count for mode, driver, count in found.annotate(Count("saga_id"))}


def live_sagas() -> Iterator[SagaFacts]:
    """Those that have not ended, the oldest first."""
    return _facts(Saga.objects.filter(ended_at=None).order_by("started_at"))


def awake_sagas() -> int:
    """How many have not ended and do not sleep (sleeping.py)."""
    soon = F("changed_at") + timedelta(seconds=ASLEEP_SECONDS)
    awake = Q(due_at=None) | Q(due_at__lte=Now()) | Q(due_at__lte=soon)
    return Saga.objects.filter(awake, ended_at=None).count()


def ended_sagas(*, since: datetime, before: datetime) -> Iterator[SagaFacts]:
    """Those that ended from `since` on and before `before`, in the order of their ends."""
    found = Saga.objects.filter(ended_at__gte=since, ended_at__lt=before)
    return _facts(found.order_by("ended_at", "saga_id"))


def sagas_by_id(*, ended_before: datetime | None = None) -> Iterator[SagaFacts]:
    """All sagas, or those that ended before a time, in the order of their ids."""
    found = Saga.objects.order_by("saga_id")
    return _facts(found.filter(ended_at__lt=ended_before) if ended_before else found)


def facts_of(saga_ids: Collection[UUID]) -> dict[UUID, SagaFacts]:
    """Where these sagas stand; those that the engine does not know are left out."""
    return {each.saga_id: each for each in _facts(Saga.objects.filter(saga_id__in=saga_ids))}


def history_of(saga_ids: Collection[UUID]) -> Iterator[StepFacts]:
    """The history of these sagas, each in the order in which the engine took the answers."""
    found = SagaStep.objects.filter(saga_id__in=saga_ids).order_by("saga_id", "revision")
    for row in found.values_list(*StepFacts.__slots__).iterator(PAGE):
        yield StepFacts(*row)


def steps_on_desk(saga_ids: Collection[UUID]) -> dict[UUID, set[str]]:
    """The steps of these sagas whose undoing stood on the desk at some time."""
    found: dict[UUID, set[str]] = {}
    rows = Case.objects.filter(saga_id__in=saga_ids, action=Action.UNDO)
    for saga_id, step in rows.values_list("saga_id", "step"):
        found.setdefault(saga_id, set()).add(step)
    return found


def needs_a_person() -> set[UUID]:
    """Live sagas that are stuck or wait for a decision."""
    stand = [Status.STUCK, Status.AWAITING_DECISION]
    return set(Saga.objects.filter(status__in=stand).values_list("saga_id", flat=True))


def on_the_desk() -> set[UUID]:
    """The sagas that the engine has put on the desk, by their open cases."""
    found = Case.objects.filter(closed_at=None, context="sagas")
    return set(found.values_list("saga_id", flat=True))


def told_by_others(saga_ids: Collection[UUID]) -> list[str]:
    """Why a person should look at these sagas, as other contexts have told: of their open cases,
    the oldest first."""
    found = Case.objects.filter(saga_id__in=saga_ids, closed_at=None).exclude(context="sagas")
    return list(found.order_by("id").values_list("reason", flat=True))


# Kinds of events that only a person's move makes.
BY_PEOPLE = ("paused", "retried", "outcome_recorded", "fencing")


def moves_by_people() -> list[tuple[UUID, int, str]]:
    """What people did to sagas, as the sagas' own timelines tell: saga, version seen, kind."""
    found = SagaEvent.objects.filter(kind__in=BY_PEOPLE).order_by("saga_id", "revision")
    rows = found.values_list("saga_id", "revision", "kind")
    return [(saga_id, revision - 1, kind) for saga_id, revision, kind in rows]


def audited() -> set[tuple[UUID, int]]:
    """What the audit knows: saga, version seen."""
    found = OperatorAction.objects.filter(subject_kind="saga")
    return set(found.values_list("subject_id", "version"))


def _facts(found: QuerySet[Saga]) -> Iterator[SagaFacts]:
    for row in found.values_list(*SagaFacts.__slots__).iterator(PAGE):
        yield SagaFacts(*row)


# --- for those who look at single sagas


@dataclass(frozen=True, slots=True)
class SagaLine:
    """One saga in a list."""

    saga_id: UUID
    order_id: UUID
    process: str
    status: str
    waits_for: str
    attempt: int
    turned_back_at: str
    started_at: datetime
    ended_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened to a saga: an answer, or what it did of itself or was made to do."""

    at: datetime
    revision: int
    step: str
    action: str
    generation: int
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class WholeSaga:
    """One saga with all that is known of it."""

    saga_id: UUID
    order_id: UUID
    process: str
    version: int  # of the definition
    revision: int
    status: str
    pending_step: str | None
    pending_action: str | None
    pending_generation: int | None
    attempt: int
    due_at: datetime | None
    deadline_at: datetime | None
    desk_due_at: datetime | None
    paused_until: datetime | None
    on_desk: tuple[str, ...]
    cause_step: str
    cause_reason: str
    started_at: datetime
    ended_at: datetime | None
    entries: tuple[TimelineEntry, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def waiting(self) -> str:
        """What it waits for, in words."""
        if self.pending_step:
            return f"it waits for {self.pending_step} ({self.pending_action})"
        return f"on the desk: {', '.join(self.on_desk)}" if self.on_desk else "it waits for nothing"

    def facts(self) -> list[tuple[str, object]]:
        """Names and values for people; what there is not is left out."""
        turned_back = f"{self.cause_step}: {self.cause_reason}" if self.cause_step else ""
        found: list[tuple[str, object]] = [
            ("saga", self.saga_id), ("order", self.order_id),
            ("process", f"{self.process}, definition {self.version}"),
            ("status", self.status), ("version", self.revision), ("waiting", self.waiting()),
            ("attempt", self.attempt if self.pending_step else ""), ("due", moment(self.due_at)),
            ("deadline", moment(self.deadline_at)), ("paused until", moment(self.paused_until)),
            ("on the desk", ", ".join(self.on_desk)), ("asked again", moment(self.desk_due_at)),
            ("turned back", turned_back),
            ("started", moment(self.started_at)), ("ended", moment(self.ended_at)),
        ]  # fmt: skip
        return [(name, value) for name, value in found if value not in (None, "")]

    def timeline(self) -> list[tuple[object, ...]]:
        """Rows for people, oldest first."""
        return [
            (
                f"{e.at:%Y-%m-%d %H:%M:%S.%f}"[:-3], e.revision, e.step, e.action, e.generation,
                e.what, e.text,
            )
            for e in self.entries
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CaseLine:
    """Something that stands or stood on the desk."""

    id: UUID
    kind: str
    saga_id: UUID
    step: str
    action: str
    reason: str
    opened_at: datetime
    owner: str
    version: int
    closed_by: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def as_row(self) -> tuple[object, ...]:
        """For people."""
        since = f"{self.opened_at:%Y-%m-%d %H:%M:%S}"
        owner, closed_by = self.owner or "-", self.closed_by or "-"
        return (self.id, self.kind, self.saga_id, self.step, since, owner, closed_by, self.reason)


def newest(status: str, limit: int) -> list[SagaLine]:
    """The newest sagas, of one status or of all (empty)."""
    found = Saga.objects.filter(status=status) if status else Saga.objects.all()
    rows = found.order_by("-saga_id").values_list(
        "saga_id", "order_id", "process", "status", "pending_step", "attempt", "cause_step",
        "started_at", "ended_at",
    )  # fmt: skip
    return [SagaLine(*row[:4], row[4] or "", *row[5:]) for row in rows[:limit]]


def saga_named(id: UUID) -> UUID | None:
    """The saga of a saga id or an order id."""
    named = Saga.objects.filter(Q(saga_id=id) | Q(order_id=id))
    return named.values_list("saga_id", flat=True).first()


def whole(saga_id: UUID) -> WholeSaga:
    """One saga. Raises Saga.DoesNotExist."""
    saga = Saga.objects.get(saga_id=saga_id)
    desk = tuple(str(each["step"]) for each in saga.detours.get("desk", ()))
    names = [each for each in WholeSaga.__slots__ if each not in ("on_desk", "entries")]
    facts = {name: getattr(saga, name) for name in names}
    return WholeSaga(**facts, on_desk=desk, entries=tuple(timeline_of(saga_id)))


def stands_at(saga_id: UUID) -> str:
    """Where a saga is after a move, in words: who is to answer now."""
    saga = Saga.objects.get(saga_id=saga_id)
    desk = ", ".join(str(each["step"]) for each in saga.detours.get("desk", ()))
    facts = [
        f"The saga is {saga.status}",
        _awaited(saga),
        f"on the desk until it is answered: {desk}" if desk else "",
        "paused" if saga.paused_until else "",
    ]
    return f"{'; '.join(filter(None, facts))}."


def _awaited(saga: Saga) -> str:
    """Whose answer it waits for: nobody's where a pause holds the question back, or a person
    decides."""
    if not saga.pending_step:
        return ""
    asked = f"{saga.pending_step} ({saga.pending_action})"
    if saga.paused_until or saga.status == Status.AWAITING_DECISION:
        return f"it waits for {asked}"
    step = process(saga.process, saga.version).step(saga.pending_step)
    return f"the answer of {context_of(step.success)} to {asked} is awaited"


def timeline_of(saga_id: UUID) -> list[TimelineEntry]:
    """All that happened to a saga, oldest first."""
    answers = SagaStep.objects.filter(saga_id=saga_id).values_list(
        "answered_at", "revision", "step", "action", "generation", "outcome", "answer_type"
    )
    events = SagaEvent.objects.filter(saga_id=saga_id).values_list(
        "at", "revision", "step", "action", "generation", "kind", "text"
    )
    moves = OperatorAction.objects.filter(saga_id=saga_id).values_list(
        "at", "version", "step", "operation", "actor", "reason", "parameters__evidence", "outcome"
    )
    acted = [
        TimelineEntry(
            at, version, step, "", 0, f"{operation} by {actor}",
            f"{with_evidence(reason, evidence)}: {outcome}",
        )
        for at, version, step, operation, actor, reason, evidence, outcome in moves
    ]  # fmt: skip
    told = [TimelineEntry(*row) for row in (*answers, *events)]
    return sorted([*told, *acted], key=lambda entry: (entry.at, entry.revision))


def is_past_deadline(saga_id: UUID) -> bool:
    """Whether the time of a saga is over, by the database's clock; not of one that is unknown."""
    return Saga.objects.filter(saga_id=saga_id, deadline_at__lte=Now()).exists()


def cases(*, open_only: bool, limit: int) -> list[CaseLine]:
    """What stands on the desk, the oldest first; or all that ever stood there, the newest first."""
    found = (
        Case.objects.filter(closed_at=None).order_by("id")
        if open_only
        else Case.objects.order_by("-id")
    )
    return [CaseLine(*row) for row in found.values_list(*CaseLine.__slots__)[:limit]]


def case(id: UUID) -> CaseLine:
    """One case. Raises UnknownCase."""
    row = Case.objects.filter(id=id).values_list(*CaseLine.__slots__).first()
    if row is None:
        raise UnknownCase(case=str(id))
    return CaseLine(*row)
