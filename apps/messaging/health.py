"""Whether the servers behind this process are as it needs them: found out in seconds, or not.

docs/decisions/0030 says what belongs to readiness, and why Kafka does not.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import connections, router
from django.db.migrations.loader import MigrationLoader

from apps.messaging.asking import answers, asker, patiently
from apps.messaging.context import configured_databases, contexts, variable_of
from apps.messaging.database import Database
from apps.messaging.kafka import standing_client
from apps.messaging.topics import own_topics, topic_name

log = structlog.get_logger()

OK = "ok"
KAFKA = "kafka"
METADATA_SECONDS = 2
DOORS = frozenset({"default", "orders"})  # the databases without which no order is accepted

# The migrations that a database has seen: those of all apps, whether or not they made a table here.
APPLIED = "SELECT app, name FROM django_migrations"

Migration = tuple[str, str]  # app and name


class Finding(NamedTuple):
    """What was found out about one server: `ok`, or a sentence that says what to do."""

    text: str
    hinders: bool = False  # requests must not come here


class Readiness(NamedTuple):
    """Whether requests may come, and what was found."""

    ready: bool
    checks: dict[str, str]


def readiness() -> Readiness:
    """Ask all servers at once. Never raises for a server, and takes a few seconds at most, and the
    first time in a process as long as it takes to read the migrations."""
    told = answers({name: asker(name).ask("health", ask) for name, ask in questions().items()})
    findings = {each: unknown(each) for each in settings.NEEDED_DATABASES if each not in told}
    findings |= {
        name: silent(name, answer) if isinstance(answer, BaseException) else answer
        for name, answer in told.items()
    }
    ready = not any(each.hinders for each in findings.values())
    return Readiness(ready, {name: each.text for name, each in findings.items()})


def questions() -> dict[str, Callable[[], Finding]]:
    """What each server is asked. What is to be compared is read from disk here, once: a fresh
    process takes its time over that, and no server must be blamed for it."""
    known = set(configured_databases()).intersection(settings.NEEDED_DATABASES)
    of_databases = {
        each: partial(look_at_database, each, needed_migrations(each)) for each in sorted(known)
    }
    return {**of_databases, KAFKA: look_at_kafka}


def unknown(alias: str) -> Finding:
    """The finding about a database whose address nobody has given."""
    return Finding(f"is not configured: set {variable_of(alias)}.", hinders=True)


def silent(name: str, error: BaseException) -> Finding:
    """The finding about a server that does not answer. The error itself, with its addresses, is for
    the log and not for who asks."""
    log.warning("server_does_not_answer", server=name, error_type=type(error).__name__)
    if name == KAFKA:
        return Finding(
            "does not answer: orders are accepted and wait in the outbox. Start the brokers, or"
            " correct KAFKA_BOOTSTRAP_SERVERS."
        )
    text = f"does not answer: start the server, or correct {variable_of(name)}."
    return Finding(text, hinders=name in doors())


def doors() -> frozenset[str]:
    """The databases without which this deployment cannot work: where orders are accepted, those
    that they are accepted with; elsewhere, all."""
    needed = frozenset(settings.NEEDED_DATABASES)
    return DOORS if needed >= DOORS else needed


def look_at_database(alias: str, needed: frozenset[Migration]) -> Finding:
    """Whether all migrations that it needs are applied, and this code has what its rows need.
    Raises the database's error."""
    missing = needed - patiently(alias, applied_migrations)
    if not missing:
        return what_is_lacking(alias)
    text = f"migrations to be run: {len(missing)}. Run `manage.py migrate_all` as the owner."
    return Finding(text, hinders=True)


def what_is_lacking(alias: str) -> Finding:
    """Whether this code has what the rows of a context need. Raises the database's error."""
    own = [each for each in contexts() if each.label == alias]
    found = "; ".join(filter(None, (patiently(alias, each.lacks) for each in own)))
    if not found:
        return Finding(OK)
    text = f"needs what this code lacks: {found}. Deploy the code that has it."
    return Finding(text, hinders=alias in doors())


def applied_migrations(database: Database) -> frozenset[Migration]:
    """What is recorded there; nothing where not even the record exists."""
    tables = connections[database.alias].introspection.table_names()
    return frozenset(database.fetch(APPLIED) if "django_migrations" in tables else ())


@lru_cache(maxsize=16)
def needed_migrations(alias: str) -> frozenset[Migration]:
    """The migrations that make something in this database. `migrate` records all others there too,
    so the record alone would say nothing."""
    known = _migrations_on_disk()
    return frozenset(each for each in known if router.allow_migrate(alias, each[0]))


@lru_cache(maxsize=1)
def _migrations_on_disk() -> frozenset[Migration]:
    return frozenset(MigrationLoader(None).graph.nodes)


def look_at_kafka() -> Finding:
    """Whether all topics are there. Raises KafkaException where no broker answers."""
    there = standing_client().list_topics(timeout=METADATA_SECONDS).topics
    missing = [each for each in own_topics() if topic_name(each) not in there]
    if not missing:
        return Finding(OK)
    return Finding(f"topics to be created: {len(missing)}. Run `manage.py create_topics`.")
