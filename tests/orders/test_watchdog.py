"""A start that got lost is told again, and in the end to a person."""

from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from django.core.management import CommandError, call_command
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.inventory import StockReserved
from apps.contracts.plan import Mode
from apps.contracts.sagas import CancelAccepted, CancelTooLate
from apps.contracts.shipping import ShipmentNotRecalled, ShipmentRecalled
from apps.messaging.audit import Actor
from apps.orders.errors import NoStartToTell
from apps.orders.services import tell_start_again
from apps.orders.starts import MOST_TELLINGS
from apps.orders.watchdog import Watchdog
from tests.e2e.world import drive
from tests.orders.shop import place, saga_of
from tests.orders.test_timeline import hear, heard
from tests.orders.wishes import (
    confirm,
    confirmed,
    returning_saga,
    take_back,
    turn_down,
    wish,
    wish_of,
)

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


def test_a_wish_to_cancel_is_no_sign_that_the_order_is_taken_on(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    [start] = told(orders)
    wish(order_id)
    hear(heard(saga_of(orders, order_id), "cancel_order", CancelAccepted()))
    told(orders)
    time_passes(orders)

    assert Watchdog().turn() == 1
    assert told(orders) == [start]


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


# --- the saga that takes a confirmed order back


def returning(orders: psycopg.Connection) -> UUID:
    """A confirmed order whose customer wishes to cancel it, with an outbox that is empty."""
    drive(Mode.CHOREOGRAPHED, "cancel_order")
    order_id = confirmed(orders)
    told(orders)
    wish(order_id)
    return order_id


def day_passes(orders: psycopg.Connection) -> None:
    time_passes(orders)
    orders.execute(
        "UPDATE orders_cancellation SET start_told_at = start_told_at - interval '1 day'"
    )


def test_a_fresh_wish_is_left_alone(orders: psycopg.Connection) -> None:
    returning(orders)
    told(orders)

    assert Watchdog().turn() == 0
    assert told(orders) == []


def test_the_time_of_a_wish_that_waited_begins_with_its_saga(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    wish(order_id)
    day_passes(orders)
    hear(heard(saga_of(orders, order_id), "cancel_order", CancelTooLate(step="capture_payment")))
    confirm(orders, order_id)
    told(orders)

    assert Watchdog().turn() == 0
    assert wish_of(orders, order_id) == ("returning", True, False)


def test_a_wish_of_which_nothing_is_heard_is_told_again_as_it_was(
    orders: psycopg.Connection,
) -> None:
    saga_id = returning_saga(orders, returning(orders))
    first = orders.execute(HEADERS).fetchall()
    [start] = told(orders)
    day_passes(orders)

    assert Watchdog().turn() == 1

    assert orders.execute(HEADERS).fetchall() == first
    assert first == [(str(saga_id), "begin_cancellation", "choreographed")]
    assert told(orders) == [start]
    assert Watchdog().turn() == 0  # its next wait has begun, twice as long


HEADERS = """
SELECT told ->> 'saga_id', told ->> 'step_id', told ->> 'mode'
FROM orders_outboxmessage, LATERAL (SELECT headers::json) AS of_it (told)
"""


@pytest.mark.parametrize(
    "event",
    [
        ShipmentRecalled(reference="SP-1"),
        ShipmentNotRecalled(carrier="in-house", reference="SP-1"),
    ],
)
def test_a_wish_that_shipping_has_answered_is_left_alone(
    orders: psycopg.Connection, event: Event
) -> None:
    saga_id = returning_saga(orders, returning(orders))
    told(orders)
    hear(heard(saga_id, "recall_shipment", event))
    day_passes(orders)

    assert Watchdog().turn() == 0
    assert told(orders) == []


@pytest.mark.parametrize("decide", [take_back, turn_down])
def test_a_wish_that_is_decided_is_left_alone(
    orders: psycopg.Connection, decide: Callable[[psycopg.Connection, UUID], Event]
) -> None:
    decide(orders, returning(orders))
    told(orders)
    day_passes(orders)

    assert Watchdog().turn() == 0


def test_of_a_wish_that_nobody_carries_out_a_person_hears_once_and_tells_it_again(
    orders: psycopg.Connection,
) -> None:
    order_id = returning(orders)
    saga_id = returning_saga(orders, order_id)
    [start] = told(orders)
    dog = Watchdog()
    for _ in range(MOST_TELLINGS + 2):
        day_passes(orders)
        dog.turn()

    *again, (_, name, need) = told(orders)
    assert again == [start] * (MOST_TELLINGS - 1)
    assert (name, need["kind"]) == ("PersonNeeded", "start_lost")
    assert need["reason"] == (
        f"Nobody takes back order {order_id}; that was told 4 times. "
        f"When the engine is well: manage.py tell_start {order_id}"
    )

    tell_start_again(order_id=order_id, actor=ADA, reason="The engine is back")

    assert told(orders) == [start]
    acted = "SELECT subject_id, saga_id, step FROM orders_operatoraction WHERE operation = %s"
    assert orders.execute(acted, ["tell_start"]).fetchall() == [
        (order_id, saga_id, "begin_cancellation")
    ]
    day_passes(orders)
    assert dog.turn() == 1


# --- a person tells it again

ADA = Actor(7, "ada")


def test_a_person_tells_a_start_again_and_the_watchdog_looks_after_it(
    orders: psycopg.Connection,
) -> None:
    order_id = place().order_id
    [start] = told(orders)
    orders.execute("UPDATE orders_order SET start_told = 5")

    tell_start_again(order_id=order_id, actor=ADA, reason="The engine is back")

    assert told(orders) == [start]
    time_passes(orders)
    assert Watchdog().turn() == 1
    acted = "SELECT actor, operation, subject_kind, subject_id, reason FROM orders_operatoraction"
    assert orders.execute(acted).fetchall() == [
        ("ada", "tell_start", "order", order_id, "The engine is back")
    ]


def test_of_an_order_that_has_ended_nothing_is_told_again(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    told(orders)
    orders.execute("UPDATE orders_order SET status = 'cancelled', ended_at = now()")

    for unknown in (order_id, uuid7()):
        with pytest.raises(NoStartToTell, match="has ended, or never was"):
            tell_start_again(order_id=unknown, actor=ADA, reason="The engine is back")

    assert told(orders) == []


def test_from_a_terminal(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    told(orders)
    out = StringIO()

    with pytest.raises(CommandError, match="Say why"):
        call_command("tell_start", str(order_id))
    with pytest.raises(CommandError, match="is no order id"):
        call_command("tell_start", "x", "--reason", "It is back", "--yes")
    call_command("tell_start", str(order_id), "--reason", "It is back", "--yes", stdout=out)

    assert out.getvalue().startswith("Done.")
    assert [each[1] for each in told(orders)] == ["OrderCreated"]
