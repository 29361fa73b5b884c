"""What people did by hand, in all contexts and around them, in one list: the newest first.

Every database keeps its own, in the transaction of what was done. Ids are UUIDv7: they sort by
time across databases, and a page begins behind the last id of the one before.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from apps.messaging.context import ContextConfig, contexts
from apps.messaging.display import with_evidence

LAST = UUID(int=2**128 - 1)

# One context's newest actions behind an id, as far as they are wanted.
ACTIONS_OF = """
SELECT id, at, actor, operation, subject_kind, subject_id, saga_id, step, reason,
    parameters->>'evidence', outcome
FROM {context}_operatoraction
WHERE id < %(before)b
  AND (%(actor)b::text = '' OR actor = %(actor)b)
  AND (%(operation)b::text = '' OR operation = %(operation)b)
  AND (%(saga_id)b::uuid IS NULL OR saga_id = %(saga_id)b)
  AND (%(since)b::timestamptz IS NULL OR at >= %(since)b)
  AND (%(until)b::timestamptz IS NULL OR at < %(until)b)
ORDER BY id DESC LIMIT %(limit)b
"""

# The operations that one context's people have used.
OPERATIONS_OF = "SELECT DISTINCT operation FROM {context}_operatoraction"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which actions; what is empty restricts nothing."""

    actor: str = ""
    operation: str = ""
    saga_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None  # exclusive
    before: UUID = LAST  # behind this id


class Action(NamedTuple):
    """One thing that a person did."""

    id: UUID
    at: datetime
    actor: str
    operation: str
    context: str  # where; empty for what belongs to none
    subject_kind: str
    subject: str  # its id, or its name where it has one
    saga_id: UUID | None
    step: str
    reason: str
    outcome: str


class Source(NamedTuple):
    """Actions that are in no context's database. Whoever keeps some adds its own to SOURCES."""

    actions: Callable[[Wanted, int], Iterable[Action]]  # the newest, so many
    operations: Callable[[], Iterable[str]]


SOURCES: list[Source] = []


def actions(wanted: Wanted, *, limit: int) -> list[Action]:
    """The newest actions that are wanted: a statement in each database."""
    found = [_actions_of(each, wanted, limit) for each in contexts()]
    found += [list(each.actions(wanted, limit)) for each in SOURCES]
    newest_first = heapq.merge(*found, key=attrgetter("id"), reverse=True)
    return list(islice(newest_first, limit))


def operations() -> list[str]:
    """Every kind of action that there is, by name."""
    found = {row[0] for each in contexts() for row in each.database.fetch(OPERATIONS_OF)}
    return sorted(found.union(*(each.operations() for each in SOURCES)))


def _actions_of(context: ContextConfig, wanted: Wanted, limit: int) -> list[Action]:
    parameters = {
        "before": wanted.before, "actor": wanted.actor, "operation": wanted.operation,
        "saga_id": wanted.saga_id, "since": wanted.since, "until": wanted.until, "limit": limit,
    }  # fmt: skip
    rows = context.database.fetch(ACTIONS_OF, parameters)
    return [
        Action(
            id, at, actor, operation, context.label, kind, str(subject), saga_id, step,
            with_evidence(reason, evidence), outcome,
        )
        for (
            id, at, actor, operation, kind, subject, saga_id, step, reason, evidence, outcome
        ) in rows
    ]  # fmt: skip
