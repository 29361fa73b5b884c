"""Which definitions live sagas still need, compared with those that this code has."""

from typing import NamedTuple

from apps.messaging.database import Database
from apps.processes import LIVE

# How many live sagas each version of a process has.
LIVE_VERSIONS = """
SELECT process, version, count(*) FROM sagas_saga WHERE ended_at IS NULL
GROUP BY process, version ORDER BY process, version
"""


class InFlight(NamedTuple):
    """Live sagas of one version."""

    process: str
    version: int
    sagas: int


def missing_versions(database: Database) -> list[InFlight]:
    """The versions that live sagas began with and this code lacks."""
    known = {(each.name, each.version) for each in LIVE}
    found = [InFlight(*row) for row in database.fetch(LIVE_VERSIONS)]
    return [each for each in found if (each.process, each.version) not in known]


def lacking(database: Database) -> str:
    """The same in words; empty where there is none."""
    return ", ".join(
        f"{process} version {version} ({sagas} live {'saga' if sagas == 1 else 'sagas'})"
        for process, version, sagas in missing_versions(database)
    )
