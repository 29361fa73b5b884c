"""Providers that do not answer: a circuit breaker per provider, shared by all workers of a context.

So many unknown outcomes in a row, and a provider is called no more for a while (it is *open*);
then one call finds out (*half-open*), and its outcome closes the breaker or begins another while.
What is known of a provider is one row, by the database's clock; one that is well has none. So all
workers stop and go on together, one of them tries, and a page tells what is true.
"""

import enum
from datetime import datetime
from typing import NamedTuple

from apps.messaging.database import Database
from apps.messaging.providers import Provider

SILENT = " does not answer"  # of whom; the reason of what is held back begins so

# What is known of the providers that are not well.
LOOK = """
SELECT name, opened_at, retry_at, probing, opened_at IS NOT NULL AND retry_at <= now()
FROM {context}_providerstate
"""

# One more unknown outcome: -> closed with so many, or -> open. That of a call which found out
# begins another while; that of one which was under way when the breaker opened changes nothing.
FAIL = """
INSERT INTO {context}_providerstate AS known (name, failures, opened_at, retry_at, changed_at)
SELECT name, 1, opened_at, opened_at + rest, now()
FROM (SELECT %(name)b::text, CASE WHEN %(most)b = 1 THEN now() END,
             make_interval(secs => %(rest)b)) AS given (name, opened_at, rest)
ON CONFLICT (name) DO UPDATE SET
  failures = known.failures + 1,
  opened_at = CASE WHEN known.failures + 1 >= %(most)b
    THEN coalesce(known.opened_at, now()) ELSE known.opened_at END,
  retry_at = CASE
    WHEN known.opened_at IS NULL AND known.failures + 1 < %(most)b THEN NULL
    WHEN known.opened_at IS NULL OR %(probe)b THEN now() + make_interval(secs => %(rest)b)
    ELSE known.retry_at END,
  probing = known.probing AND NOT %(probe)b,
  changed_at = now()
RETURNING failures, opened_at = now()
"""

# Whether it is time to find out, also where the worker that was to do so has not come back; locked,
# so that one worker does.
MAY_PROBE = """
SELECT name FROM {context}_providerstate
WHERE name = %b AND opened_at IS NOT NULL AND retry_at <= now() FOR UPDATE SKIP LOCKED
"""

# open -> half-open: a call finds out, within its lease. The caller holds the row's lock.
PROBE = """
UPDATE {context}_providerstate
SET probing = true, retry_at = now() + make_interval(secs => %b), changed_at = now()
WHERE name = %b
"""

# When an open one is asked again; nobody closes it before this transaction's end.
OPEN_UNTIL = """
SELECT retry_at FROM {context}_providerstate
WHERE name = %b AND opened_at IS NOT NULL AND NOT probing AND retry_at > now() FOR SHARE
"""

# half-open -> open, to be tried at once: the call found out nothing.
LEAVE = """
UPDATE {context}_providerstate SET probing = false, retry_at = now(), changed_at = now()
WHERE name = %b AND probing
"""

# -> closed: it has answered. An open breaker is closed by the call that found out, and by no other
# call; and where it is to have none.
CLOSE = """
DELETE FROM {context}_providerstate WHERE name = %b AND (opened_at IS NULL OR %b)
RETURNING opened_at, now() - opened_at
"""


class Heard(enum.Enum):
    """What a call tells of its provider."""

    ANSWER = "answer"  # yes, no, or that it needs time: it is well
    SILENCE = "silence"  # whatever was raised: it may be ill
    NOTHING = "nothing"  # it was not called


class State(NamedTuple):
    """A provider that is not well."""

    name: str
    opened_at: datetime | None  # None: some calls failed, and it is called as ever
    retry_at: datetime | None
    probing: bool  # one call is finding out
    is_due: bool  # somebody should find out

    @property
    def is_open(self) -> bool:
        """Whether it is not called."""
        return self.opened_at is not None

    @property
    def is_waited_for(self) -> bool:
        """Whether what is due has to wait until it is asked again."""
        return self.is_open and not self.probing and not self.is_due


class Outages:
    """What the workers of one context know of their providers' health."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def look(self) -> dict[str, State]:
        """Those that are not well, by name."""
        return {row[0]: State(*row) for row in self.database.fetch(LOOK)}

    def fail(self, provider: Provider, *, probe: bool) -> bool:
        """A call had no outcome; whether that has opened the breaker."""
        given = {"name": provider.name, "most": provider.failures, "rest": float(provider.rest)}
        [(_, opened)] = self.database.fetch(FAIL, {**given, "probe": probe})
        return bool(opened)

    def may_probe(self, provider: Provider) -> bool:
        """Whether it is this worker's to find out, if it has a call to do so."""
        return bool(self.database.fetch(MAY_PROBE, [provider.name]))

    def probe(self, provider: Provider, seconds: float) -> None:
        """It is found out now; if nothing is heard of that for so long, another may."""
        self.database.execute(PROBE, (float(seconds), provider.name))

    def open_until(self, provider: Provider) -> datetime | None:
        """When one that does not answer is asked again; None where that is not so any more."""
        rows = self.database.fetch(OPEN_UNTIL, [provider.name])
        return rows[0][0] if rows else None

    def leave(self, provider: Provider) -> None:
        """It was not found out after all."""
        self.database.execute(LEAVE, [provider.name])

    def close(self, provider: Provider, *, probe: bool) -> float | None:
        """It answers; for how many seconds it had not, None where it was called all the time."""
        rows = self.database.fetch(CLOSE, (provider.name, probe))
        return rows[0][1].total_seconds() if rows and rows[0][0] else None
