"""Tests run on real servers, with real commits and the run-time roles of production.

`make test` starts the servers, makes the `test_saga_*` databases and gives their addresses by the
environment; there is no test database of Django's own and no transaction around a test.
"""

import os
from collections.abc import Iterator
from functools import cache

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from pytest_django.plugin import DjangoDbBlocker

from sagaplatform.env import ALIASES

# What may have rows, and what counts its ids.
LAYOUT = """
SELECT format('public.%I', tablename), array_remove(array_agg(objid::regclass::text), NULL)
FROM pg_tables
LEFT JOIN (pg_depend JOIN pg_class ON pg_class.oid = objid AND relkind = 'S')
  ON refobjid = format('public.%I', tablename)::regclass
WHERE schemaname = 'public'
  AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
GROUP BY tablename
"""
FEW = 1000  # rows, which are deleted: far quicker than a truncation, which makes new files


def connect_owners(opened: dict[str, psycopg.Connection]) -> None:
    """Open a connection for each database's owner, in place of those that a restart has broken."""
    for alias in ALIASES:
        if alias not in opened or not answers(opened[alias]):
            url = os.environ[f"DATABASE_OWNER_URL_{alias.upper()}"]
            opened[alias] = psycopg.connect(url, autocommit=True)


def answers(connection: psycopg.Connection) -> bool:
    """Whether a connection is still good; a broken one is closed."""
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        connection.close()
        return False
    return True


@pytest.fixture(scope="session", autouse=True)
def _quick() -> Iterator[None]:
    """What only costs time in tests: Django's million of rounds to hash a password, and a look at
    every static file, none of which is collected, for each new test client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1000)
        patch.setattr(settings, "WHITENOISE_AUTOREFRESH", True, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _patient() -> Iterator[None]:
    """Servers that are there answer, be the machine ever so busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("apps.messaging.asking.PATIENCE_SECONDS", 60)
        patch.setattr("apps.messaging.health.METADATA_SECONDS", 30)
        patch.setattr("apps.messaging.lag.TIMEOUT_SECONDS", 30)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The databases are there already."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def owners(django_db_setup: None) -> Iterator[dict[str, psycopg.Connection]]:
    """A connection of each database's owner, who may do what the run-time role may not."""
    opened: dict[str, psycopg.Connection] = {}
    connect_owners(opened)
    yield opened
    for connection in opened.values():
        connection.close()


@pytest.fixture
def databases(owners: dict[str, psycopg.Connection]) -> dict[str, psycopg.Connection]:
    """All databases, emptied before the test. Ask for it in every test that touches one."""
    connect_owners(owners)
    for owner in owners.values():
        empty(owner)
    return owners


def empty(owner: psycopg.Connection) -> None:
    """Delete all rows; again where a consumer that still tidies up is in the way."""
    tables = tables_of(owner)
    for _ in range(10):
        try:
            filled = [table for (table,) in owner.execute(which_have_rows(tuple(tables)))]
            owner.execute("; ".join(emptying(owner, filled, tables)))
        except psycopg.errors.DeadlockDetected:
            continue
        return
    raise AssertionError("the tables cannot be emptied: processes go on working on them")


@cache
def tables_of(owner: psycopg.Connection) -> dict[str, list[str]]:
    """The sequences of each table."""
    return dict(owner.execute(LAYOUT).fetchall())


@cache
def which_have_rows(tables: tuple[str, ...]) -> str:
    """A query for those that have any: one statement, which the connection prepares."""
    return " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables
    )


def emptying(
    owner: psycopg.Connection, filled: list[str], tables: dict[str, list[str]]
) -> Iterator[str]:
    """The statements that empty these, for one transaction."""
    for table in filled:
        [[rows]] = owner.execute(
            f"SELECT count(*) FROM (SELECT FROM {table} LIMIT {FEW + 1}) AS found"
        )
        if rows > FEW:
            yield f"TRUNCATE {table} RESTART IDENTITY CASCADE"
        else:
            yield f"DELETE FROM {table}"
            yield from (f"SELECT setval('{each}', 1, false)" for each in tables[table])


@pytest.fixture(scope="session")
def topics(django_db_setup: None) -> None:
    """All topics exist."""
    from apps.messaging.kafka import admin_client
    from apps.messaging.topics import create_topics

    create_topics(admin_client())


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed stays in the outbox, where a test can read it."""
    from apps.messaging.relay import Relay

    monkeypatch.setattr(Relay, "dispatch", lambda self, letters: None)
