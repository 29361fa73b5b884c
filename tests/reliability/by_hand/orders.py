"""A shop for many orders of each kind."""

from apps.inventory.services import receive_stock
from apps.payments.services import set_credit
from apps.pricing.services import NewListPrice, set_list_prices
from tests.kinds import MANY, POOR, PRICE, RICH, Kind
from tests.reliability.simulation.shop import CURRENCY, Wish


def wish(kind: Kind, key: str) -> Wish:
    """Such an order, under that key."""
    return Wish(key, kind.customer, kind.lines, kind.method, kind.gift_wrap)


def open_big_shop() -> None:
    """There is enough of everything for all who can pay, in empty databases."""
    receive_stock(quantities={"tea": MANY}, reason="test")
    set_list_prices(prices={"tea": NewListPrice(PRICE, CURRENCY)})
    set_credit(available={RICH: 1_000_000_000, POOR: 1}, currency=CURRENCY, reason="test")
