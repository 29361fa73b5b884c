"""Statements that nobody waits for: in order, checked before the commit, lost with a rollback."""

import os
from collections.abc import Callable

import psycopg
import pytest
from django.db import transaction

from apps.messaging.database import Database, touches
from apps.messaging.errors import RivalMovedFirst

INVENTORY = Database("inventory")
ADD = "INSERT INTO inventory_stock (product_id, on_hand) VALUES (%b, %b)"
MORE = "UPDATE inventory_stock SET on_hand = on_hand + 1 WHERE product_id = %b"
STOCK = "SELECT product_id, on_hand FROM inventory_stock ORDER BY product_id"

pytestmark = pytest.mark.usefixtures("databases")


def test_what_is_sent_is_carried_out_in_order_with_what_is_waited_for() -> None:
    with INVENTORY.pipelined_transaction():
        INVENTORY.send(ADD, ("a", 1))
        INVENTORY.send(MORE, ["a"])
        assert INVENTORY.fetch(STOCK) == [("a", 2)]
        assert INVENTORY.execute(MORE, ["a"]) == 1
        INVENTORY.send(MORE, ["a"])
    assert INVENTORY.fetch(STOCK) == [("a", 4)]


def test_what_came_of_it_is_told_at_the_end_and_before_the_commit() -> None:
    told: list[tuple[int, bool]] = []

    def tell(cursor: psycopg.Cursor) -> None:
        told.append((cursor.rowcount, INVENTORY.in_transaction()))
        with psycopg.connect(os.environ["DATABASE_OWNER_URL_INVENTORY"]) as another:
            assert another.execute(STOCK).fetchall() == []

    with INVENTORY.pipelined_transaction():
        INVENTORY.send(ADD, ("a", 1), tell)
        assert told == []
    assert told == [(1, True)]


def test_it_is_committed_before_those_are_told_who_wait_for_the_commit() -> None:
    seen: list[list[tuple[str, int]]] = []

    def look() -> None:
        with psycopg.connect(os.environ["DATABASE_OWNER_URL_INVENTORY"]) as another:
            seen.append(another.execute(STOCK).fetchall())

    with INVENTORY.pipelined_transaction():
        INVENTORY.send(ADD, ("a", 1))
        transaction.on_commit(look, using="inventory")
    assert seen == [[("a", 1)]]


def test_nobody_is_told_of_a_commit_that_failed() -> None:
    told: list[str] = []

    def send_what_is_wrong() -> None:
        transaction.on_commit(lambda: told.append("committed"), using="inventory")
        INVENTORY.send(ADD, ("b", -1))

    undone_by(psycopg.errors.CheckViolation, send_what_is_wrong)
    assert told == []


def test_what_django_is_to_roll_back_is_rolled_back() -> None:
    told: list[str] = []
    with INVENTORY.pipelined_transaction():
        INVENTORY.send(ADD, ("a", 1))
        transaction.on_commit(lambda: told.append("committed"), using="inventory")
        transaction.set_rollback(True, using="inventory")
    assert (told, INVENTORY.fetch(STOCK)) == ([], [])


def test_it_stands_in_no_other_transaction() -> None:
    with (
        INVENTORY.transaction(),
        pytest.raises(RuntimeError, match="durable"),
        INVENTORY.pipelined_transaction(),
    ):
        pytest.fail("its commit would be that of the other")


def test_rows_that_are_asked_for_are_there_when_they_are_taken() -> None:
    with INVENTORY.pipelined_transaction():
        INVENTORY.send(ADD, ("a", 1))
        rows = INVENTORY.ask(STOCK)
        INVENTORY.send(MORE, ["a"])
        assert rows() == [("a", 1)]
    assert INVENTORY.ask(STOCK)() == [("a", 2)]


def test_without_a_pipeline_it_is_told_at_once() -> None:
    told: list[int] = []
    INVENTORY.send(ADD, ("a", 1), lambda cursor: told.append(cursor.rowcount))
    assert told == [1]


def test_a_statement_that_touched_other_rows_than_decided_undoes_all() -> None:
    def rival_was_faster() -> None:
        INVENTORY.send(ADD, ("a", 1))
        INVENTORY.send(MORE, ["b"], touches(1))

    undone_by(RivalMovedFirst, rival_was_faster)


def test_an_error_of_what_was_sent_is_raised_as_itself_and_undoes_all() -> None:
    def one_of_three_is_wrong() -> None:
        INVENTORY.send(ADD, ("a", 1))
        INVENTORY.send(ADD, ("b", -1))
        INVENTORY.send(ADD, ("c", 1))

    undone_by(psycopg.errors.CheckViolation, one_of_three_is_wrong)


def test_an_error_of_what_was_sent_comes_with_what_is_waited_for() -> None:
    def read_after_what_is_wrong() -> None:
        INVENTORY.send(ADD, ("b", -1))
        INVENTORY.fetch(STOCK)
        pytest.fail("what was sent before was wrong")

    undone_by(psycopg.errors.CheckViolation, read_after_what_is_wrong)


def test_nothing_is_told_of_what_an_error_in_python_undid() -> None:
    told: list[int] = []

    def fail_after_sending() -> None:
        INVENTORY.send(ADD, ("a", 1), lambda cursor: told.append(cursor.rowcount))
        raise ZeroDivisionError

    undone_by(ZeroDivisionError, fail_after_sending)
    in_a_pipeline(lambda: INVENTORY.send(ADD, ("b", 1)))
    assert (told, INVENTORY.fetch(STOCK)) == ([], [("b", 1)])


def in_a_pipeline(work: Callable[[], None]) -> None:
    with INVENTORY.pipelined_transaction():
        work()


def undone_by(error: type[Exception], work: Callable[[], None]) -> None:
    """The error comes out, and nothing of the work is left."""
    with pytest.raises(error):
        in_a_pipeline(work)
    assert INVENTORY.fetch(STOCK) == []
