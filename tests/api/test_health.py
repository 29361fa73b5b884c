"""Whether requests may come: what a load balancer is told."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db.migrations.loader import MigrationLoader
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from apps.messaging import relay
from apps.messaging.health import _migrations_on_disk, needed_migrations
from sagaplatform.env import ALIASES
from tests.api.customer import Customer
from tests.scraping import closed_port, forget

ALL_OK = dict.fromkeys((*ALIASES, "kafka"), "ok")
KAFKA_AWAY = (
    "does not answer: orders are accepted and wait in the outbox. Start the brokers, or correct"
    " KAFKA_BOOTSTRAP_SERVERS."
)


@pytest.fixture(autouse=True)
def _asked_anew(databases: dict[str, psycopg.Connection], topics: None) -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def kafka_away(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker answers, no test waits for it, and other tests have their own relay again."""
    monkeypatch.setattr("apps.messaging.health.METADATA_SECONDS", 0.1)
    monkeypatch.setattr(relay, "_process", None)
    settings.KAFKA = {**settings.KAFKA, "bootstrap.servers": "127.0.0.1:1", "log_level": 0}


def ready() -> tuple[int, bool, dict[str, Any]]:
    """The status, whether it is ready, and what is not ok."""
    answer = Client().get("/health/ready")
    found = json.loads(answer.content)
    assert set(found) == {"ready", "checks"}
    assert set(found["checks"]) == set(ALL_OK)
    wrong = {name: text for name, text in found["checks"].items() if text != "ok"}
    return answer.status_code, found["ready"], wrong


def test_a_process_whose_servers_are_all_there_is_ready() -> None:
    answer = Client().get("/health/ready")

    assert answer.status_code == 200
    assert json.loads(answer.content) == {"ready": True, "checks": ALL_OK}


def test_a_fresh_process_blames_no_server_for_its_own_slow_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built_in: list[threading.Thread] = []

    class Loader(MigrationLoader):
        def build_graph(self) -> None:
            built_in.append(threading.current_thread())
            super().build_graph()

    monkeypatch.setattr("apps.messaging.health.MigrationLoader", Loader)
    _migrations_on_disk.cache_clear()
    needed_migrations.cache_clear()

    assert ready() == (200, True, {})
    assert built_in == [threading.current_thread()]  # once, and while no server's time runs


def test_the_process_lives_whatever_its_servers_do() -> None:
    with closed_port("orders"):
        answer = Client().get("/health/live")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.parametrize("alias", ["default", "orders"])
def test_without_a_database_of_the_doors_no_order_can_be_accepted(alias: str) -> None:
    with closed_port(alias):
        status, is_ready, wrong = ready()

    assert (status, is_ready) == (503, False)
    advice = f"does not answer: start the server, or correct DATABASE_URL_{alias.upper()}."
    assert wrong == {alias: advice}
    assert ready() == (200, True, {})


def test_another_contexts_database_is_told_and_orders_go_on() -> None:
    with closed_port("inventory"):
        assert ready() == (
            200,
            True,
            {"inventory": "does not answer: start the server, or correct DATABASE_URL_INVENTORY."},
        )


def test_a_database_that_is_not_configured_keeps_requests_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = [alias for alias in ALIASES if alias != "pricing"]
    monkeypatch.setattr("apps.messaging.health.configured_databases", lambda: others)

    assert ready() == (
        503, False, {"pricing": "is not configured: set DATABASE_URL_PRICING."},
    )  # fmt: skip


@pytest.fixture
def forgotten_migration(databases: dict[str, psycopg.Connection]) -> Iterator[None]:
    """The pricing database is as before its last migration, as far as its record says."""
    owner = databases["pricing"]
    row = owner.execute(
        "DELETE FROM django_migrations WHERE app = 'pricing' AND name = '0001_initial'"
        " RETURNING app, name, applied"
    ).fetchone()
    assert row
    yield
    owner.execute("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)", row)


@pytest.mark.usefixtures("forgotten_migration")
def test_a_migration_that_is_not_applied_keeps_requests_away() -> None:
    advice = "migrations to be run: 1. Run `manage.py migrate_all` as the owner."
    assert ready() == (503, False, {"pricing": advice})


def test_a_database_needs_its_own_apps_migrations_and_no_others() -> None:
    assert {app for app, _ in needed_migrations("pricing")} == {"pricing"}
    assert {"auth", "sessions", "knox"} <= {app for app, _ in needed_migrations("default")}
    assert not {app for app, _ in needed_migrations("default")} & set(ALIASES)


def test_a_record_of_others_migrations_proves_nothing(
    databases: dict[str, psycopg.Connection], forgotten_migration: None
) -> None:
    recorded = databases["orders"].execute(
        "SELECT count(*) > 0 FROM django_migrations WHERE app = 'pricing'"
    )
    assert recorded.fetchone() == (True,)  # in a database that has not one of its tables
    assert set(ready()[2]) == {"pricing"}


@pytest.mark.usefixtures("kafka_away")
def test_without_kafka_orders_are_accepted_still(ada: Customer) -> None:
    assert ready() == (200, True, {"kafka": KAFKA_AWAY})
    assert ada.place().status_code == 202


def test_topics_that_are_missing_are_told(settings: Settings) -> None:
    settings.KAFKA_TOPIC_PREFIX = "nowhere."

    status, is_ready, wrong = ready()

    assert (status, is_ready) == (200, True)
    assert wrong == {"kafka": "topics to be created: 36. Run `manage.py create_topics`."}


@pytest.mark.usefixtures("kafka_away")
def test_no_address_and_no_secret_is_told(settings: Settings) -> None:
    with closed_port("orders"), closed_port("sagas"):
        body = Client().get("/health/ready").content.decode()

    assert "127.0.0.1" not in body
    for alias in ALIASES:
        database = settings.DATABASES[alias]
        assert database["PASSWORD"] not in body
        assert database["USER"] not in body
        assert database["NAME"] not in body


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_whoever_asks_past_the_proxy_is_not_sent_to_tls(settings: Settings, path: str) -> None:
    settings.SECURE_SSL_REDIRECT = True
    client = Client()

    answer: HttpResponse = client.get(path)

    assert answer.status_code == 200
    assert client.get("/admin/").status_code == 301
