"""What can be read of pricing: by doors, by freezes, and by the conservation check.

Each is one statement on the connection's own transaction, so that a caller that opens one
REPEATABLE READ transaction reads all of them from one snapshot.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apps.messaging.database import Database


class Offers(NamedTuple):
    """The unit prices at which a product can be had now, in cents, the lowest first."""

    product_id: str
    currency: str
    prices: tuple[int, ...]

    @property
    def lowest(self) -> int:
        return self.prices[0]


class FreezeEffect(NamedTuple):
    """What pricing promised to a saga, and whether the promise holds (frozen, unfrozen)."""

    saga_id: UUID
    status: str
    total_cents: int


class Frozen(NamedTuple):
    """The prices that were promised to a saga, and whether the promise holds."""

    total_cents: int
    currency: str
    status: str
    frozen_at: datetime
    unfrozen_at: datetime | None


class TotalDifference(NamedTuple):
    """A promise whose total is not what its lines add up to."""

    saga_id: UUID
    total_cents: int
    lines_cents: int


# List prices and running promotions of some products, by one snapshot. No row is locked: a
# promotion whose end was committed before the snapshot is seen as ended; an end that is committed
# later comes after what is decided on this reading, even if both were under way together. The
# moment is taken once, and after the snapshot: what is seen as started has started by then.
PRICES_ON_OFFER = """
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now)
SELECT list.product_id, list.currency,
    array(
        SELECT list.unit_price_cents
        UNION
        SELECT promotion.unit_price_cents FROM pricing_promotion AS promotion, moment
        WHERE promotion.product_id = list.product_id AND promotion.starts_at <= moment.now
            AND (promotion.ends_at IS NULL OR promotion.ends_at > moment.now)
        ORDER BY 1
    )
FROM pricing_listprice AS list WHERE list.product_id = ANY(%b::text[])
"""

# What was promised to each of some sagas.
FREEZE_EFFECTS = """
SELECT saga_id, status, total_cents FROM pricing_pricefreeze
WHERE saga_id = ANY(%b::uuid[]) ORDER BY saga_id
"""

# What was promised to one saga.
FROZEN_FOR = """
SELECT total_cents, currency, status, frozen_at, unfrozen_at FROM pricing_pricefreeze
WHERE saga_id = %b
"""

# Promises whose total and lines differ.
TOTALS_AGAINST_LINES = """
SELECT saga_id, total_cents, lines_cents FROM pricing_pricefreeze, LATERAL (
    SELECT coalesce(sum(quantity * unit_price_cents), 0)::bigint AS lines_cents
    FROM jsonb_to_recordset(lines) AS line (quantity bigint, unit_price_cents bigint)
) AS summed
WHERE total_cents <> lines_cents ORDER BY saga_id
"""


def prices_on_offer(product_ids: Collection[str]) -> dict[str, Offers]:
    """What can be bought at which prices now, by product id; what is not sold is left out."""
    rows = _database().fetch(PRICES_ON_OFFER, [list(product_ids)])
    return {row[0]: Offers(row[0], row[1], tuple(row[2])) for row in rows}


def freeze_effects(saga_ids: Collection[UUID]) -> dict[UUID, FreezeEffect]:
    """What pricing did for these sagas; those to which it promised nothing are left out."""
    rows = _database().fetch(FREEZE_EFFECTS, [list(saga_ids)])
    return {row[0]: FreezeEffect(*row) for row in rows}


def frozen_for(saga_id: UUID) -> Frozen | None:
    """What was promised to a saga; None where nothing ever was."""
    rows = _database().fetch(FROZEN_FOR, [saga_id])
    return Frozen(*rows[0]) if rows else None


def freeze_count() -> int:
    """How many promises were made."""
    [(count,)] = _database().fetch("SELECT count(*) FROM pricing_pricefreeze")
    return int(count)


def totals_against_lines() -> list[TotalDifference]:
    """The promises that break their own law: the total is the sum of quantity times price."""
    return [TotalDifference(*row) for row in _database().fetch(TOTALS_AGAINST_LINES)]


def _database() -> Database:
    return Database("pricing")
