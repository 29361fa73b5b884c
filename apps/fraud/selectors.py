"""What others may read of fraud. Ask inside one transaction to see one moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.fraud.models import Assessment, AssessmentStatus, Review


@dataclass(frozen=True, slots=True)
class CheckEffects:
    """How often one saga's order was cleared and that was lifted: once or never."""

    saga_id: UUID
    cleared: int
    lifted: int


def check_effects() -> Iterator[CheckEffects]:
    """What was done with each check, by saga."""
    rows = Assessment.objects.order_by("saga_id").values_list("saga_id", "status")
    for saga_id, status in rows.iterator():
        yield CheckEffects(saga_id, cleared=1, lifted=int(status == AssessmentStatus.LIFTED))


@dataclass(frozen=True, slots=True)
class Check:
    """How far one saga's check is, for people."""

    status: str
    by: str
    since: datetime
    settled: datetime | None


def checks_of_saga(saga_id: UUID) -> Iterator[Check]:
    """Its reviews, and whether it was cleared. Two statements."""
    for review in Review.objects.filter(saga_id=saga_id).order_by("asked_at"):
        by = f"review by {review.decided_by or 'a person'}"
        yield Check(review.status, by, review.asked_at, review.closed_at)
    for each in Assessment.objects.filter(saga_id=saga_id):
        by = f"check by {each.decided_by}"
        yield Check(each.status, by, each.assessed_at, each.lifted_at)


def open_review(order_id: UUID) -> Review | None:
    """What a person is to decide on an order, if anything."""
    return Review.objects.filter(order_id=order_id, status="open").first()
