"""What the engine tells of its sagas: times as in its history, effects once."""

from uuid import UUID

import psycopg
import pytest
from django.db import transaction
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.inventory import StockReleased
from apps.messaging.context import context
from apps.sagas.handlers import LISTENERS
from tests.sagas.listening import created, hear, news, tasks
from tests.sagas.scenarios import REFUSALS, SUCCESSES, UNDONE
from tests.scraping import Counted, scraped


@pytest.fixture
def owner(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["sagas"]


@pytest.fixture
def saga_id(owner: psycopg.Connection) -> UUID:
    """A saga that waits for its stock."""
    saga_id = uuid7()
    hear(created(saga_id, uuid7()))
    return saga_id


def asked_earlier(owner: psycopg.Connection, saga_id: UUID, interval: str) -> None:
    owner.execute(
        "UPDATE sagas_saga SET pending_since = pending_since - %s::interval WHERE saga_id = %s",
        [interval, saga_id],
    )


def took(owner: psycopg.Connection, saga_id: UUID, step: str, action: str = "do") -> float:
    """From asking to the answer, by the history."""
    row = owner.execute(
        "SELECT extract(epoch FROM answered_at - asked_at)::float8 FROM sagas_sagastep"
        " WHERE saga_id = %s AND step = %s AND action = %s",
        [saga_id, step, action],
    ).fetchone()
    assert row
    return float(row[0])


def test_a_step_took_what_the_history_says(owner: psycopg.Connection, saga_id: UUID) -> None:
    asked_earlier(owner, saga_id, "90 seconds")
    counted = Counted()

    hear(news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"]))

    labels = {"service": "inventory", "step": "reserve_stock"}
    exact = took(owner, saga_id, "reserve_stock")
    assert exact > 90
    seen = counted.rise("saga_step_duration_seconds_sum", **labels)
    assert seen == pytest.approx(exact, abs=1e-6)
    assert counted.rise("saga_step_duration_seconds_count", **labels) == 1
    assert counted.rise("saga_step_duration_seconds_bucket", **labels, le="60.0") == 0
    assert counted.rise("saga_step_duration_seconds_bucket", **labels, le="300.0") == 1


def test_the_start_which_nobody_asked_for_has_no_duration(owner: psycopg.Connection) -> None:
    counted = Counted()

    hear(created(uuid7(), uuid7()))

    labels = {"service": "orders", "step": "create_order"}
    assert counted.rise("saga_step_duration_seconds_count", **labels) == 0


def test_what_is_rolled_back_is_not_observed(owner: psycopg.Connection, saga_id: UUID) -> None:
    answer = news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"])
    listener = LISTENERS[type(answer.event)]
    database = context("sagas").database
    counted = Counted()

    with database.transaction():
        workspace = listener.workspace.load(database, tasks([answer]))
        list(listener.hear(answer, workspace))
        workspace.save()
        transaction.set_rollback(True, using="sagas")

    labels = {"service": "inventory", "step": "reserve_stock"}
    assert counted.rise("saga_step_duration_seconds_count", **labels) == 0


def test_a_compensation_with_an_effect_is_counted_for_who_did_it(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    hear(news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"]))
    hear(news(saga_id, "freeze_price", REFUSALS["freeze_price"]))
    released = news(saga_id, "reserve_stock", UNDONE["reserve_stock"], action=Action.UNDO)
    counted = Counted()

    hear(released)
    hear(released)  # once more, as Kafka may

    assert counted.rise("saga_compensations_total", service="inventory") == 1
    assert counted.rise("saga_compensations_total", service="pricing") == 0
    labels = {"service": "inventory", "step": "undo_reserve_stock"}
    assert counted.rise("saga_step_duration_seconds_count", **labels) == 1
    assert counted.rise("barrier_decisions_total", service="sagas", decision="unmatched") == 1


def test_where_there_was_nothing_to_undo_no_compensation_is_counted(
    owner: psycopg.Connection, saga_id: UUID
) -> None:
    hear(news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"]))
    hear(news(saga_id, "freeze_price", REFUSALS["freeze_price"]))
    counted = Counted()

    nothing = StockReleased(nothing_to_undo=True)
    hear(news(saga_id, "reserve_stock", nothing, action=Action.UNDO))

    assert counted.rise("saga_compensations_total", service="inventory") == 0


def test_sagas_in_flight_are_told_by_status(owner: psycopg.Connection, saga_id: UUID) -> None:
    turning, other = uuid7(), uuid7()
    hear(created(turning, uuid7()), created(other, uuid7()))
    hear(news(turning, "reserve_stock", REFUSALS["reserve_stock"]))
    owner.execute(
        "UPDATE sagas_saga SET started_at = now() - interval '1 hour' WHERE saga_id = %s", [other]
    )

    assert scraped("sagas_in_flight", status="running") == 2
    assert scraped("sagas_in_flight", status="compensating") == 1
    assert scraped("sagas_stuck") == 0
    oldest = scraped("saga_oldest_seconds")
    assert oldest is not None
    assert oldest >= 3600


@pytest.mark.usefixtures("owner")
def test_where_no_saga_lives_everything_is_zero() -> None:
    assert scraped("sagas_in_flight", status="running") == 0
    assert scraped("sagas_in_flight", status="compensating") == 0
    assert scraped("saga_oldest_seconds") == 0
