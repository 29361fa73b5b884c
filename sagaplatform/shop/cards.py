"""How households pay: with store credit, or with one of Stripe's test cards, by rule."""

import enum
from dataclasses import dataclass

from sagaplatform.shop.baskets import Basket

CARD_RULE = (
    "Cards: of 40 baskets one is paid with a stolen card, and one with an empty one, in whose "
    "place another is given; of two the bank asks its customer, who agrees to one and takes "
    "another card for the other."
)
GOOD, STOLEN = "pm_card_visa", "pm_card_visa_chargeDeclinedStolenCard"
EMPTY = "pm_card_visa_chargeDeclinedInsufficientFunds"
ASKED = "pm_card_threeDSecure2Required"


class Payment(enum.StrEnum):
    """What a replay pays with."""

    CREDIT = "credit"
    CARD = "card"
    MIXED = "mixed"  # baskets of an odd id by card

    def by_card(self, basket: Basket) -> bool:
        """Whether this basket is paid by card."""
        return self is Payment.CARD or (self is Payment.MIXED and basket.id % 2 == 1)


@dataclass(frozen=True, slots=True)
class Card:
    """How one customer pays by card."""

    name: str  # one of Stripe's test cards
    another: str = ""  # which is given when that one is declined
    agrees: bool = True  # when the bank asks

    @property
    def wants_attention(self) -> bool:
        """Whether paying by it may come to wait for the customer."""
        return bool(self.another) or self.name == ASKED


PLAIN = Card(GOOD)
OTHERS = {
    7: Card(STOLEN),
    13: Card(EMPTY, another=GOOD),
    3: Card(ASKED),
    19: Card(ASKED, another=GOOD, agrees=False),
}


def card_of(basket: Basket) -> Card:
    """The card of the household that pays for this basket."""
    return OTHERS.get(basket.id % 40, PLAIN)
