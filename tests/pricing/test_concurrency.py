"""Prices that change while they are being frozen, in threads and connections of their own."""

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.pricing import PriceFreezeFailed, PriceFrozen, UnfreezePrice
from apps.pricing import selectors
from apps.pricing.errors import NothingFrozen
from apps.pricing.services import (
    NewListPrice,
    NewPromotion,
    end_promotions,
    set_list_prices,
    start_promotions,
)
from tests.handling import ask
from tests.pricing.prices import change, freeze, line
from tests.threads import at_once

BASKET = freeze(line("apple", 1, 90))
GIVEN = PriceFrozen(total_cents=90)
OVER = PriceFreezeFailed(changed=(change("apple", 90, 100),))


@pytest.fixture(autouse=True)
def promotion(databases: dict[str, psycopg.Connection]) -> None:
    set_list_prices(prices={"apple": NewListPrice(100, "USD")})
    start_promotions(promotions=[NewPromotion("apple", 90)])


def test_a_promotion_that_ends_meanwhile_is_given_until_some_moment_and_never_after() -> None:
    answers: list[Event] = []

    def freeze_often() -> None:
        answers.extend(ask("pricing", BASKET) for _ in range(50))

    outcomes = at_once(freeze_often, lambda: end_promotions(promotions=[("apple", 90)]))

    assert outcomes == [None, 1]
    given = answers.count(GIVEN)
    assert answers == [GIVEN] * given + [OVER] * (50 - given)
    assert ask("pricing", BASKET) == OVER


def test_a_promotion_that_is_started_again_meanwhile_is_on_offer_all_the_time() -> None:
    def start_often() -> None:
        for _ in range(100):
            start_promotions(promotions=[NewPromotion("apple", 90)])

    def freeze_often() -> set[Event]:
        return {ask("pricing", BASKET) for _ in range(50)}

    assert at_once(freeze_often, freeze_often, start_often) == [{GIVEN}, {GIVEN}, None]


@pytest.mark.parametrize("attempt", range(5))
def test_a_promise_is_taken_back_once(attempt: int) -> None:
    saga_id = uuid7()
    ask("pricing", BASKET, saga_id=saga_id)

    answers = at_once(*[lambda: ask("pricing", UnfreezePrice(), saga_id=saga_id)] * 2)

    assert sum(isinstance(each, NothingFrozen) for each in answers) == 1
    assert selectors.freeze_effects([saga_id])[saga_id].status == "unfrozen"
