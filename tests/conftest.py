"""Tests run on real servers, with real commits and the run-time roles of production.

`make test` starts the servers, makes the `test_saga_*` databases and gives their addresses by the
environment; there is no test database of Django's own and no transaction around a test.
"""

import os
from collections.abc import Iterator

import psycopg
import pytest
from pytest_django.plugin import DjangoDbBlocker

from sagaplatform.env import ALIASES

# Few rows are deleted, for that is far quicker than a truncation, which makes new files.
EMPTY_WHAT_HAS_ROWS = """
DO $$
DECLARE each regclass; counter regclass; filled regclass[]; rows int;
BEGIN
  FOR each IN SELECT format('public.%I', tablename) FROM pg_tables WHERE schemaname = 'public'
    AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
  LOOP
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT 1001) AS found', each) INTO rows;
    IF rows > 1000 THEN EXECUTE format('TRUNCATE %s RESTART IDENTITY CASCADE', each); END IF;
    IF rows BETWEEN 1 AND 1000 THEN filled := filled || each; END IF;
  END LOOP;
  FOREACH each IN ARRAY coalesce(filled, '{}') LOOP
    EXECUTE format('DELETE FROM %s', each);
    FOR counter IN SELECT objid FROM pg_depend JOIN pg_class ON pg_class.oid = objid
      WHERE refobjid = each AND relkind = 'S'
    LOOP
      PERFORM setval(counter, 1, false);
    END LOOP;
  END LOOP;
END $$
"""


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
    for _ in range(10):
        try:
            owner.execute(EMPTY_WHAT_HAS_ROWS)
        except psycopg.errors.DeadlockDetected:
            continue
        return
    raise AssertionError("the tables cannot be emptied: processes go on working on them")


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
