"""Words that the tests of pricing share."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from apps.contracts.pricing import FreezePrice
from apps.contracts.values import PriceChange, PricedLine


def line(product_id: str, quantity: int, unit_price_cents: int) -> PricedLine:
    return PricedLine(product_id=product_id, quantity=quantity, unit_price_cents=unit_price_cents)


def freeze(*lines: PricedLine, order_id: UUID | None = None, currency: str = "USD") -> FreezePrice:
    return FreezePrice(order_id=order_id or uuid7(), currency=currency, lines=lines)


def change(product_id: str, seen_cents: int, current_cents: int | None) -> PriceChange:
    return PriceChange(product_id=product_id, seen_cents=seen_cents, current_cents=current_cents)


def hours_ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)
