"""What the check reads of the engine's sagas."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apps.messaging.database import Database
from apps.ops.conservation.facts import Told
from apps.sagas.decide import Outcome

PAGE = 1000


class EndedSaga(NamedTuple):
    """A saga that ended."""

    saga_id: UUID
    confirmed: bool  # otherwise undone
    ended_at: datetime
    plan: str  # as in the header


class Standing(NamedTuple):
    """Where a saga stands."""

    confirmed: bool
    ended_at: datetime | None  # None: it lives


class Live(NamedTuple):
    """The sagas that have not ended."""

    sagas: int
    oldest_seconds: float  # since the oldest of them started; 0 where there is none


# The next sagas that ended before a time, so many at once.
ENDED = """
SELECT saga_id, status = 'confirmed', ended_at, plan FROM sagas_saga
WHERE ended_at < %b::timestamptz AND saga_id > %b::uuid ORDER BY saga_id LIMIT %b
"""

# What these sagas were told, in the order in which the engine took it.
HISTORIES = """
SELECT saga_id, step, outcome FROM sagas_sagastep WHERE saga_id = ANY(%b::uuid[])
ORDER BY saga_id, revision
"""

# Where these sagas stand.
STANDINGS = """
SELECT saga_id, status = 'confirmed', ended_at FROM sagas_saga WHERE saga_id = ANY(%b::uuid[])
"""

# The next sagas, so many at once.
IDS = "SELECT saga_id FROM sagas_saga WHERE saga_id > %b::uuid ORDER BY saga_id LIMIT %b"

# How many sagas live, and how old the oldest is.
LIVE = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(started_at)), 0)::float8
FROM sagas_saga WHERE ended_at IS NULL
"""


def ended_sagas(before: datetime) -> Iterator[EndedSaga]:
    """Those that ended before that time, by saga id."""
    behind = UUID(int=0)
    while rows := Database("sagas").fetch(ENDED, [before, behind, PAGE]):
        yield from map(EndedSaga._make, rows)
        behind = rows[-1][0]


def histories_of(saga_ids: Collection[UUID]) -> dict[UUID, list[Told]]:
    """What these sagas were told of each step, in order."""
    told: defaultdict[UUID, list[Told]] = defaultdict(list)
    for saga_id, step, outcome in Database("sagas").fetch(HISTORIES, [list(saga_ids)]):
        told[saga_id].append(Told(step, Outcome(outcome)))
    return told


def standings_of(saga_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """Where these sagas stand; those that the engine does not know are left out."""
    rows = Database("sagas").fetch(STANDINGS, [list(saga_ids)])
    return {row[0]: Standing(*row[1:]) for row in rows}


def saga_ids() -> Iterator[UUID]:
    """All sagas."""
    behind = UUID(int=0)
    while rows := Database("sagas").fetch(IDS, [behind, PAGE]):
        yield from (row[0] for row in rows)
        behind = rows[-1][0]


def live() -> Live:
    """What is under way."""
    [row] = Database("sagas").fetch(LIVE)
    return Live(*row)
