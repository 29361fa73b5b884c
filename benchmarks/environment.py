"""The servers that the benchmark runs on: checked before, and emptied."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import psycopg

from apps.messaging.kafka import PRODUCER
from benchmarks.errors import NotDurable, NotForBenchmarks
from sagaplatform.env import ALIASES

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
DURABLE_PRODUCER = {"acks": "all", "enable.idempotence": True}
EXPENDABLE = ("test_", "bench_")

# Empty all tables but those that migrations fill.
EMPTY = """
DO $$
DECLARE each text;
BEGIN
  FOR each IN SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public'
    AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
  LOOP
    EXECUTE 'TRUNCATE ' || each || ' RESTART IDENTITY CASCADE';
  END LOOP;
END $$
"""

Owners = Mapping[str, psycopg.Connection]


def run_time_url(alias: str) -> str:
    """The address of a database, in its run-time role."""
    return os.environ[f"DATABASE_URL_{alias.upper()}"]


def owner_url(alias: str) -> str:
    """The address of a database, in its owner's role."""
    return os.environ[f"DATABASE_OWNER_URL_{alias.upper()}"]


@contextmanager
def owners() -> Iterator[Owners]:
    """A connection of each database's owner. Raises NotForBenchmarks."""
    opened: dict[str, psycopg.Connection] = {}
    try:
        for alias in ALIASES:
            url = owner_url(alias)
            refuse_real_data(url)
            opened[alias] = psycopg.connect(url, autocommit=True)
        yield opened
    finally:
        for connection in opened.values():
            connection.close()


def refuse_real_data(url: str) -> None:
    """Raises NotForBenchmarks where the database may be somebody's."""
    database = PurePosixPath(urlsplit(url).path).name
    if not database.startswith(EXPENDABLE):
        raise NotForBenchmarks(database)


def empty(connections: Owners) -> None:
    """Delete all rows in all databases."""
    for connection in connections.values():
        connection.execute(EMPTY)


def check_durability() -> None:
    """Raises NotDurable unless a commit is on disk and a message is acknowledged by all."""
    for alias in ALIASES:
        with psycopg.connect(run_time_url(alias)) as connection:
            for setting in DURABLE:
                [found] = connection.execute(f"SHOW {setting}").fetchone() or ("?",)
                if found != "on":
                    raise NotDurable(f"database {alias}", setting, found)
    for setting, wanted in DURABLE_PRODUCER.items():
        if PRODUCER[setting] != wanted:
            raise NotDurable("producer", setting, PRODUCER[setting])
