"""The kinds of orders that there are: each is refused by somebody else, or by nobody."""

from typing import NamedTuple

from apps.contracts.values import PaymentMethod, PricedLine
from apps.inventory.services import receive_stock
from apps.payments.services import set_credit
from apps.pricing.services import NewListPrice, set_list_prices
from tests.reliability.simulation.shop import CURRENCY, Wish

RICH, POOR = 7, 8
PRICE = 450
MANY = 1_000_000  # pieces in stock
CARD, CREDIT = PaymentMethod.CARD, PaymentMethod.CREDIT


class Kind(NamedTuple):
    """An order, and whose refusal undoes it."""

    refused: str = ""  # the step; empty: nobody's
    method: PaymentMethod = CREDIT
    customer: int = RICH
    pieces: int = 1
    price: int = PRICE
    gift_wrap: bool = False
    declined: str = ""  # what the bank says no to

    def wish(self, key: str) -> Wish:
        line = PricedLine(product_id="tea", quantity=self.pieces, unit_price_cents=self.price)
        return Wish(key, self.customer, (line,), self.method, self.gift_wrap)

    def __str__(self) -> str:
        wrapped = ", wrapped" if self.gift_wrap else ""
        return f"{self.refused or 'confirmed'} by {self.method}{wrapped}"


KINDS = (
    Kind(),
    Kind(method=CARD, gift_wrap=True),
    Kind("reserve_stock", pieces=2 * MANY),
    Kind("freeze_price", price=PRICE - 1),
    Kind("authorize_payment", customer=POOR),
    Kind("authorize_payment", CARD, declined="authorize"),
    Kind("wrap_gift", gift_wrap=True, pieces=31),
    Kind("create_shipment", CARD, pieces=201),
    Kind("capture_payment", CARD, declined="capture"),
)


def open_big_shop() -> None:
    """There is enough of everything for all who can pay, in empty databases."""
    receive_stock(quantities={"tea": MANY}, reason="test")
    set_list_prices(prices={"tea": NewListPrice(PRICE, CURRENCY)})
    set_credit(available={RICH: 1_000_000_000, POOR: 1}, currency=CURRENCY, reason="test")
