import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.pricing import (
    PriceFreezeFailed,
    PriceFrozen,
    PriceUnfrozen,
    PriceWithdrawn,
    UnfreezePrice,
    WithdrawPrice,
)
from apps.pricing import selectors
from apps.pricing.errors import EmptyBasket, NotAQuantity, NothingFrozen
from apps.pricing.selectors import FreezeEffect
from apps.pricing.services import (
    NewListPrice,
    NewPromotion,
    end_promotions,
    set_list_prices,
    start_promotions,
)
from tests.handling import ask, ask_together
from tests.pricing.prices import change, freeze, hours_ago, line

Databases = dict[str, psycopg.Connection]


@pytest.fixture(autouse=True)
def price_list(databases: Databases) -> None:
    """Apples: 100, and as promotions 90 and 80 now, 70 until an hour ago, 60 in an hour."""
    set_list_prices(
        prices={"apple": NewListPrice(100, "USD"), "bread": NewListPrice(255, "USD")},
    )
    start_promotions(
        promotions=[
            NewPromotion("apple", 90),
            NewPromotion("apple", 80, starts_at=hours_ago(2), ends_at=hours_ago(-2)),
            NewPromotion("apple", 70, starts_at=hours_ago(2), ends_at=hours_ago(1)),
            NewPromotion("apple", 60, starts_at=hours_ago(-1)),
            NewPromotion("dust", 10),
        ],
    )


@pytest.mark.parametrize("seen", [100, 90, 80])
def test_the_list_price_and_each_running_promotion_are_on_offer(seen: int) -> None:
    assert ask("pricing", freeze(line("apple", 3, seen))) == PriceFrozen(total_cents=3 * seen)


@pytest.mark.parametrize(
    "seen",
    [
        70,  # over
        60,  # not begun
        99,  # never was
        101,  # more than it costs is not what it costs
    ],
)
def test_no_other_price_is_on_offer_and_the_refusal_names_the_lowest_that_is(seen: int) -> None:
    saga_id = uuid7()

    answer = ask("pricing", freeze(line("bread", 1, 255), line("apple", 3, seen)), saga_id=saga_id)

    assert answer == PriceFreezeFailed(changed=(change("apple", seen, 80),))
    assert selectors.freeze_effects([saga_id]) == {}


@pytest.mark.parametrize("product_id", ["unknown", "dust"])
def test_what_has_no_list_price_is_not_sold_promotion_or_not(product_id: str) -> None:
    answer = ask("pricing", freeze(line(product_id, 1, 10)))

    assert answer == PriceFreezeFailed(changed=(change(product_id, 10, None),))
    assert (
        answer.reason
        == f"Prices have changed: product {product_id} is not on sale in this currency"
    )


def test_what_is_listed_in_another_currency_is_not_sold_in_this_one() -> None:
    answer = ask("pricing", freeze(line("apple", 1, 100), currency="EUR"))

    assert answer == PriceFreezeFailed(changed=(change("apple", 100, None),))


def test_a_refusal_names_every_changed_price_once() -> None:
    answer = ask(
        "pricing",
        freeze(
            line("apple", 1, 70),
            line("bread", 1, 250),
            line("apple", 2, 70),
            line("apple", 1, 60),
            line("apple", 1, 90),
        ),
    )

    assert answer == PriceFreezeFailed(
        changed=(change("apple", 70, 80), change("bread", 250, 255), change("apple", 60, 80))
    )


def test_a_freeze_keeps_its_lines_and_their_total(databases: Databases) -> None:
    saga_id, order_id = uuid7(), uuid7()

    answer = ask(
        "pricing",
        freeze(
            line("apple", 2, 100), line("apple", 1, 90), line("bread", 3, 255), order_id=order_id
        ),
        saga_id=saga_id,
    )

    rows = databases["pricing"].execute(
        "SELECT saga_id, order_id, currency, total_cents, status, lines FROM pricing_pricefreeze"
    )
    assert answer == PriceFrozen(total_cents=1055)
    assert rows.fetchall() == [
        (saga_id, order_id, "USD", 1055, "frozen", [
            {"product_id": "apple", "quantity": 2, "unit_price_cents": 100},
            {"product_id": "apple", "quantity": 1, "unit_price_cents": 90},
            {"product_id": "bread", "quantity": 3, "unit_price_cents": 255},
        ]),
    ]  # fmt: skip
    assert selectors.totals_against_lines() == []


