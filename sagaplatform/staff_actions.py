"""The audit of what people change in `default`: one row each, in the change's own transaction."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.messaging.audit import Actor, checked_reason
from apps.messaging.display import words
from apps.messaging.errors import OutsideTransaction
from apps.ops import audit
from sagaplatform.models import StaffAction


def write_down(
    *,
    actor: Actor,
    operation: str,
    subject_kind: str,
    subject: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    reason: str,
) -> StaffAction:
    """Write down a change in the transaction that it is made in; the row.

    `before` and `after` are what was changed, without secrets. Raises OutsideTransaction where no
    transaction is open on `default`, ReasonMissing where the reason has no letter in it.
    """
    if not transaction.get_connection().in_atomic_block:
        raise OutsideTransaction(database="default")
    return StaffAction.objects.create(
        id=uuid7(),
        at=timezone.now(),
        actor_id=actor.id,
        actor=actor.name,
        operation=operation,
        subject_kind=subject_kind,
        subject=subject,
        before=dict(before),
        after=dict(after),
        reason=checked_reason(reason),
    )


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


def told(facts: Mapping[str, Any]) -> str:
    """Values by field, in words."""
    return ", ".join(f"{words(name)} {_in_words(value)}" for name, value in facts.items())


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " + ".join(value) or "none"
    return str(value) or "empty"
