import psycopg
import pytest
from psycopg import errors
from uuid_utils.compat import uuid7

from apps.contracts.pricing import PriceFreezeFailed, PriceFrozen
from apps.pricing import selectors
from apps.pricing.selectors import Offers, TotalDifference, prices_on_offer
from apps.pricing.services import (
    NewListPrice,
    NewPromotion,
    end_promotions,
    set_list_prices,
    start_promotions,
)
from tests.handling import ask
from tests.pricing.prices import change, freeze, hours_ago, line

Databases = dict[str, psycopg.Connection]
APPLE = {"apple": NewListPrice(100, "USD", "APPLE")}


def promotions(databases: Databases) -> list[tuple]:
    rows = databases["pricing"].execute(
        "SELECT product_id, unit_price_cents, starts_at <= now(), ends_at <= now()"
        " FROM pricing_promotion ORDER BY product_id, unit_price_cents"
    )
    return rows.fetchall()


def offers(product_id: str) -> tuple[int, ...]:
    return prices_on_offer([product_id])[product_id].prices


def test_a_new_list_price_replaces_the_old_one_and_keeps_the_name(databases: Databases) -> None:
    set_list_prices(prices=APPLE)
    set_list_prices(prices={"apple": NewListPrice(110, "USD")})

    rows = databases["pricing"].execute(
        "SELECT product_id, unit_price_cents, currency, name FROM pricing_listprice"
    )
    assert rows.fetchall() == [("apple", 110, "USD", "APPLE")]
    assert prices_on_offer(["apple", "bread"]) == {"apple": Offers("apple", "USD", (110,))}


def test_the_same_list_price_again_is_no_change(databases: Databases) -> None:
    def changed_at() -> list[tuple]:
        return databases["pricing"].execute("SELECT changed_at FROM pricing_listprice").fetchall()

    set_list_prices(prices=APPLE)
    before = changed_at()
    set_list_prices(prices=APPLE)

    assert changed_at() == before


def test_prices_on_offer_come_with_the_lowest_first(databases: Databases) -> None:
    set_list_prices(prices=APPLE)
    start_promotions(promotions=[NewPromotion("apple", 120), NewPromotion("apple", 80)])

    assert prices_on_offer(["apple"])["apple"] == Offers("apple", "USD", (80, 100, 120))
    assert prices_on_offer(["apple"])["apple"].lowest == 80


def test_a_promotion_started_again_is_replaced(databases: Databases) -> None:
    set_list_prices(prices=APPLE)
    over = NewPromotion("apple", 90, starts_at=hours_ago(2), ends_at=hours_ago(1))
    start_promotions(promotions=[over, over])
    assert promotions(databases) == [("apple", 90, True, True)]
    assert offers("apple") == (100,)

    for _ in range(2):
        start_promotions(promotions=[NewPromotion("apple", 90)])
        assert promotions(databases) == [("apple", 90, True, None)]
        assert offers("apple") == (90, 100)


def test_an_ended_promotion_is_not_on_offer_any_more(databases: Databases) -> None:
    set_list_prices(prices=APPLE)
    start_promotions(promotions=[NewPromotion("apple", 90), NewPromotion("apple", 80)])
    basket = freeze(line("apple", 1, 80))
    assert ask("pricing", basket) == PriceFrozen(total_cents=80)

    ended = end_promotions(promotions=[("apple", 80), ("apple", 70)])

    assert ended == 1
    assert promotions(databases) == [("apple", 80, True, True), ("apple", 90, True, None)]
    assert ask("pricing", basket) == PriceFreezeFailed(changed=(change("apple", 80, 90),))
    assert end_promotions(promotions=[("apple", 80)]) == 0


def test_a_promotion_that_has_not_begun_is_taken_away(databases: Databases) -> None:
    start_promotions(promotions=[NewPromotion("apple", 80, starts_at=hours_ago(-1))])

    assert end_promotions(promotions=[("apple", 80)]) == 1
    assert promotions(databases) == []


def test_ending_nothing_ends_nothing(databases: Databases) -> None:
    assert end_promotions(promotions=[]) == 0


def test_a_list_of_which_one_price_is_wrong_changes_nothing(databases: Databases) -> None:
    with pytest.raises(errors.CheckViolation, match="list_price_positive"):
        set_list_prices(prices=APPLE | {"bread": NewListPrice(0, "USD")})
    with pytest.raises(errors.CheckViolation, match="promotion_positive"):
        start_promotions(promotions=[NewPromotion("apple", 90), NewPromotion("bread", -1)])
    with pytest.raises(errors.CheckViolation, match="promotion_ends_after_start"):
        start_promotions(
            promotions=[NewPromotion("apple", 90), NewPromotion("bread", 1, ends_at=hours_ago(1))]
        )

    assert prices_on_offer(["apple", "bread"]) == {}
    assert promotions(databases) == []


def test_a_whole_catalogue_is_priced_at_once(databases: Databases) -> None:
    products = [f"p{number:05}" for number in range(7_500)]

    set_list_prices(prices={each: NewListPrice(200, "USD", "THING") for each in products})
    start_promotions(promotions=[NewPromotion(each, 150) for each in products[:3_000]])

    assert offers(products[2_999]) == (150, 200)
    assert offers(products[3_000]) == (200,)


def test_a_total_that_its_lines_do_not_explain_is_found(databases: Databases) -> None:
    saga_id = uuid7()
    set_list_prices(prices=APPLE)
    ask("pricing", freeze(line("apple", 3, 100)), saga_id=saga_id)
    databases["pricing"].execute("UPDATE pricing_pricefreeze SET total_cents = 299")

    assert selectors.totals_against_lines() == [TotalDifference(saga_id, 299, 300)]
