"""The five refusals in the order of the plan, on paper: what a replay one by one would give."""

from collections import Counter
from collections.abc import Iterable

from sagaplatform.shop.baskets import Basket
from sagaplatform.shop.rules import Shop, wants_gift_wrap

MOST_WRAPPED, MOST_SENT = 30, 60


def outcomes(baskets: Iterable[Basket], shop: Shop) -> Counter[str]:
    """How many baskets end how, if they come one after the other."""
    stock, credit = dict(shop.stock), dict(shop.credit)
    counted: Counter[str] = Counter()
    for basket in baskets:
        outcome = _outcome(basket, shop, stock, credit)
        counted[outcome] += 1
        if outcome == "confirmed":
            credit[basket.household] -= basket.total_cents
            for line in basket.lines:
                stock[line.product_id] -= line.quantity
    return counted


def _outcome(basket: Basket, shop: Shop, stock: dict[str, int], credit: dict[int, int]) -> str:
    pieces = sum(line.quantity for line in basket.lines)
    if any(stock[line.product_id] < line.quantity for line in basket.lines):
        return "stock short"
    if any((line.product_id, line.unit_price_cents) in shop.ended for line in basket.lines):
        return "price changed"
    if credit[basket.household] < basket.total_cents:
        return "credit short"
    if wants_gift_wrap(basket) and pieces > MOST_WRAPPED:
        return "wrap unavailable"
    return "shipment refused" if pieces > MOST_SENT else "confirmed"
