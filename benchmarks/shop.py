"""A shop that never runs short, and customers who can pay: every order is confirmed."""

import random
from dataclasses import dataclass, field

from django.db import connections
from uuid_utils.compat import uuid7

from apps.contracts.orders import OrderCreated
from apps.contracts.values import Address, PaymentMethod, PricedLine
from apps.inventory.services import receive_stock
from apps.orders.services import Answer, place_order
from apps.payments.services import set_credit
from apps.pricing.services import NewListPrice, set_list_prices

PRODUCTS = 500
CUSTOMERS = 1000
LINES = 3
STOCK = 1_000_000
CREDIT_CENTS = 10**10
HOME = Address(
    name="Ada Example", street="1 Any Street", postal_code="12345", city="Anytown", country="US"
)


def price_of(number: int) -> int:
    """The list price of a product, in cents."""
    return 100 + 7 * number


def prices() -> dict[str, int]:
    """All products, with their list prices in cents."""
    return {f"product-{number:03}": price_of(number) for number in range(PRODUCTS)}


def open_shop() -> None:
    """Stock, prices and credit for more orders than any run places."""
    listed = prices()
    receive_stock(quantities=dict.fromkeys(listed, STOCK), reason="benchmark")
    offers = {
        name: NewListPrice(unit_price_cents=cents, currency="USD", name=name)
        for name, cents in listed.items()
    }
    set_list_prices(prices=offers)
    credit = dict.fromkeys(range(1, CUSTOMERS + 1), CREDIT_CENTS)
    set_credit(available=credit, currency="USD", reason="benchmark")
    connections.close_all()


@dataclass
class Customers:
    """Those who buy: three lines each, paid with store credit."""

    seed: int
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - what is bought is no secret

    def buy(self, ticket: str) -> None:
        """Place an order as the API's view does; the ticket is the trace that all its messages
        carry."""
        place_order(
            customer_id=self._somebody(),
            lines=self._basket(),
            currency="USD",
            payment_method=PaymentMethod.CREDIT,
            gift_wrap=False,
            address=HOME,
            idempotency_key=ticket,
            request_hash=b"benchmark",
            answer=lambda order: Answer(202, "{}"),
            traceparent=ticket,
        )

    def order(self) -> OrderCreated:
        """An order as such, for others than the platform to place."""
        lines = self._basket()
        return OrderCreated(
            order_id=uuid7(),
            customer_id=self._somebody(),
            currency="USD",
            lines=lines,
            total_cents=sum(line.quantity * line.unit_price_cents for line in lines),
            payment_method=PaymentMethod.CREDIT,
            gift_wrap=False,
            address=HOME,
        )

    def _somebody(self) -> int:
        return self.chance.randint(1, CUSTOMERS)

    def _basket(self) -> tuple[PricedLine, ...]:
        return tuple(
            PricedLine(
                product_id=f"product-{number:03}",
                quantity=self.chance.randint(1, 3),
                unit_price_cents=price_of(number),
            )
            for number in self.chance.sample(range(PRODUCTS), LINES)
        )
