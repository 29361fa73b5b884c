"""Statements that nobody waits for: in order, checked before the commit, lost with a rollback."""

from collections.abc import Callable

import psycopg
import pytest

from apps.messaging.database import Database, touches
from apps.messaging.errors import RivalMovedFirst

INVENTORY = Database("inventory")
ADD = "INSERT INTO inventory_stock (product_id, on_hand) VALUES (%b, %b)"
MORE = "UPDATE inventory_stock SET on_hand = on_hand + 1 WHERE product_id = %b"
STOCK = "SELECT product_id, on_hand FROM inventory_stock ORDER BY product_id"

pytestmark = pytest.mark.usefixtures("databases")


def test_what_is_sent_is_carried_out_in_order_with_what_is_waited_for() -> None:
    with INVENTORY.transaction(), INVENTORY.pipeline():
        INVENTORY.send(ADD, ("a", 1))
        INVENTORY.send(MORE, ["a"])
        assert INVENTORY.fetch(STOCK) == [("a", 2)]
        assert INVENTORY.execute(MORE, ["a"]) == 1
        INVENTORY.send(MORE, ["a"])
    assert INVENTORY.fetch(STOCK) == [("a", 4)]


def test_what_came_of_it_is_told_at_the_end_and_before_the_commit() -> None:
    told: list[int] = []
    with INVENTORY.transaction():
        with INVENTORY.pipeline():
            INVENTORY.send(ADD, ("a", 1), lambda cursor: told.append(cursor.rowcount))
            assert told == []
        assert (told, INVENTORY.in_transaction()) == ([1], True)


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
    with INVENTORY.transaction(), INVENTORY.pipeline():
        work()


def undone_by(error: type[Exception], work: Callable[[], None]) -> None:
    """The error comes out, and nothing of the work is left."""
    with pytest.raises(error):
        in_a_pipeline(work)
    assert INVENTORY.fetch(STOCK) == []
