"""How new sagas are driven: by the engine, or by events. A setting that takes effect at once.

A saga keeps the mode that it began with: it is in its plan. Which sagas events drive is decided by
a share of them, by the saga's id, so that the same saga is always decided alike.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

from apps.contracts.plan import Mode
from apps.messaging.audit import Actor, write_down
from apps.messaging.database import Database
from apps.messaging.models import SubjectKind
from apps.orders.errors import ModeMoved, NoSuchShare
from apps.processes import LIVE
from apps.processes.errors import UnknownProcess

SHARE = "SELECT choreographed_percent FROM orders_modeshare WHERE process = %b"
SHARE_AND_VERSION = "SELECT choreographed_percent, version FROM orders_modeshare WHERE process = %b"

# What people did to the mode of a process, the newest first.
CHANGES = """
SELECT at, actor, outcome, reason, version FROM orders_operatoraction
WHERE subject_kind = 'process' AND subject_id = %b ORDER BY id DESC LIMIT %b
"""
NEWEST = 20

# Change the share, unless somebody else did meanwhile; version 0 makes the row.
SET_SHARE = """
INSERT INTO orders_modeshare AS known (process, choreographed_percent, version)
SELECT %(process)b, %(percent)b, 1
WHERE %(version)b::int = 0 OR EXISTS (SELECT FROM orders_modeshare WHERE process = %(process)b)
ON CONFLICT (process) DO UPDATE
SET choreographed_percent = excluded.choreographed_percent, version = known.version + 1,
    changed_at = now()
WHERE known.version = %(version)b::int
"""


class Change(NamedTuple):
    """Somebody changed the mode of a process."""

    at: datetime
    actor: str
    outcome: str  # as "0 % -> 50 % by events"
    reason: str
    version: int  # that it had before


def mode_for(process: str, saga_id: UUID) -> Mode:
    """The mode of a new saga."""
    rows = Database("orders").fetch(SHARE, [process])
    return mode_in(rows[0][0] if rows else 0, saga_id)


def mode_in(percent: int, saga_id: UUID) -> Mode:
    """The mode of a saga where events drive so many percent. A UUIDv7 ends in chance, so its
    remainder is a fair share; who is in a share is in every larger one."""
    return Mode.CHOREOGRAPHED if saga_id.int % 100 < percent else Mode.ORCHESTRATED


def share_of(process: str) -> tuple[int, int]:
    """Percent of a process's new sagas that events drive, and the version of that setting."""
    rows = Database("orders").fetch(SHARE_AND_VERSION, [process])
    return tuple(rows[0]) if rows else (0, 0)


def changes_of(process: str, most: int = NEWEST) -> list[Change]:
    """Who changed a process's share, the newest first."""
    found = Database("orders").fetch(CHANGES, (_subject(process), most))
    return [Change(*row) for row in found]


def set_share(*, process: str, percent: int, version: int, actor: Actor, reason: str) -> None:
    """Let events drive so many percent (0 to 100) of a process's sagas that start from now on.

    Written down in the same transaction. Raises UnknownProcess, NoSuchShare, ModeMoved where it is
    not as it was seen, and ReasonMissing.
    """
    if process not in {each.name for each in LIVE}:
        raise UnknownProcess(process, max((each.version for each in LIVE), default=1))
    if not 0 <= percent <= 100:
        raise NoSuchShare(percent=percent)
    database = Database("orders")
    with database.transaction():
        before, _ = share_of(process)
        given = {"process": process, "percent": percent, "version": version}
        if not database.execute(SET_SHARE, given):
            raise ModeMoved(process=process, seen=version)
        write_down(
            database,
            actor=actor,
            operation="set_mode",
            subject_kind=SubjectKind.PROCESS,
            subject_id=_subject(process),
            saga_id=None,
            step="",
            version=version,
            reason=reason,
            parameters={"process": process, "choreographed_percent": percent},
            outcome=f"{before} % -> {percent} % by events",
        )


def _subject(process: str) -> UUID:
    """What the audit calls a process by."""
    return uuid5(NAMESPACE_OID, process)
