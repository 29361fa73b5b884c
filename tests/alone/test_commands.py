"""Commands of a deployment that has inventory, or payments, and nothing else."""

import re
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from apps.messaging.kafka import admin_client
from apps.messaging.topics import WAKE_UPS
from apps.messaging.waking import wake
from sagaplatform.env import ALIASES
from tests.alone.deployments import as_owner, environment, manage, python
from tests.kafka import empty
from tests.messaging.working import BEAT, WORKER, Works

Databases = dict[str, psycopg.Connection]


def test_the_owner_migrates_the_one_database(databases: Databases) -> None:
    owner = as_owner(environment("inventory"))
    applied = "SELECT count(*) FROM django_migrations WHERE app = 'inventory'"
    before = databases["inventory"].execute(applied).fetchall()
    back = manage(owner, "migrate", "--database", "inventory", "inventory", "0003", "-v", "0")
    assert back == (0, "")
    assert databases["inventory"].execute(applied).fetchall() != before

    assert manage(owner, "migrate_all") == (0, "migrating inventory\n")

    assert databases["inventory"].execute(applied).fetchall() == before


def test_tables_are_made_by_owners_only() -> None:
    status, told = manage(environment("inventory"), "migrate_all")

    assert status == 1
    assert "run it with DATABASE_ROLE=owner" in told


def test_where_no_database_is_configured_nothing_is_told_to_be_migrated() -> None:
    nobodys = {f"DATABASE_OWNER_URL_{each.upper()}": "" for each in ALIASES}
    environ = environment("inventory", DATABASE_ROLE="owner", **nobodys) | {"SAGA_CONTEXTS": ""}

    status, told = manage(environ, "migrate_all")

    assert status == 1
    assert "No database is configured for DATABASE_ROLE=owner" in told


def test_migrations_are_shown(databases: Databases) -> None:
    words = ("showmigrations", "--database", "inventory", "inventory")
    status, told = manage(environment("inventory"), *words)

    assert status == 0
    assert told.splitlines()[:2] == ["inventory", " [X] 0001_initial"]
    assert " [ ]" not in told


def test_without_users_there_is_no_database_to_show_by_default() -> None:
    status, told = manage(environment("inventory"), "showmigrations")

    assert status == 1
    assert "name another database with --database" in told


# --- topics


@pytest.fixture
def prefix() -> Iterator[str]:
    """Of topics that are gone after the test."""
    client, name = admin_client(), f"alone-{uuid4().hex[:8]}."
    yield name
    if found := with_prefix(client, name):
        for future in client.delete_topics(found).values():
            future.result(30)


def with_prefix(client: AdminClient, prefix: str) -> list[str]:
    return sorted(each for each in client.list_topics(timeout=30).topics if each.startswith(prefix))


@pytest.mark.parametrize(
    ("context", "topics", "special"),
    [
        ("inventory", ["inventory-commands", "inventory-events"], ["wake-ups"]),
        ("sagas", ["saga-alerts", "saga-events", "sagas-commands"], ["saga-state"]),
    ],
)
def test_a_deployment_creates_the_topics_that_are_its_own(
    context: str, topics: list[str], special: list[str], prefix: str
) -> None:
    owned = sorted([*topics, *(f"{each}_dlq" for each in topics), *special])
    environ = environment(context, KAFKA_TOPIC_PREFIX=prefix)

    assert manage(environ, "create_topics") == (
        0, f"{len(owned)} of {len(owned)} topics created\n",
    )  # fmt: skip
    assert with_prefix(admin_client(), prefix) == [prefix + each for each in owned]


def test_topics_get_more_partitions_when_the_setting_is_raised(prefix: str) -> None:
    environ = environment("sagas", KAFKA_TOPIC_PREFIX=prefix, KAFKA_PARTITIONS="2")
    manage(environ, "create_topics")

    raised = environ | {"KAFKA_PARTITIONS": "3"}
    assert manage(raised, "create_topics") == (
        0, "0 of 7 topics created\n6 topics have 3 partitions now\n",
    )  # fmt: skip
    assert manage(environ, "create_topics") == (0, "0 of 7 topics created\n")

    there = admin_client().list_topics(timeout=60).topics
    assert {
        name.removeprefix(prefix): len(topic.partitions)
        for name, topic in there.items()
        if name.startswith(prefix) and not name.endswith("_dlq")
    } == {"saga-alerts": 3, "saga-events": 3, "sagas-commands": 3, "saga-state": 2}


def test_who_reads_others_topics_is_told_to_have_them_created(prefix: str) -> None:
    environ = environment("inventory", KAFKA_TOPIC_PREFIX=prefix)
    manage(environ, "create_topics")

    status, told = manage(environ, "run_consumer", "inventory")

    assert status == 1
    assert re.search(
        r"`manage\.py create_topics` where the contexts are .*shipping-events", told
    ), told


# --- the admin of a part


@pytest.mark.parametrize(
    "contexts", [("orders",), ("sagas",), ("inventory", "payments")], ids="+".join
)
def test_the_admin_of_a_part_shows_what_is_there(
    contexts: tuple[str, ...], databases: Databases
) -> None:
    status, told = python(environment(*contexts, users=True), "-m", "tests.alone.looking")

    assert status == 0, told
    pages = [line.split() for line in told.splitlines() if "/admin/" in line]
    assert {each for each, _ in pages} == {"200"}
    assert {path.split("/")[2] for _, path in pages if path.count("/") == 4} > set(contexts)


# --- outside calls


@pytest.fixture
def works(
    databases: Databases, topics: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Works]:
    """A worker and a beat of payments alone."""
    empty(WAKE_UPS)
    works = Works(tmp_path_factory.mktemp("celery"))
    works.owners = databases
    works.environ = environment("payments")
    yield works
    works.stop()


def test_beat_and_worker_of_payments_need_nobody_else(works: Works) -> None:
    """Without `default` the schedule is the code's; and a wake-up of another context, which every
    deployment's workers hear, is passed over."""
    worker = works.start(WORKER)
    works.start(BEAT)
    works.wait_until(lambda: works.notes("payments"))
    wake("shipping")
    seen = len(works.notes("payments"))
    works.wait_until(lambda: len(works.notes("payments")) > seen + 2)

    assert set(works.notes("payments")) == {worker.pid}
    assert works.notes("shipping") == []
    assert "Traceback" not in works.log()
