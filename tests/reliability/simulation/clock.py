"""One clock for Python and PostgreSQL, which stands still until the simulation moves it.

Functions of the names that SQL asks the time by stand in a schema of their own, before PostgreSQL's
on the search path of the simulation's connections; they read a setting of the session. So every
comparison with the time sees the simulated one, in whatever statement it is. What the tables
themselves have as a default (DEFAULTS) was bound when they were made and keeps the real time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
FUNCTIONS = ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp")

# A function that asks the session what time it is.
INSTALL = """
CREATE SCHEMA IF NOT EXISTS simulation;
GRANT USAGE ON SCHEMA simulation TO PUBLIC;
""" + "".join(
    f"CREATE OR REPLACE FUNCTION simulation.{name}() RETURNS timestamptz STABLE LANGUAGE sql"
    " AS $$ SELECT pg_catalog.current_setting('simulation.now')::timestamptz $$;\n"
    for name in FUNCTIONS
)

# Nothing here survives a crash of the server anyway, so commits need not wait for the disk.
SESSION = "SET search_path = simulation, pg_catalog, public; SET synchronous_commit = off"

# Times in orders' database that are compared with the clock and have the real one as their default.
DEFAULTS = {
    "orders_order": ("placed_at", "start_told_at"),
    "orders_return": ("requested_at", "start_told_at"),
}
CORRECT_DEFAULTS = "".join(
    f"UPDATE {table} SET {', '.join(f'{each} = now()' for each in columns)}"
    f" WHERE {columns[0]} < now() - interval '1 year';"
    for table, columns in DEFAULTS.items()
)


class Clock:
    """The time, in microseconds since EPOCH. It is what stands for the module `time`, too."""

    def __init__(self) -> None:
        self.micros = 0
        self._shown: dict[str, int] = {}  # by alias: what its connection says

    @property
    def now(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.micros)

    def monotonic(self) -> float:
        return self.micros / 1_000_000

    perf_counter = monotonic

    def sleep(self, seconds: float) -> None:
        """Only threads that earlier tests left running sleep, and they in real time: a postman that
        could not would die in the midst of a simulation."""
        time.sleep(seconds)

    def move(self, seconds: float) -> None:
        """Time passes."""
        self.micros += max(1, round(seconds * 1_000_000))

    def show(self, alias: str) -> None:
        """Let a database know the time. Call it in no transaction."""
        if self._shown.get(alias) != self.micros:
            _connection(alias).execute(f"SET simulation.now = '{self.now.isoformat()}'")
            self._shown[alias] = self.micros

    def forget(self, alias: str) -> None:
        """A new connection knows no time yet."""
        self._shown.pop(alias, None)


def install(owners: dict[str, psycopg.Connection]) -> None:
    """Put the functions into the databases, for whoever has them on the search path."""
    for owner in owners.values():
        owner.execute(INSTALL)


@contextmanager
def told_by(clock: Clock) -> Iterator[None]:
    """All connections that Django opens in here are told the time by this clock."""

    def opened(connection: BaseDatabaseWrapper, **_: Any) -> None:
        connection.connection.execute(SESSION)
        clock.forget(connection.alias)
        clock.show(connection.alias)

    connection_created.connect(opened, weak=False)
    try:
        yield
    finally:
        connection_created.disconnect(opened)


def _connection(alias: str) -> psycopg.Connection:
    wrapper = connections[alias]
    wrapper.ensure_connection()
    return wrapper.connection
