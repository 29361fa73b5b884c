"""The audit of what people do by hand: one row for each action, in the action's own transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from apps.messaging.database import Database
from apps.messaging.errors import OutsideTransaction, ReasonMissing
from apps.messaging.models import SubjectKind
from apps.messaging.tracing import tracer

# Write down one action. The table takes no UPDATE and no DELETE from the run-time role.
WRITE_DOWN = """
INSERT INTO {context}_operatoraction
  (id, at, actor_id, actor, operation, subject_kind, subject_id, saga_id, step, version, reason,
   parameters, outcome)
VALUES (%b, now(), %b, %b, %b, %b, %b, %b, %b, %b, %b, %b::text::jsonb, %b)
"""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user of the database `default`, or somebody at a terminal, who has no id."""

    id: int | None
    name: str


def write_down(
    database: Database,
    *,
    actor: Actor,
    operation: str,
    subject_kind: SubjectKind,
    subject_id: UUID,
    saga_id: UUID | None,
    step: str,
    version: int,
    reason: str,
    parameters: Mapping[str, object],
    outcome: str,
) -> UUID:
    """Write down what is done in the transaction that is open on this database; the row's id.

    `version` is what the person had seen of the subject; `parameters` what was asked, without
    personal data; `outcome` what was done, in words. Raises OutsideTransaction where no transaction
    is open on this very connection, ReasonMissing where the reason has no letter in it.
    """
    if not database.in_transaction():
        raise OutsideTransaction(database=database.alias)
    if saga_id:
        tracer().about(saga_id)
    id = uuid7()
    subject = (subject_kind.value, subject_id, saga_id, step, version)
    told = (checked_reason(reason), msgspec.json.encode(parameters).decode(), outcome)
    database.execute(WRITE_DOWN, (id, actor.id, actor.name, operation, *subject, *told))
    return id


def checked_reason(reason: str) -> str:
    """The reason without the blanks around it. Raises ReasonMissing where it says nothing."""
    if not any(each.isalpha() for each in reason):
        raise ReasonMissing(given=reason)
    return reason.replace("\0", "").strip()  # which PostgreSQL's text cannot hold
