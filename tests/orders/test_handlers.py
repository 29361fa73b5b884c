"""Confirming and cancelling: exact outcomes, real commits."""

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.orders import CancelOrder, ConfirmOrder, OrderCancelled, OrderConfirmed
from apps.orders.errors import OrderHasEnded, UnknownOrder
from tests.handling import ask, ask_together
from tests.orders.shop import place, row_of, saga_of, timeline_of

Databases = dict[str, psycopg.Connection]
CREATED = ("create_order", "OrderCreated", {})
CONFIRM = ConfirmOrder(total_cents=2199)


def test_confirming_ends_the_order_with_the_total_of_the_frozen_prices(
    databases: Databases,
) -> None:
    orders, order_id = databases["orders"], place().order_id
    saga_id = saga_of(orders, order_id)

    answer = ask("orders", ConfirmOrder(total_cents=2100), saga_id=saga_id, step="confirm_order")

    assert answer == OrderConfirmed(order_id=order_id)
    assert row_of(orders, order_id) == ("confirmed", 2100, True)
    assert timeline_of(orders, order_id) == [CREATED, ("confirm_order", "OrderConfirmed", {})]


def test_cancelling_ends_the_order_and_leaves_its_total(databases: Databases) -> None:
    orders, order_id = databases["orders"], place().order_id
    saga_id = saga_of(orders, order_id)

    answer = ask("orders", CancelOrder(), saga_id=saga_id, step="create_order")

    assert answer == OrderCancelled(order_id=order_id)
    assert row_of(orders, order_id) == ("cancelled", 2199, True)
    assert timeline_of(orders, order_id) == [CREATED, ("create_order", "OrderCancelled", {})]


def test_a_batch_ends_each_order_its_own_way_and_no_other(databases: Databases) -> None:
    orders = databases["orders"]
    ids = [place(key=f"key-{n}").order_id for n in range(3)]
    sagas = [saga_of(orders, each) for each in ids]

    answers = ask_together(
        "orders",
        [(sagas[1], "create_order", CancelOrder()), (sagas[0], "confirm_order", CONFIRM)],
    )

    assert answers == [OrderCancelled(order_id=ids[1]), OrderConfirmed(order_id=ids[0])]
    assert [row_of(orders, each) for each in ids] == [
        ("confirmed", 2199, True),
        ("cancelled", 2199, True),
        ("placed", 2199, False),
    ]


@pytest.mark.parametrize(
    ("first", "then", "stays"),
    [
        (CONFIRM, CancelOrder(), "confirmed"),
        (CancelOrder(), CONFIRM, "cancelled"),
    ],
)
def test_an_order_never_ends_both_ways(
    databases: Databases, first: object, then: object, stays: str
) -> None:
    orders, order_id = databases["orders"], place().order_id
    saga_id = saga_of(orders, order_id)
    ask("orders", first, saga_id=saga_id)
    before = row_of(orders, order_id), timeline_of(orders, order_id)

    with pytest.raises(OrderHasEnded, match=f"status={stays}"):
        ask("orders", then, saga_id=saga_id)

    assert (row_of(orders, order_id), timeline_of(orders, order_id)) == before
    assert before[0][0] == stays


@pytest.mark.parametrize("command", [CONFIRM, CancelOrder()])
def test_an_order_that_is_lost_is_an_error_and_no_answer(
    databases: Databases, command: object
) -> None:
    order_id = place().order_id

    with pytest.raises(UnknownOrder):
        ask("orders", command, saga_id=uuid7())

    assert row_of(databases["orders"], order_id) == ("placed", 2199, False)
