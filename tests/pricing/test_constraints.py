"""What the database refuses, whoever asks: raw SQL as the run-time role."""

import os
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from uuid_utils.compat import uuid7

from apps.pricing.services import NewListPrice, NewPromotion, set_list_prices, start_promotions
from tests.handling import ask
from tests.pricing.prices import freeze, line

SAGA = UUID("01a209f2-36ce-718b-90fe-f123a27b85d2")


@pytest.fixture
def run_time(databases: dict[str, psycopg.Connection]) -> Iterator[psycopg.Connection]:
    set_list_prices(prices={"apple": NewListPrice(100, "USD")})
    start_promotions(promotions=[NewPromotion("apple", 90)])
    ask("pricing", freeze(line("apple", 2, 90)), saga_id=SAGA)
    with psycopg.connect(os.environ["DATABASE_URL_PRICING"], autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE pricing_listprice SET unit_price_cents = 0", "list_price_positive"),
        ("UPDATE pricing_promotion SET unit_price_cents = 0", "promotion_positive"),
        ("UPDATE pricing_promotion SET ends_at = starts_at", "promotion_ends_after_start"),
        ("UPDATE pricing_pricefreeze SET total_cents = 0", "freeze_total_positive"),
        ("UPDATE pricing_pricefreeze SET status = 'unfrozen'", "freeze_holds_or_taken_back"),
        ("UPDATE pricing_pricefreeze SET unfrozen_at = now()", "freeze_holds_or_taken_back"),
        ("UPDATE pricing_pricefreeze SET status = 'thawed'", "freeze_holds_or_taken_back"),
    ],
)
def test_no_row_says_what_cannot_be(
    run_time: psycopg.Connection, statement: str, constraint: str
) -> None:
    with pytest.raises(errors.CheckViolation, match=constraint):
        run_time.execute(statement)


def test_a_promotion_is_there_once_per_product_and_price(run_time: psycopg.Connection) -> None:
    with pytest.raises(errors.UniqueViolation, match="promotion_once_per_price"):
        run_time.execute(
            "INSERT INTO pricing_promotion (product_id, unit_price_cents) VALUES ('apple', 90)"
        )


def test_a_sagas_prices_are_frozen_once(run_time: psycopg.Connection) -> None:
    with pytest.raises(errors.UniqueViolation, match="pricing_pricefreeze_pkey"):
        run_time.execute(
            "INSERT INTO pricing_pricefreeze (saga_id, order_id, currency, total_cents, lines)"
            " VALUES (%s, %s, 'USD', 1, '[]')",
            [SAGA, uuid7()],
        )
