"""What others may read of the engine. Ask inside one transaction to see one moment."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet

from apps.sagas.models import Saga, SagaStep

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


def live_sagas() -> Iterator[SagaFacts]:
    """Those that have not ended, the oldest first."""
    return _facts(Saga.objects.filter(ended_at=None).order_by("started_at"))


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


def _facts(found: QuerySet[Saga]) -> Iterator[SagaFacts]:
    for row in found.values_list(*SagaFacts.__slots__).iterator(PAGE):
        yield SagaFacts(*row)
