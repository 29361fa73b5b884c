"""What customers do: a small shop with too little of some things, and orders of every kind."""

from typing import NamedTuple
from uuid import UUID

from django.db import connections, transaction

from apps.contracts.values import Address, Line, PaymentMethod, PricedLine, RefundTo
from apps.inventory.services import receive_stock
from apps.orders.cancelling import request_cancellation
from apps.orders.errors import CannotBeCancelled, CannotBeReturned
from apps.orders.returning import announce_return
from apps.orders.services import Answer, place_order
from apps.payments.services import set_credit
from apps.pricing.services import NewListPrice, set_list_prices
from tests.e2e.world import drive_share
from tests.reliability.simulation.chance import Chance
from tests.reliability.simulation.clock import CORRECT_DEFAULTS

PRICES = {"tea": 450, "cup": 1200, "nut": 1}
STOCK = {"tea": 12, "cup": 5, "nut": 150}
CREDIT = {7: 9_000, 8: 4_000}  # in cents, by customer
CURRENCY = "USD"
HOME = Address(name="A", street="1 B", postal_code="1", city="C", country="US")


class Wish(NamedTuple):
    """An order that a customer will place, under a key of its own."""

    key: str
    customer: int
    lines: tuple[PricedLine, ...]
    method: PaymentMethod
    gift_wrap: bool


def open_shop() -> None:
    """So much of everything, in empty databases."""
    receive_stock(quantities=STOCK, reason="simulation")
    prices = {name: NewListPrice(cents, CURRENCY) for name, cents in PRICES.items()}
    set_list_prices(prices=prices)
    set_credit(available=CREDIT, currency=CURRENCY, reason="simulation")


def drive(percent: int) -> None:
    """Events drive so many percent of the orders, of what takes them back, and of returns."""
    for process in ("place_order", "cancel_order", "return_order"):
        drive_share(percent, process)


def wishes(chance: Chance, number: int) -> list[Wish]:
    """What customers will want."""
    return [_wish(chance, f"key-{each}") for each in range(number)]


def _wish(chance: Chance, key: str) -> Wish:
    basket, gift_wrap = chance.one_of(BASKETS, WEIGHTS)
    method = chance.one_of([PaymentMethod.CARD, PaymentMethod.CREDIT], [2, 1])
    customer = chance.one_of(sorted(CREDIT))
    return Wish(key, customer, basket, method, gift_wrap or chance.below(4) == 0)


def _basket(price_change: int = 0, **quantities: int) -> tuple[PricedLine, ...]:
    return tuple(
        PricedLine(
            product_id=product, quantity=quantity, unit_price_cents=PRICES[product] + price_change
        )
        for product, quantity in quantities.items()
    )


# A basket, whether it must be wrapped, and how often it is bought.
KINDS = (
    (_basket(tea=2), False, 4),
    (_basket(tea=1, cup=1), False, 4),
    (_basket(cup=2, nut=3), False, 3),  # of which there are few
    (_basket(nut=5), True, 3),
    (_basket(tea=50), False, 1),  # more than there is
    (_basket(-1, tea=1), False, 1),  # at a price that it has not
    (_basket(tea=1, nut=35), True, 1),  # more than can be wrapped
    (_basket(nut=70), False, 1),  # more than can be sent
    (_basket(cup=3, tea=2), False, 2),  # dear
)
BASKETS = [(basket, gift_wrap) for basket, gift_wrap, _ in KINDS]
WEIGHTS = [weight for _, _, weight in KINDS]


def post(wish: Wish) -> UUID:
    """Send an order as the API does; the order that it led to. Again: the same one."""
    try:
        return place_order(
            customer_id=wish.customer,
            lines=wish.lines,
            currency=CURRENCY,
            payment_method=wish.method,
            gift_wrap=wish.gift_wrap,
            address=HOME,
            idempotency_key=wish.key,
            request_hash=b"x",
            answer=lambda order: Answer(202, "{}"),
        ).order_id
    finally:
        _correct_defaults()


def cancel(customer: int, order_id: UUID) -> str:
    """A customer wishes to cancel, as through the API; what came of it at once."""
    try:
        again = request_cancellation(
            customer_id=customer, order_id=order_id, reason="", idempotency_key="cancel",
            request_hash=b"x",
        )  # fmt: skip
    except CannotBeCancelled as refusal:
        return refusal.code
    return "told again" if again else "taken"


class Parcel(NamedTuple):
    """What a customer sends back, under a key of its own."""

    key: str
    lines: tuple[Line, ...]
    refund_to: RefundTo


def parcel(chance: Chance, wish: Wish) -> Parcel:
    """Some of an order: perhaps again what was sent back already, or under the same key."""
    lines = [
        Line(product_id=each.product_id, quantity=chance.one_of((1, each.quantity), (3, 1)))
        for each in chance.shuffled(wish.lines)[: 1 + chance.below(len(wish.lines))]
    ]
    return Parcel(f"back-{chance.below(4)}", tuple(lines), chance.one_of(tuple(RefundTo)))


def send_back(customer: int, order_id: UUID, parcel: Parcel) -> str:
    """A customer announces a return, as through the API; what came of it at once."""
    try:
        announced = announce_return(
            customer_id=customer, order_id=order_id, lines=parcel.lines, reason="",
            refund_to=parcel.refund_to, idempotency_key=parcel.key, request_hash=b"x",
        )  # fmt: skip
    except CannotBeReturned as refusal:
        return refusal.code
    finally:
        _correct_defaults()
    return "announced again" if announced.replayed else "announced"


def _correct_defaults() -> None:
    with transaction.atomic(using="orders"), connections["orders"].cursor() as cursor:
        cursor.execute(CORRECT_DEFAULTS)
