"""Rivals in threads of their own, with connections of their own and real commits."""

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.inventory import (
    ReleaseStock,
    ReserveStock,
    StockReservationFailed,
    StockReserved,
)
from apps.inventory.errors import NothingReserved
from apps.inventory.services import receive_stock, set_stock
from tests.handling import ask, ask_together, react
from tests.inventory.stock import HANDED_OVER, books_balance, line, reserve, stock
from tests.threads import at_once

Databases = dict[str, psycopg.Connection]


@pytest.mark.parametrize("attempt", range(10))
def test_two_consumers_sell_the_last_piece_once(databases: Databases, attempt: int) -> None:
    receive_stock(quantities={"last": 1}, reason="a find")

    answers = at_once(*[lambda: ask("inventory", reserve(line("last", 1)))] * 2)

    assert {type(each) for each in answers} == {StockReserved, StockReservationFailed}
    assert stock("last") == {"last": (0, 1, 0)}
    assert books_balance()


def test_batches_that_want_the_same_products_in_other_orders_do_not_deadlock(
    databases: Databases,
) -> None:
    products = [f"p{number:02}" for number in range(40)]
    receive_stock(quantities=dict.fromkeys(products, 60), reason="delivery")
    there = reserve(*(line(product, 1) for product in products))
    back = reserve(*(line(product, 1) for product in reversed(products)))

    def sell_batch(basket: ReserveStock, size: int) -> list[Event]:
        return ask_together("inventory", [(uuid7(), "", basket) for _ in range(size)])

    def sell(basket: ReserveStock) -> list[type]:
        return [type(each) for size in (1, 2, 3, 4, 5) for each in sell_batch(basket, size)]

    answers = at_once(*[lambda: sell(there), lambda: sell(back)] * 2)

    assert answers == [[StockReserved] * 15] * 4
    assert stock(*products) == dict.fromkeys(products, (0, 60, 0))
    assert books_balance()


@pytest.mark.parametrize("attempt", range(10))
def test_a_release_and_a_hand_over_at_once_settle_once(databases: Databases, attempt: int) -> None:
    saga_id = uuid7()
    receive_stock(quantities={"apple": 5, "bread": 5}, reason="delivery")
    ask("inventory", reserve(line("apple", 2), line("bread", 3)), saga_id=saga_id)

    outcomes = at_once(
        lambda: ask("inventory", ReleaseStock(), saga_id=saga_id),
        lambda: react("inventory", HANDED_OVER, saga_id=saga_id),
    )

    assert sum(isinstance(each, NothingReserved) for each in outcomes) == 1
    assert stock("apple", "bread") in (
        {"apple": (5, 0, 0), "bread": (5, 0, 0)},
        {"apple": (3, 0, 2), "bread": (2, 0, 3)},
    )
    assert books_balance()


def test_a_count_among_sales_corrects_to_its_number_and_loses_no_sale(
    databases: Databases,
) -> None:
    receive_stock(quantities={"apple": 50, "bread": 50}, reason="delivery")

    def sell() -> int:
        answers = [ask("inventory", reserve(line("bread", 1), line("apple", 1))) for _ in range(20)]
        return sum(isinstance(each, StockReserved) for each in answers)

    def count() -> int:
        for _ in range(20):
            set_stock(on_hand={"bread": 45, "apple": 45}, reason="count")
        return 0

    sold = at_once(sell, sell, count)

    assert sold == [20, 20, 0]
    assert stock("apple")["apple"][1] == 40
    assert books_balance()