def test_a_promise_is_taken_back_whatever_prices_have_become() -> None:
    saga_id, other = uuid7(), uuid7()
    ask("pricing", freeze(line("apple", 2, 90)), saga_id=saga_id)
    ask("pricing", freeze(line("bread", 1, 255)), saga_id=other)
    end_promotions(promotions=[("apple", 90)])

    answer = ask("pricing", UnfreezePrice(), saga_id=saga_id)

    assert answer == PriceUnfrozen(total_cents=180)
    assert selectors.freeze_effects([saga_id, other]) == {
        saga_id: FreezeEffect(saga_id, "unfrozen", 180),
        other: FreezeEffect(other, "frozen", 255),
    }


def test_what_is_not_frozen_cannot_be_taken_back() -> None:
    saga_id = uuid7()
    ask("pricing", freeze(line("apple", 2, 90)), saga_id=saga_id)
    ask("pricing", UnfreezePrice(), saga_id=saga_id)

    for each in (saga_id, uuid7()):
        with pytest.raises(NothingFrozen, match=str(each)):
            ask("pricing", UnfreezePrice(), saga_id=each)

    assert selectors.freeze_effects([saga_id]) == {saga_id: FreezeEffect(saga_id, "unfrozen", 180)}


@pytest.mark.parametrize("quantity", [0, -1])
def test_less_than_one_piece_is_an_error_and_freezes_nothing(quantity: int) -> None:
    saga_id = uuid7()

    with pytest.raises(NotAQuantity, match=f"product 'bread': {quantity}"):
        ask("pricing", freeze(line("apple", 2, 90), line("bread", quantity, 255)), saga_id=saga_id)

    assert selectors.freeze_effects([saga_id]) == {}


def test_an_empty_basket_is_an_error() -> None:
    with pytest.raises(EmptyBasket):
        ask("pricing", freeze())


def test_each_basket_of_a_batch_is_decided_by_itself() -> None:
    first, second, third, undone = uuid7(), uuid7(), uuid7(), uuid7()
    ask("pricing", freeze(line("bread", 1, 255)), saga_id=undone)

    answers = ask_together(
        "pricing",
        [
            (first, "", freeze(line("apple", 1, 90))),
            (second, "", freeze(line("apple", 1, 70))),
            (undone, "", UnfreezePrice()),
            (third, "", freeze(line("apple", 1, 80), line("bread", 1, 255))),
        ],
    )

    assert answers == [
        PriceFrozen(total_cents=90),
        PriceFreezeFailed(changed=(change("apple", 70, 80),)),
        PriceUnfrozen(total_cents=255),
        PriceFrozen(total_cents=335),
    ]
    assert selectors.freeze_effects([first, second, third, undone]) == {
        first: FreezeEffect(first, "frozen", 90),
        third: FreezeEffect(third, "frozen", 335),
        undone: FreezeEffect(undone, "unfrozen", 255),
    }
    assert selectors.totals_against_lines() == []


def test_a_promise_is_withdrawn_when_its_order_is_cancelled_after_its_end() -> None:
    saga_id, other = uuid7(), uuid7()
    for each in (saga_id, other):
        ask("pricing", freeze(line("apple", 3, 100)), saga_id=each)

    answer = ask("pricing", WithdrawPrice(placed_by=saga_id))

    assert answer == PriceWithdrawn(total_cents=300)
    assert {
        key: each.status for key, each in selectors.freeze_effects([saga_id, other]).items()
    } == {
        saga_id: "unfrozen",
        other: "frozen",
    }
    for each in (saga_id, uuid7()):
        with pytest.raises(NothingFrozen):
            ask("pricing", WithdrawPrice(placed_by=each))
