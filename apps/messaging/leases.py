"""Leases: who does what only one process should do, until when by the database's clock."""

from uuid import UUID

from uuid_utils.compat import uuid7

from apps.messaging.database import Database

# Take a lease that is free or has run out, or keep one's own; no row where another holds it.
TAKE = """
INSERT INTO {context}_lease AS known (name, holder, until)
VALUES (%b, %b, now() + make_interval(secs => %b))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE known.holder = excluded.holder OR known.until <= now()
RETURNING true
"""

# Give a lease back before its time.
RELEASE = "DELETE FROM {context}_lease WHERE name = %b AND holder = %b"


class HeldLease:
    """One process's claim to a lease. What is done under it must bear being done twice: a process
    that was stopped for longer than its lease does not know that it has lost it."""

    def __init__(self, context: str, name: str, seconds: float) -> None:
        self.database = Database(context)
        self.name = name
        self.seconds = seconds
        self.holder: UUID = uuid7()

    def take(self) -> bool:
        """Whether it is ours for the next seconds."""
        return bool(self.database.fetch(TAKE, (self.name, self.holder, float(self.seconds))))

    def release(self) -> None:
        """Others may have it now."""
        self.database.execute(RELEASE, (self.name, self.holder))
