"""An engine that lacks a version which live sagas need does not start, and names it."""

import os

import psycopg
import pytest
from django.test import Client
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.messaging.context import context
from apps.messaging.versions import refuse_to_lack
from apps.sagas.models import Saga
from apps.sagas.versions import InFlight, missing_versions
from tests.alone.deployments import environment, manage, python
from tests.scraping import forget

Databases = dict[str, psycopg.Connection]
PENDING = {"pending_step": "reserve_stock", "pending_action": "do", "pending_generation": 1}
TOLD = "place_order version 9 (2 live sagas)"


def saga_of(version: int, *, ended: bool = False) -> None:
    """A saga of a version, in flight or at its end."""
    now = timezone.now()
    live = {} if ended else {**PENDING, "pending_since": now, "due_at": now}
    Saga.objects.create(
        saga_id=uuid7(), process="place_order", version=version, mode="orchestrated",
        plan=f"place_order/{version}/orchestrated/create_order,reserve_stock", order_id=uuid7(),
        customer_id=7, status="confirmed" if ended else "running", revision=1, inputs={},
        started_at=now, changed_at=now, ended_at=now if ended else None, **live,
    )  # fmt: skip


@pytest.fixture
def from_tomorrow(databases: Databases, topics: None) -> None:
    """Two live sagas of a version that this code lacks, and one that has ended."""
    for ended in (False, False, True):
        saga_of(9, ended=ended)
    saga_of(1)
    saga_of(2)


def test_only_what_live_sagas_need_is_missing(from_tomorrow: None) -> None:
    assert missing_versions(context("sagas").database) == [InFlight("place_order", 9, 2)]


@pytest.mark.parametrize("command", [("run_consumer", "sagas"), ("run_watchdog",)])
def test_a_process_that_lacks_a_version_does_not_start_and_names_it(
    from_tomorrow: None, command: tuple[str, ...]
) -> None:
    status, told = manage(dict(os.environ), *command)
    assert status == 1
    assert TOLD in told
    assert "Deploy the code that has it" in told


def test_the_consumer_of_another_context_starts_all_the_same(from_tomorrow: None) -> None:
    refuse_to_lack(["orders", "fraud"])


def test_readiness_tells_it_and_orders_are_accepted_all_the_same(from_tomorrow: None) -> None:
    forget()
    answer = Client().get("/health/ready")
    forget()
    assert answer.json()["checks"]["sagas"] == (
        f"needs what this code lacks: {TOLD}. Deploy the code that has it."
    )
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


READY = """
import django; django.setup()
from apps.messaging.health import readiness
print(readiness().ready)
"""


def test_an_engine_alone_that_lacks_a_version_is_not_ready(from_tomorrow: None) -> None:
    environ = environment("sagas") | {"DJANGO_SETTINGS_MODULE": "sagaplatform.settings"}
    status, told = python(environ, "-c", READY)
    assert (status, told.splitlines()[-1]) == (0, "False")
