"""What the database refuses, whoever asks: raw SQL as the run-time role."""

import os
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from uuid_utils.compat import uuid7

from apps.inventory.services import receive_stock
from tests.handling import ask
from tests.inventory.stock import line, reserve, stock

SAGA = UUID("01a209f2-36ce-718b-90fe-f123a27b85d2")


@pytest.fixture
def run_time(databases: dict[str, psycopg.Connection]) -> Iterator[psycopg.Connection]:
    receive_stock(quantities={"apple": 10}, reason="delivery")
    ask("inventory", reserve(line("apple", 4)), saga_id=SAGA)
    with psycopg.connect(os.environ["DATABASE_URL_INVENTORY"], autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("column", ["on_hand", "reserved", "shipped"])
def test_no_column_of_the_stock_goes_below_zero(run_time: psycopg.Connection, column: str) -> None:
    with pytest.raises(errors.CheckViolation, match=f"stock_{column}_not_negative"):
        run_time.execute(f"UPDATE inventory_stock SET {column} = {column} - 11")

    assert stock("apple") == {"apple": (6, 4, 0)}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inventory_stockmovement SET on_hand = 11",
        "DELETE FROM inventory_stockmovement",
        "TRUNCATE inventory_stockmovement",
    ],
)
def test_movements_are_never_changed(run_time: psycopg.Connection, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="inventory_stockmovement"):
        run_time.execute(statement)

    rows = run_time.execute("SELECT kind, on_hand FROM inventory_stockmovement ORDER BY id")
    assert rows.fetchall() == [("received", 10), ("reserved", -4)]


@pytest.mark.parametrize(
    ("kind", "on_hand", "reserved", "shipped"),
    [
        ("received", -1, 0, 0),  # goods do not go by coming in
        ("received", 1, 1, 0),  # what comes in is free
        ("correction", 0, 0, 0),  # a correction of nothing
        ("correction", 0, 0, 1),  # a count does not ship
        ("reserved", -2, 3, 0),  # a piece from nowhere
        ("reserved", 2, -2, 0),  # that is a release
        ("released", -2, 2, 0),  # that is a reservation
        ("shipped", -2, 0, 2),  # only what was reserved is shipped
        ("stolen", -1, 0, 0),  # no such kind
    ],
)
def test_a_movement_fits_its_kind(
    run_time: psycopg.Connection, kind: str, on_hand: int, reserved: int, shipped: int
) -> None:
    saga_id = None if kind in ("received", "correction") else uuid7()

    with pytest.raises(errors.CheckViolation, match="movement_"):
        run_time.execute(
            "INSERT INTO inventory_stockmovement"
            " (product_id, kind, on_hand, reserved, shipped, saga_id)"
            " VALUES ('apple', %s, %s, %s, %s, %s)",
            [kind, on_hand, reserved, shipped, saga_id],
        )


@pytest.mark.parametrize(
    ("kind", "on_hand", "reserved", "saga_id"),
    [("received", 1, 0, SAGA), ("reserved", -1, 1, None)],
)
def test_only_a_sagas_movement_names_its_saga(
    run_time: psycopg.Connection, kind: str, on_hand: int, reserved: int, saga_id: object
) -> None:
    with pytest.raises(errors.CheckViolation, match="movement_has_its_saga"):
        run_time.execute(
            "INSERT INTO inventory_stockmovement (product_id, kind, on_hand, reserved, saga_id)"
            " VALUES ('apple', %s, %s, %s, %s)",
            [kind, on_hand, reserved, saga_id],
        )


def test_a_saga_moves_a_product_once_each_way(run_time: psycopg.Connection) -> None:
    with pytest.raises(errors.UniqueViolation, match="movement_once_per_saga"):
        run_time.execute(
            "INSERT INTO inventory_stockmovement (product_id, kind, on_hand, reserved, saga_id)"
            " VALUES ('apple', 'reserved', -1, 1, %s)",
            [SAGA],
        )


def test_a_saga_reserves_a_product_once(run_time: psycopg.Connection) -> None:
    with pytest.raises(errors.UniqueViolation, match="inventory_reservation_pkey"):
        run_time.execute(
            "INSERT INTO inventory_reservation (saga_id, product_id, order_id, quantity)"
            " VALUES (%s, 'apple', %s, 1)",
            [SAGA, uuid7()],
        )


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("quantity = 0", "reservation_of_something"),
        ("status = 'released'", "reservation_open_or_settled"),
        ("settled_at = now()", "reservation_open_or_settled"),
        ("status = 'lost', settled_at = now()", "reservation_open_or_settled"),
    ],
)
def test_a_reservation_is_of_something_and_open_or_settled(
    run_time: psycopg.Connection, change: str, constraint: str
) -> None:
    with pytest.raises(errors.CheckViolation, match=constraint):
        run_time.execute(f"UPDATE inventory_reservation SET {change}")
