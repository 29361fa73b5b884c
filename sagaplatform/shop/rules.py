"""What the demonstration shop has: stock, promotions and credit, by rule from the baskets' demand.

No coin is tossed: the same files give the same shop, in which a few per cent of the baskets fail
for each reason. RULES states each rule in words, and `load_catalogue` prints it. Gift wrap (at
most 30 pieces) and the parcel (at most 60) are shipping's own rules.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sagaplatform.shop.baskets import Basket, Product

RULES = (
    "Stock: as many pieces as these baskets want. Of a product in 3 or more baskets whose id is "
    "divisible by 15 only three quarters of that, so its last pieces are fought over. 10 of what "
    "nobody wants.",
    "Promotions: each price below the list price. One in 3 or more baskets has ended if product id "
    "plus price in cents is divisible by 12.",
    "Credit: what the household's baskets cost; half of that if its number is divisible by 25.",
    "Gift wrap: wished for if the basket's id is divisible by 5.",
    "Mail: a household whose number is divisible by 10 is told by e-mail too.",
)

UNWANTED_STOCK = 10

Promotion = tuple[str, int]  # product id, price in cents


@dataclass
class Demand:
    """What a number of baskets ask for: nothing of it grows with their number alone."""

    products: Mapping[str, Product]
    baskets: int = 0
    lines: int = 0
    pieces: Counter[str] = field(default_factory=Counter)  # by product
    buyers: Counter[str] = field(default_factory=Counter)  # baskets, by product
    promotions: Counter[Promotion] = field(default_factory=Counter)  # baskets
    spending: Counter[int] = field(default_factory=Counter)  # cents, by household

    def add(self, basket: Basket) -> None:
        self.baskets += 1
        self.lines += len(basket.lines)
        self.spending[basket.household] += basket.total_cents
        for line in basket.lines:
            self.pieces[line.product_id] += line.quantity
            self.buyers[line.product_id] += 1
            if line.unit_price_cents != self.products[line.product_id].list_price_cents:
                self.promotions[line.product_id, line.unit_price_cents] += 1


@dataclass(frozen=True)
class Shop:
    """What the shop is to have before the baskets come."""

    stock: Mapping[str, int]  # pieces on hand, by product
    running: frozenset[Promotion]
    ended: frozenset[Promotion]
    credit: Mapping[int, int]  # cents, by household
    contended: int  # products of which there are fewer than wanted


def demand_of(baskets: Iterable[Basket], products: Mapping[str, Product]) -> Demand:
    """Add up what the baskets ask for."""
    demand = Demand(products)
    for basket in baskets:
        demand.add(basket)
    return demand


def shop_for(demand: Demand) -> Shop:
    """Apply the rules."""
    ended = frozenset(each for each in demand.promotions if _has_ended(each, demand))
    return Shop(
        stock={product: _stock(product, demand) for product in demand.products},
        running=frozenset(demand.promotions) - ended,
        ended=ended,
        credit={household: _credit(household, demand) for household in demand.spending},
        contended=sum(_is_contended(product, demand) for product in demand.pieces),
    )


def wants_gift_wrap(basket: Basket) -> bool:
    """Whether the customer asks for gift wrap."""
    return basket.id % 5 == 0


def has_mail(household: int) -> bool:
    """Whether the customer has given an e-mail address."""
    return household % 10 == 0


def _stock(product: str, demand: Demand) -> int:
    wanted = demand.pieces.get(product, UNWANTED_STOCK)
    return wanted * 3 // 4 if _is_contended(product, demand) else wanted


def _is_contended(product: str, demand: Demand) -> bool:
    return demand.buyers[product] >= 3 and int(product) % 15 == 0


def _has_ended(promotion: Promotion, demand: Demand) -> bool:
    product, cents = promotion
    return demand.promotions[promotion] >= 3 and (int(product) + cents) % 12 == 0


def _credit(household: int, demand: Demand) -> int:
    wanted = demand.spending[household]
    return wanted // 2 if household % 25 == 0 else wanted
