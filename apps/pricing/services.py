"""Prices that people set: list prices, and promotions that start and end.

Money is in cents of the list price's currency. Where no time is given it is now, by the database's
clock. A price that is not above 0, or an end that is not after the start, is refused by a
constraint: psycopg.errors.CheckViolation, and nothing is changed.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from apps.messaging.database import Database, columns


@dataclass(frozen=True, slots=True)
class NewListPrice:
    """What one piece costs from now on."""

    unit_price_cents: int
    currency: str  # ISO 4217
    name: str = ""  # of the product, for people; an empty one leaves what is there


@dataclass(frozen=True, slots=True)
class NewPromotion:
    """Another price for some time."""

    product_id: str
    unit_price_cents: int
    starts_at: datetime | None = None  # None: now
    ends_at: datetime | None = None  # None: until it is ended


# Set list prices; rows that say so already stay untouched.
SET_LIST_PRICES = """
INSERT INTO pricing_listprice AS list (product_id, unit_price_cents, currency, name)
SELECT product_id, unit_price_cents, currency, name
FROM unnest(%b::text[], %b::int[], %b::text[], %b::text[])
    AS given (product_id, unit_price_cents, currency, name)
ORDER BY product_id
ON CONFLICT (product_id) DO UPDATE
SET unit_price_cents = EXCLUDED.unit_price_cents, currency = EXCLUDED.currency,
    name = coalesce(nullif(EXCLUDED.name, ''), list.name), changed_at = statement_timestamp()
WHERE (list.unit_price_cents, list.currency) <> (EXCLUDED.unit_price_cents, EXCLUDED.currency)
    OR EXCLUDED.name NOT IN ('', list.name)
"""

# Start promotions; one of the same product and price, over or not, gets the new times.
START_PROMOTIONS = """
INSERT INTO pricing_promotion (product_id, unit_price_cents, starts_at, ends_at)
SELECT product_id, unit_price_cents, coalesce(starts_at, statement_timestamp()), ends_at
FROM unnest(%b::text[], %b::int[], %b::timestamptz[], %b::timestamptz[])
    AS given (product_id, unit_price_cents, starts_at, ends_at)
ORDER BY product_id, unit_price_cents
ON CONFLICT (product_id, unit_price_cents) DO UPDATE
SET starts_at = EXCLUDED.starts_at, ends_at = EXCLUDED.ends_at
"""

# End promotions that run; take away those that have not begun. What is over stays as it is.
END_PROMOTIONS = """
WITH chosen AS (
    SELECT id, promotion.starts_at < statement_timestamp() AS begun
    FROM pricing_promotion AS promotion
    JOIN unnest(%b::text[], %b::int[]) AS given (product_id, unit_price_cents)
        USING (product_id, unit_price_cents)
    WHERE promotion.ends_at IS NULL OR promotion.ends_at > statement_timestamp()
    ORDER BY promotion.product_id, promotion.unit_price_cents FOR UPDATE OF promotion
), ended AS (
    UPDATE pricing_promotion SET ends_at = statement_timestamp()
    WHERE id IN (SELECT id FROM chosen WHERE begun) RETURNING id
), withdrawn AS (
    DELETE FROM pricing_promotion WHERE id IN (SELECT id FROM chosen WHERE NOT begun) RETURNING id
)
SELECT (SELECT count(*) FROM ended) + (SELECT count(*) FROM withdrawn)
"""


def set_list_prices(*, prices: Mapping[str, NewListPrice]) -> None:
    """Products cost this from now on, by product id. What was frozen stays as it was promised."""
    rows = [
        (product_id, price.unit_price_cents, price.currency, price.name)
        for product_id, price in prices.items()
    ]
    _write(SET_LIST_PRICES, columns(rows, 4))


def start_promotions(*, promotions: Iterable[NewPromotion]) -> None:
    """Offer products at these prices too. Of several for the same product and price the last holds;
    one that is there already, over or not, gets the new times, so that a repetition adds nothing.
    """
    chosen = {(each.product_id, each.unit_price_cents): each for each in promotions}
    rows = [
        (each.product_id, each.unit_price_cents, each.starts_at, each.ends_at)
        for each in chosen.values()
    ]
    _write(START_PROMOTIONS, columns(rows, 4))


def end_promotions(*, promotions: Collection[tuple[str, int]]) -> int:
    """End promotions, named by product and unit price, now: what is frozen from now on does not get
    them. How many were ended; one that is over already, or never was, is not an error.
    """
    database = Database("pricing")
    with database.transaction():
        [(ended,)] = database.fetch(END_PROMOTIONS, columns(set(promotions), 2))
    return ended


def _write(statement: str, parameters: list[list[object]]) -> None:
    database = Database("pricing")
    with database.transaction():
        database.execute(statement, parameters)
