"""A small shop: three products, a customer with credit, and what stands in each database."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import psycopg

from apps.contracts.plan import Mode
from apps.contracts.values import Address, PaymentMethod, PricedLine
from apps.inventory.services import receive_stock
from apps.messaging.audit import Actor
from apps.orders.modes import set_share, share_of
from apps.orders.services import Answer, Placement, place_order
from apps.payments.services import set_credit
from apps.pricing.services import NewListPrice, set_list_prices

CUSTOMER = 7
PRICES = {"tea": 450, "cup": 1200, "cake": 899}
HOME = Address(
    name="Ada Example", street="1 Any Street", postal_code="12345", city="Anytown", country="US"
)


def open_shop(*, stock: int = 1000, credit_cents: int = 10_000_000) -> None:
    """So many pieces of each product, and so much credit."""
    receive_stock(quantities=dict.fromkeys(PRICES, stock), reason="test")
    set_list_prices(
        prices={
            product: NewListPrice(unit_price_cents=cents, currency="USD", name=product)
            for product, cents in PRICES.items()
        }
    )
    set_credit(available={CUSTOMER: credit_cents}, currency="USD", reason="test")


def drive(mode: Mode, process: str = "place_order") -> None:
    """Who drives the sagas of a process that start from now on."""
    drive_share(100 if mode is Mode.CHOREOGRAPHED else 0, process)


def drive_share(percent: int, process: str = "place_order") -> None:
    """Events drive so many percent of the sagas of a process that start from now on."""
    version, actor = share_of(process)[1], Actor(id=None, name="test")
    set_share(process=process, percent=percent, version=version, actor=actor, reason="test")


def basket(**quantities: int) -> tuple[PricedLine, ...]:
    """Lines at list price: basket(tea=2)."""
    return tuple(
        PricedLine(product_id=product, quantity=quantity, unit_price_cents=PRICES[product])
        for product, quantity in quantities.items()
    )


def buy(
    lines: Sequence[PricedLine],
    *,
    gift_wrap: bool = False,
    payment_method: PaymentMethod = PaymentMethod.CREDIT,
    customer: int = CUSTOMER,
    card: str = "",
) -> Placement:
    """Place an order as the API does."""
    return place_order(
        customer_id=customer,
        lines=lines,
        currency="USD",
        payment_method=payment_method,
        gift_wrap=gift_wrap,
        address=HOME,
        card=card,
        idempotency_key=f"key-{uuid4()}",
        request_hash=b"x",
        answer=lambda order: Answer(202, "{}"),
    )


# What a service holds for orders, in exact values: an order that is undone leaves it as it was.
HOLDINGS = {
    "inventory": "SELECT product_id, on_hand, reserved, shipped FROM inventory_stock ORDER BY 1",
    "pricing": "SELECT count(*) FROM {frozen} WHERE status = 'frozen'",
    "payments": "SELECT customer_id, available_cents, held_cents FROM {account} ORDER BY 1",
    "wraps": "SELECT count(*) FROM shipping_giftwrap WHERE status = 'wrapped'",
    "shipments": "SELECT count(*) FROM shipping_shipment WHERE status <> 'cancelled'",
    "messages": "SELECT count(*) FROM notifications_customermessage WHERE kind <> ALL({news})",
}


def holdings(databases: dict[str, psycopg.Connection]) -> dict[str, list[Any]]:
    """What each service holds."""
    aliases = {"wraps": "shipping", "shipments": "shipping", "messages": "notifications"}
    tables = {
        "frozen": "pricing_pricefreeze",
        "account": "payments_account",
        "news": "ARRAY['refused', 'shipped', 'refunded']",  # which no step sends
    }
    return {
        name: databases[aliases.get(name, name)].execute(query.format(**tables)).fetchall()
        for name, query in HOLDINGS.items()
    }
