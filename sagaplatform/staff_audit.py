"""What people changed in `default`, for the audit of all databases: a page of apps.ops."""

from collections.abc import Iterable

from apps.ops import audit
from sagaplatform.models import StaffAction
from sagaplatform.staff_actions import told


def newest(wanted: audit.Wanted, limit: int) -> list[audit.Action]:
    """For the audit of all databases. These actions have no saga."""
    if wanted.saga_id:
        return []
    found = StaffAction.objects.filter(id__lt=wanted.before)
    for field, value in {
        "actor": wanted.actor, "operation": wanted.operation, "at__gte": wanted.since,
        "at__lt": wanted.until,
    }.items():  # fmt: skip
        found = found.filter(**{field: value}) if value else found
    return [_told(each) for each in found.order_by("-id")[:limit]]


def operations() -> Iterable[str]:
    """Every kind of change that was made."""
    return StaffAction.objects.values_list("operation", flat=True).distinct()


def _told(action: StaffAction) -> audit.Action:
    return audit.Action(
        id=action.id, at=action.at, actor=action.actor, operation=action.operation, context="",
        subject_kind=action.subject_kind, subject=action.subject, saga_id=None, step="",
        reason=action.reason, outcome=f"{told(action.before)} → {told(action.after)}",
    )  # fmt: skip
