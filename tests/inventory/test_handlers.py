from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.inventory import (
    FreeStock,
    GoodsRestocked,
    ReleaseStock,
    Restock,
    StockFreed,
    StockReleased,
    StockReservationFailed,
    StockReserved,
)
from apps.contracts.values import AcceptedLine, Shortage
from apps.inventory import selectors
from apps.inventory.errors import EmptyBasket, NotAQuantity, NothingReserved, NotShippedYet
from apps.inventory.selectors import OpenReservation, StockEffects
from apps.inventory.services import receive_stock
from tests.handling import ask, ask_together, react
from tests.inventory.stock import HANDED_OVER, books_balance, line, reserve, stock

Databases = dict[str, psycopg.Connection]
Settle = Callable[[UUID], None]


@pytest.fixture(autouse=True)
def shelves(databases: Databases) -> None:
    receive_stock(quantities={"apple": 10, "bread": 3, "cheese": 0}, reason="delivery 1")


def test_a_basket_that_is_there_is_reserved_whole() -> None:
    saga_id = uuid7()
    lines = (line("bread", 3), line("apple", 4))

    answer = ask("inventory", reserve(*lines), saga_id=saga_id)

    assert answer == StockReserved(lines=lines)
    assert stock("apple", "bread") == {"apple": (6, 4, 0), "bread": (0, 3, 0)}
    assert selectors.open_reservations() == [OpenReservation(saga_id, lines=2, pieces=7)]
    assert selectors.stock_effects([saga_id]) == {saga_id: StockEffects(saga_id, 2, 0, 0)}
    assert books_balance()


def test_the_reservation_and_the_movement_say_for_whom(databases: Databases) -> None:
    saga_id, order_id = uuid7(), uuid7()

    ask("inventory", reserve(line("apple", 4), order_id=order_id), saga_id=saga_id)

    reservations = databases["inventory"].execute(
        "SELECT saga_id, product_id, order_id, quantity, status FROM inventory_reservation"
    )
    movements = databases["inventory"].execute(
        "SELECT product_id, on_hand, reserved, shipped, kind FROM inventory_stockmovement"
        " WHERE saga_id = %s",
        [saga_id],
    )
    assert reservations.fetchall() == [(saga_id, "apple", order_id, 4, "reserved")]
    assert movements.fetchall() == [("apple", -4, 4, 0, "reserved")]


def test_a_refusal_says_what_is_short_and_by_how_much_and_changes_nothing() -> None:
    saga_id = uuid7()

    answer = ask(
        "inventory",
        reserve(line("apple", 2), line("bread", 5), line("cheese", 1), line("dust", 2)),
        saga_id=saga_id,
    )

    assert answer == StockReservationFailed(
        short=(
            Shortage(product_id="bread", wanted=5, available=3),
            Shortage(product_id="cheese", wanted=1, available=0),
            Shortage(product_id="dust", wanted=2, available=0),
        )
    )
    assert stock("apple", "bread", "cheese") == {
        "apple": (10, 0, 0),
        "bread": (3, 0, 0),
        "cheese": (0, 0, 0),
    }
    assert selectors.open_reservations() == []
    assert selectors.stock_effects([saga_id]) == {}


def test_a_product_on_two_lines_is_wanted_with_both() -> None:
    refused = ask("inventory", reserve(line("bread", 2), line("bread", 2)))
    reserved = ask("inventory", reserve(line("bread", 2), line("bread", 1)))

    assert refused == StockReservationFailed(
        short=(Shortage(product_id="bread", wanted=4, available=3),)
    )
    assert reserved == StockReserved(lines=(line("bread", 2), line("bread", 1)))
    assert stock("bread") == {"bread": (0, 3, 0)}
    assert books_balance()


@pytest.mark.parametrize("quantity", [0, -1])
def test_less_than_one_piece_is_an_error_and_changes_nothing(quantity: int) -> None:
    with pytest.raises(NotAQuantity, match=f"product 'bread': {quantity}"):
        ask("inventory", reserve(line("apple", 2), line("bread", quantity)))

    assert stock("apple", "bread") == {"apple": (10, 0, 0), "bread": (3, 0, 0)}


def test_an_empty_basket_is_an_error() -> None:
    with pytest.raises(EmptyBasket):
        ask("inventory", reserve())


def test_the_last_piece_is_sold_once_within_one_batch() -> None:
    first, second, third = uuid7(), uuid7(), uuid7()
    receive_stock(quantities={"last": 1}, reason="a find")

    answers = ask_together(
        "inventory",
        [
            (first, "", reserve(line("apple", 1), line("last", 1))),
            (second, "", reserve(line("apple", 1), line("last", 1))),
            (third, "", reserve(line("apple", 1))),
        ],
    )

    assert answers == [
        StockReserved(lines=(line("apple", 1), line("last", 1))),
        StockReservationFailed(short=(Shortage(product_id="last", wanted=1, available=0),)),
        StockReserved(lines=(line("apple", 1),)),
    ]
    assert stock("apple", "last") == {"apple": (8, 2, 0), "last": (0, 1, 0)}
    assert [each.saga_id for each in selectors.open_reservations()] == [first, third]
    assert books_balance()


def test_what_one_saga_releases_another_of_the_same_batch_can_have() -> None:
    holder, next_one = uuid7(), uuid7()
    ask("inventory", reserve(line("bread", 3)), saga_id=holder)

    answers = ask_together(
        "inventory",
        [(holder, "", ReleaseStock()), (next_one, "", reserve(line("bread", 2)))],
    )

    assert answers == [
        StockReleased(lines=(line("bread", 3),)),
        StockReserved(lines=(line("bread", 2),)),
    ]
    assert stock("bread") == {"bread": (1, 2, 0)}
    assert books_balance()


