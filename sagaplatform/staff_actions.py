"""The audit of what people change in `default`: one row each, in the change's own transaction."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.messaging.audit import Actor, checked_reason
from apps.messaging.display import words
from apps.messaging.errors import OutsideTransaction
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


def told(facts: Mapping[str, Any]) -> str:
    """Values by field, in words."""
    return ", ".join(f"{words(name)} {_in_words(value)}" for name, value in facts.items())


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " + ".join(value) or "none"
    return str(value) or "empty"
