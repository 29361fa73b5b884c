"""All sagas together, in figures: cheap with millions of them. docs/decisions/0038 says how."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from apps.messaging.database import Database
from apps.sagas.sleeping import AWAKE
from apps.sagas.state import ENDED, LIVE

MOST_COUNTED = 10_000  # beyond it is estimated
MOST_TIMED = 10_000  # ends of which durations are taken
HOURS = 24

# How many sagas stand where: of those in flight and of each end, no more than so many.
STANDINGS = """
SELECT status, count(*) FROM (
    SELECT status FROM sagas_saga WHERE ended_at IS NULL LIMIT %(most)b::int + 1
) AS live GROUP BY status
UNION ALL SELECT 'confirmed', count(*) FROM (
    SELECT FROM sagas_saga WHERE status = 'confirmed' AND ended_at IS NOT NULL
    LIMIT %(most)b::int + 1
) AS confirmed
UNION ALL SELECT 'undone', count(*) FROM (
    SELECT FROM sagas_saga WHERE status = 'undone' AND ended_at IS NOT NULL
    LIMIT %(most)b::int + 1
) AS undone
"""

# How many rows have each status, by the statistics that PostgreSQL keeps for its planner.
ESTIMATES = """
SELECT common.status, (common.share * pg_class.reltuples)::bigint
FROM pg_stats, pg_class,
    unnest(most_common_vals::text::text[], most_common_freqs) AS common (status, share)
WHERE pg_stats.schemaname = current_schema AND tablename = 'sagas_saga' AND attname = 'status'
    AND pg_class.oid = 'sagas_saga'::regclass AND pg_class.reltuples > 0
"""

# What ended in the last hours: how many, by the hours since then, the end and its cause.
ENDS = """
SELECT floor(extract(epoch FROM now() - ended_at) / 3600)::int, status, cause_step, cause_type,
    count(*)
FROM sagas_saga WHERE ended_at > now() - make_interval(hours => %b)
GROUP BY 1, 2, 3, 4
"""

# How long the newest of these took: of how many, the median, the 95th percentile.
DURATIONS = """
SELECT count(*), percentile_disc(0.5) WITHIN GROUP (ORDER BY took),
    percentile_disc(0.95) WITHIN GROUP (ORDER BY took)
FROM (SELECT ended_at - started_at AS took FROM sagas_saga
      WHERE ended_at > now() - make_interval(hours => %b)
      ORDER BY ended_at DESC LIMIT %b) AS newest
"""

# The saga that has been in flight for longest, of those that do not sleep.
OLDEST = f"""
SELECT saga_id, order_id, started_at, status FROM sagas_saga WHERE ended_at IS NULL AND {AWAKE}
ORDER BY started_at LIMIT 1
"""  # noqa: S608  only constants are put together

OPEN_CASES = "SELECT count(*) FROM sagas_case WHERE closed_at IS NULL"

# What waits for a second person.
OPEN_REQUESTS = """
SELECT count(*) FROM sagas_approval WHERE status = 'open' AND expires_at > now()
"""


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are, and how well that is known."""

    number: int
    prefix: str = ""  # about: it is estimated
    suffix: str = ""  # +: there are more, and nothing tells how many

    def __str__(self) -> str:
        return f"{self.prefix}{self.number:,}{self.suffix}"


@dataclass(frozen=True, slots=True)
class Standings:
    """How many sagas stand where."""

    live: Count
    by_status: Mapping[str, Count]  # every status is there


@dataclass(frozen=True, slots=True)
class Ends:
    """Sagas that ended alike in the same hour."""

    hours_ago: int
    status: str
    cause_step: str
    cause_type: str
    count: int


@dataclass(frozen=True, slots=True)
class Durations:
    """How long sagas took from start to end."""

    count: int  # of so many; 0: there are none
    median: timedelta | None
    slowest: timedelta | None  # that nineteen of twenty did not take


@dataclass(frozen=True, slots=True)
class Oldest:
    """The saga that has been in flight for longest, of those that do not sleep."""

    saga_id: UUID
    order_id: UUID
    started_at: datetime
    status: str


def standings(database: Database | None = None) -> Standings:
    """Exactly up to MOST_COUNTED; above, ends are estimated, and of those in flight is said that
    there are more. One statement, or two."""
    database = database or Database("sagas")
    found: dict[str, int] = dict(database.fetch(STANDINGS, {"most": MOST_COUNTED}))
    live = sum(found.get(each, 0) for each in LIVE)
    more = "+" if live > MOST_COUNTED else ""
    by_status = {each.value: Count(found.get(each, 0), suffix=more) for each in LIVE}
    ended = _ended(database, {each.value: found[each] for each in ENDED})
    return Standings(Count(min(live, MOST_COUNTED), suffix=more), by_status | ended)


def _ended(database: Database, counted: Mapping[str, int]) -> dict[str, Count]:
    if max(counted.values()) <= MOST_COUNTED:
        return {status: Count(number) for status, number in counted.items()}
    estimated: dict[str, int] = dict(database.fetch(ESTIMATES))
    return {
        status: _estimate(number, estimated.get(status, 0)) for status, number in counted.items()
    }


def _estimate(counted: int, estimated: int) -> Count:
    if counted <= MOST_COUNTED:
        return Count(counted)
    if estimated <= MOST_COUNTED:
        return Count(MOST_COUNTED, suffix="+")
    return Count(_rounded(estimated), prefix="about ")


def _rounded(number: int) -> int:
    """To two digits: an estimate does not know more."""
    unit = 10 ** (len(str(number)) - 2)
    return round(number / unit) * unit


def ends(database: Database) -> list[Ends]:
    """What ended in the last hours."""
    return [Ends(min(hour, HOURS - 1), *row) for hour, *row in database.fetch(ENDS, [HOURS])]


def durations(database: Database) -> Durations:
    """How long the newest of these took."""
    [row] = database.fetch(DURATIONS, [HOURS, MOST_TIMED])
    return Durations(*row)


def oldest(database: Database) -> Oldest | None:
    """The saga that has been in flight for longest, if any is; of those that do not sleep."""
    rows = database.fetch(OLDEST)
    return Oldest(*rows[0]) if rows else None


def open_cases(database: Database) -> int:
    """What stands on the desk."""
    [(count,)] = database.fetch(OPEN_CASES)
    return int(count)


def open_requests(database: Database) -> int:
    """What one person asked for and another one has to decide."""
    [(count,)] = database.fetch(OPEN_REQUESTS)
    return int(count)