def test_a_release_gives_back_what_its_saga_reserved_and_nothing_else() -> None:
    saga_id, other = uuid7(), uuid7()
    ask("inventory", reserve(line("apple", 4), line("bread", 1)), saga_id=saga_id)
    ask("inventory", reserve(line("apple", 5)), saga_id=other)

    answer = ask("inventory", ReleaseStock(), saga_id=saga_id)

    assert answer == StockReleased(lines=(line("apple", 4), line("bread", 1)))
    assert stock("apple", "bread") == {"apple": (5, 5, 0), "bread": (3, 0, 0)}
    assert selectors.open_reservations() == [OpenReservation(other, lines=1, pieces=5)]
    assert selectors.stock_effects([saga_id, other]) == {
        saga_id: StockEffects(saga_id, 2, 2, 0),
        other: StockEffects(other, 1, 0, 0),
    }
    assert books_balance()


def test_a_hand_over_ships_what_was_reserved() -> None:
    saga_id = uuid7()
    ask("inventory", reserve(line("apple", 4), line("bread", 1)), saga_id=saga_id)

    told = react("inventory", HANDED_OVER, saga_id=saga_id)

    assert told is None
    assert stock("apple", "bread") == {"apple": (6, 0, 4), "bread": (2, 0, 1)}
    assert selectors.open_reservations() == []
    assert selectors.stock_effects([saga_id]) == {saga_id: StockEffects(saga_id, 2, 0, 2)}
    assert books_balance()


def _release(saga_id: UUID) -> None:
    ask("inventory", ReleaseStock(), saga_id=saga_id)


def _ship(saga_id: UUID) -> None:
    react("inventory", HANDED_OVER, saga_id=saga_id)


@pytest.mark.parametrize("settle", [_release, _ship])
@pytest.mark.parametrize("settle_again", [_release, _ship])
def test_what_is_settled_is_not_settled_again(settle: Settle, settle_again: Settle) -> None:
    saga_id = uuid7()
    ask("inventory", reserve(line("apple", 4)), saga_id=saga_id)
    settle(saga_id)
    before = stock("apple")

    with pytest.raises(NothingReserved, match=str(saga_id)):
        settle_again(saga_id)

    assert stock("apple") == before
    assert books_balance()


def test_a_saga_that_reserved_nothing_has_nothing_to_release() -> None:
    with pytest.raises(NothingReserved):
        ask("inventory", ReleaseStock())


def test_a_hundred_long_baskets_are_one_batch() -> None:
    products = [f"p{number:03}" for number in range(120)]
    receive_stock(quantities=dict.fromkeys(products, 99), reason="delivery 2")
    basket = reserve(*(line(product, 1) for product in products))

    answers = ask_together("inventory", [(uuid7(), "", basket) for _ in range(100)])

    assert [type(each) for each in answers] == [StockReserved] * 99 + [StockReservationFailed]
    assert stock(*products) == dict.fromkeys(products, (0, 99, 0))
    assert books_balance()


def test_what_an_order_holds_is_free_again_when_it_is_cancelled_after_its_end() -> None:
    saga_id, other = uuid7(), uuid7()
    ask("inventory", reserve(line("apple", 4), line("bread", 1)), saga_id=saga_id)
    ask("inventory", reserve(line("apple", 2)), saga_id=other)

    answer = ask("inventory", FreeStock(placed_by=saga_id))

    assert answer == StockFreed(lines=(line("apple", 4), line("bread", 1)))
    assert stock("apple", "bread") == {"apple": (8, 2, 0), "bread": (3, 0, 0)}
    assert selectors.stock_effects([saga_id]) == {saga_id: StockEffects(saga_id, 2, 2, 0)}
    assert [each.saga_id for each in selectors.open_reservations()] == [other]
    assert books_balance()


def test_what_came_back_is_on_hand_again_once_its_hand_over_is_booked_out() -> None:
    saga_id, other = uuid7(), uuid7()
    for each in (saga_id, other):
        ask("inventory", reserve(line("apple", 2)), saga_id=each)
    react("inventory", HANDED_OVER, saga_id=other)  # so there are shipped pieces, of another order
    accepted = (AcceptedLine(product_id="apple", quantity=2, damaged=1),)
    with pytest.raises(NotShippedYet, match=f"{saga_id}"):
        ask("inventory", Restock(placed_by=saga_id, accepted=accepted))
    assert stock("apple") == {"apple": (6, 2, 2)}

    react("inventory", HANDED_OVER, saga_id=saga_id)
    answer = ask("inventory", Restock(placed_by=saga_id, accepted=accepted))

    assert answer == GoodsRestocked(lines=(line("apple", 1),))
    assert stock("apple") == {"apple": (7, 0, 3)}
    assert books_balance()


def test_what_is_shipped_or_free_is_not_freed() -> None:
    shipped, released = uuid7(), uuid7()
    for saga_id in (shipped, released):
        ask("inventory", reserve(line("apple", 2)), saga_id=saga_id)
    react("inventory", HANDED_OVER, saga_id=shipped)
    ask("inventory", FreeStock(placed_by=released))

    for saga_id in (shipped, released, uuid7()):
        with pytest.raises(NothingReserved):
            ask("inventory", FreeStock(placed_by=saga_id))

    assert stock("apple") == {"apple": (8, 0, 2)}
    assert books_balance()
