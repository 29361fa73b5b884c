"""The kinds of orders that there are, one list for all tests that try each of them: everybody has
one that it refuses, and some are confirmed.

The shop has tea at its price, MANY pieces at most; RICH can pay for anything, POOR for nothing.
"""

from typing import NamedTuple

from apps.contracts.values import PaymentMethod, PricedLine

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

    @property
    def lines(self) -> tuple[PricedLine, ...]:
        """What is bought."""
        line = PricedLine(product_id="tea", quantity=self.pieces, unit_price_cents=self.price)
        return (line,)

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

# What needs no bank, the same by store credit.
WITHOUT_BANK = tuple(each._replace(method=CREDIT) for each in KINDS if not each.declined)
