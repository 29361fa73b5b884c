from collections.abc import Callable

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.inventory import selectors
from apps.inventory.errors import NotAQuantity
from apps.inventory.selectors import ReservedDifference, StockDifference, StockLevel
from apps.inventory.services import receive_stock, set_stock
from tests.handling import ask
from tests.inventory.stock import books_balance, line, reserve, stock

Databases = dict[str, psycopg.Connection]


def movements(databases: Databases) -> list[tuple]:
    rows = databases["inventory"].execute(
        "SELECT product_id, kind, on_hand, reserved, shipped, saga_id, reason"
        " FROM inventory_stockmovement ORDER BY id"
    )
    return rows.fetchall()


def names(databases: Databases) -> dict[str, str]:
    return dict(
        databases["inventory"].execute("SELECT product_id, name FROM inventory_stock").fetchall()
    )


def test_goods_that_come_in_are_added_and_written_down(databases: Databases) -> None:
    receive_stock(quantities={"apple": 10}, reason="delivery 1")
    receive_stock(quantities={"bread": 2, "apple": 5}, reason="delivery 2")

    assert stock("apple", "bread") == {"apple": (15, 0, 0), "bread": (2, 0, 0)}
    assert movements(databases) == [
        ("apple", "received", 10, 0, 0, None, "delivery 1"),
        ("bread", "received", 2, 0, 0, None, "delivery 2"),
        ("apple", "received", 5, 0, 0, None, "delivery 2"),
    ]
    assert books_balance()


def test_no_pieces_of_a_product_give_it_an_empty_shelf(databases: Databases) -> None:
    receive_stock(quantities={"cheese": 0}, reason="assortment")

    assert stock("cheese") == {"cheese": (0, 0, 0)}
    assert movements(databases) == []


def test_a_name_stays_until_another_is_given(databases: Databases) -> None:
    receive_stock(quantities={"a": 1, "b": 1}, reason="1", names={"a": "APPLE"})
    receive_stock(quantities={"a": 1, "b": 1}, reason="2", names={"b": "BREAD"})
    assert names(databases) == {"a": "APPLE", "b": "BREAD"}

    set_stock(on_hand={"a": 1}, reason="3", names={"a": "APPLES"})
    assert names(databases) == {"a": "APPLES", "b": "BREAD"}


@pytest.mark.parametrize("change", [
    lambda: receive_stock(quantities={"apple": 1, "bread": -1}, reason="x"),
    lambda: set_stock(on_hand={"apple": 1, "bread": -1}, reason="x"),
])  # fmt: skip
def test_less_than_nothing_is_refused_whole(
    databases: Databases, change: Callable[[], None]
) -> None:
    with pytest.raises(NotAQuantity, match="product 'bread': -1"):
        change()

    assert stock("apple", "bread") == {}
    assert movements(databases) == []


def test_a_count_becomes_a_correction_by_the_difference(databases: Databases) -> None:
    receive_stock(quantities={"apple": 10, "bread": 2, "cheese": 7}, reason="delivery")
    saga_id = uuid7()
    ask("inventory", reserve(line("apple", 4)), saga_id=saga_id)

    set_stock(on_hand={"apple": 3, "bread": 5, "cheese": 7, "dates": 1}, reason="count")

    assert stock("apple", "bread", "cheese", "dates") == {
        "apple": (3, 4, 0),
        "bread": (5, 0, 0),
        "cheese": (7, 0, 0),
        "dates": (1, 0, 0),
    }
    assert movements(databases)[4:] == [
        ("apple", "correction", -3, 0, 0, None, "count"),
        ("bread", "correction", 3, 0, 0, None, "count"),
        ("dates", "correction", 1, 0, 0, None, "count"),
    ]
    assert books_balance()


def test_the_same_count_again_changes_nothing(databases: Databases) -> None:
    set_stock(on_hand={"apple": 3}, reason="count")
    set_stock(on_hand={"apple": 3}, reason="count again")

    assert movements(databases) == [("apple", "correction", 3, 0, 0, None, "count")]


def test_a_whole_catalogue_comes_in_at_once(databases: Databases) -> None:
    catalogue = {f"p{number:05}": number for number in range(7_500)}

    receive_stock(quantities=catalogue, reason="opening", names=dict.fromkeys(catalogue, "THING"))

    assert stock("p00000", "p07499") == {"p00000": (0, 0, 0), "p07499": (7499, 0, 0)}
    assert books_balance()


def test_stock_that_movements_do_not_explain_is_found(databases: Databases) -> None:
    receive_stock(quantities={"apple": 10, "bread": 2}, reason="delivery")
    owner = databases["inventory"]
    owner.execute("UPDATE inventory_stock SET on_hand = 9, shipped = 1 WHERE product_id = 'apple'")
    owner.execute("DELETE FROM inventory_stock WHERE product_id = 'bread'")

    assert selectors.stock_against_movements() == [
        StockDifference("apple", 9, 0, 1, 10, 0, 0),
        StockDifference("bread", 0, 0, 0, 2, 0, 0),
    ]


def test_reserved_pieces_that_no_reservation_explains_are_found(databases: Databases) -> None:
    receive_stock(quantities={"apple": 10, "bread": 2}, reason="delivery")
    ask("inventory", reserve(line("apple", 4), line("bread", 1)))
    owner = databases["inventory"]
    owner.execute("DELETE FROM inventory_reservation WHERE product_id = 'apple'")

    assert selectors.reserved_against_reservations() == [ReservedDifference("apple", 4, 0)]


def test_negative_stock_is_found_should_the_constraint_be_gone(databases: Databases) -> None:
    receive_stock(quantities={"apple": 10}, reason="delivery")
    owner = databases["inventory"]
    with owner.transaction(force_rollback=True):
        owner.execute("ALTER TABLE inventory_stock DROP CONSTRAINT stock_on_hand_not_negative")
        owner.execute("UPDATE inventory_stock SET on_hand = -1")
        found = owner.execute(selectors.NEGATIVE_STOCK).fetchall()

    assert found == [StockLevel("apple", -1, 0, 0)]
