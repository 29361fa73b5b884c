"""The audit: who did what, to what, and why. A row is written with what it tells of, and stays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from apps.messaging.database import Database
from apps.messaging.errors import OutsideTransaction, ReasonMissing

# Write down what somebody did. The table takes no changes afterwards.
WRITE_DOWN = """
INSERT INTO {context}_operatoraction (id, at, actor_id, actor, operation, subject_kind, subject_id,
  saga_id, step, version, reason, parameters, outcome)
VALUES (%b, now(), %b, %b, %b, %b, %b, %b, %b, %b, %b, %b::jsonb, %b)
"""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user of the database `default`, or somebody at a terminal (without an id)."""

    id: int | None
    name: str


def write_down(
    database: Database,
    *,
    actor: Actor,
    operation: str,
    subject_kind: str,
    subject_id: UUID,
    saga_id: UUID | None,
    step: str,
    version: int,
    reason: str,
    parameters: Mapping[str, Any],
    outcome: str,
) -> None:
    """Write an audit row in the operation's own transaction.

    `version` is that of the subject as the person had seen it; `parameters` hold no personal data.
    Raises OutsideTransaction where none is open, ReasonMissing for a reason without a letter.
    """
    if not database.in_transaction():
        raise OutsideTransaction(database=database.alias)
    if not any(each.isalpha() for each in reason):
        raise ReasonMissing(operation=operation)
    asked = msgspec.json.encode(parameters).decode()
    who = (uuid7(), actor.id, actor.name, operation)
    what = (subject_kind, subject_id, saga_id, step, version, reason.strip(), asked, outcome)
    database.execute(WRITE_DOWN, (*who, *what))
