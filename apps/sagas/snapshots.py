"""Sagas as they are told on the topic saga-state, read off the database."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from apps.contracts.saga_state import SagaSnapshot
from apps.messaging.database import Database

AT_A_TIME = 1000

COLUMNS = """
saga_id, order_id, process, version, mode, status, revision, pending_step, started_at, changed_at,
ended_at
"""

# A transaction is dated before others can see that it is under way, by less than this.
UNSEEN = "interval '1 second'"

# Whatever commits after this was begun no earlier: transactions that are under way, or begin now.
# What a transaction changes is dated by its begin.
HORIZON = f"""
SELECT least(min(xact_start), statement_timestamp() - {UNSEEN}) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""  # noqa: S608  a constant

# Which sagas have changed since a moment (none: ever), the longest ago first. By the indexes of
# live and of ended ones: when a saga changed is in no index, so that its updates touch none.
CHANGED = """
SELECT saga_id, revision, changed_at FROM sagas_saga
WHERE (ended_at IS NULL OR ended_at >= coalesce(%(since)b, '-infinity'::timestamptz))
  AND changed_at >= coalesce(%(since)b, '-infinity'::timestamptz)
ORDER BY changed_at FETCH FIRST (coalesce(%(most)b, 9223372036854775807)) ROWS WITH TIES
"""

# Sagas as they are now.
READ = f"SELECT {COLUMNS} FROM sagas_saga WHERE saga_id = ANY(%b::uuid[])"  # noqa: S608  constants

# All sagas, by their ids.
NEXT = f"""
SELECT {COLUMNS} FROM sagas_saga WHERE saga_id > %b::uuid ORDER BY saga_id LIMIT %b
"""  # noqa: S608  only constants of this file are put together

FIRST = UUID(int=0)


class Change(NamedTuple):
    """That a saga has changed."""

    saga_id: UUID
    revision: int
    changed_at: datetime


def horizon(database: Database) -> datetime:
    """The moment since when something may change that cannot be seen yet. Ask before reading."""
    [(moment,)] = database.fetch(HORIZON)
    assert isinstance(moment, datetime)
    return moment


def changes(database: Database, since: datetime | None, most: int | None = None) -> list[Change]:
    """What has changed since then: all, or so many and the rest of the very last moment of them."""
    found = database.fetch(CHANGED, {"since": since, "most": most})
    return [Change(*row) for row in found]


def snapshots(database: Database, saga_ids: Iterable[UUID]) -> Iterator[SagaSnapshot]:
    """These sagas as they are now, in no order; those that there are."""
    ids = iter(saga_ids)
    while some := list(islice(ids, AT_A_TIME)):
        yield from map(snapshot, database.fetch(READ, [some]))


def all_snapshots(database: Database) -> Iterator[SagaSnapshot]:
    """Every saga, each read once, some at a time."""
    last = FIRST
    while found := list(map(snapshot, database.fetch(NEXT, [last, AT_A_TIME]))):
        yield from found
        last = found[-1].saga_id


def snapshot(row: Sequence[Any]) -> SagaSnapshot:
    """A row of COLUMNS."""
    return SagaSnapshot(**dict(zip(SagaSnapshot.__struct_fields__, row, strict=True)))
