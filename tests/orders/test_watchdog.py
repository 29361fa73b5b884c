"""A start that got lost is told again, and in the end to a person."""

from typing import Any

import msgspec
import psycopg
import pytest

from apps.contracts.inventory import StockReserved
from apps.orders.watchdog import MOST_TELLINGS, Watchdog
from tests.orders.shop import place, saga_of
from tests.orders.test_timeline import hear, heard

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def orders(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["orders"]


def time_passes(orders: psycopg.Connection) -> None:
    orders.execute("UPDATE orders_order SET start_told_at = start_told_at - interval '1 day'")


def told(orders: psycopg.Connection) -> list[tuple[str, str, Any]]:
    """Topic, type and payload of what lies in the outbox; it is emptied."""
    rows = orders.execute(
        "WITH gone AS (DELETE FROM orders_outboxmessage RETURNING *)"
        " SELECT topic, headers, payload FROM gone ORDER BY created_at, id"
    ).fetchall()
    return [
        (topic, msgspec.json.decode(headers)["type"], msgspec.json.decode(payload))
        for topic, headers, payload in rows
    ]


def test_a_fresh_order_is_left_alone(orders: psycopg.Connection) -> None:
    place()
    told(orders)

    assert Watchdog().turn() == 0
    assert told(orders) == []


def test_a_start_of_which_nothing_is_heard_is_told_again_as_it_was(
    orders: psycopg.Connection,
) -> None:
    place()
    [start] = told(orders)
    time_passes(orders)

    assert Watchdog().turn() == 1

    assert told(orders) == [start]
    assert Watchdog().turn() == 0  # its next wait has begun, twice as long


def test_after_the_last_telling_a_person_is_asked_once(orders: psycopg.Connection) -> None:
    place()
    told(orders)
    dog = Watchdog()
    for _ in range(MOST_TELLINGS + 2):
        time_passes(orders)
        dog.turn()

    found = told(orders)
    assert [each[1] for each in found] == ["OrderCreated"] * (MOST_TELLINGS - 1) + ["PersonNeeded"]
    topic, _, need = found[-1]
    assert topic == "order-events"
    assert (need["kind"], need["context"]) == ("start_lost", "orders")


def test_an_order_that_shows_progress_is_left_alone(orders: psycopg.Connection) -> None:
    saga_id = saga_of(orders, place().order_id)
    told(orders)
    hear(heard(saga_id, "reserve_stock", StockReserved(lines=())))
    time_passes(orders)

    assert Watchdog().turn() == 0
    assert told(orders) == []
