"""Values that several contexts speak of. Money is in cents of the order's currency."""

import enum
from typing import Annotated

import msgspec


class PaymentMethod(enum.StrEnum):
    """How an order is paid."""

    CREDIT = "credit"  # store credit: a ledger of our own
    CARD = "card"  # a payment gateway


class RefundTo(enum.StrEnum):
    """Where the money of returned goods goes."""

    ORIGINAL = "original"  # the way it was paid
    CREDIT = "credit"  # store credit


# What the gateway calls a customer's card: nothing else of a card ever gets here, nor does its
# number with pm_ before it (Stripe's own ids are of letters and digits at random).
CardId = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^pm_(?![A-Za-z0-9_]*[0-9]{13})[A-Za-z0-9_]{1,64}\Z",
        description="a payment method's id as Stripe gives it, pm_…: never send a card's number",
    ),
]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A small immutable part of a message."""


class Line(Value, frozen=True, kw_only=True):
    """So many pieces of one product."""

    product_id: str
    quantity: int


class PricedLine(Line, frozen=True, kw_only=True):
    """A line with the price per piece that the customer saw."""

    unit_price_cents: int


class AcceptedLine(Line, frozen=True, kw_only=True):
    """So many pieces of one product that came back and are paid back."""

    damaged: int = 0  # of these, not to be sold again


class Address(Value, frozen=True, kw_only=True):
    """Where a parcel goes. Personal data: only orders and shipping keep it."""

    name: str
    street: str
    postal_code: str
    city: str
    country: str  # ISO 3166-1 alpha-2


class Shortage(Value, frozen=True, kw_only=True):
    """A product of which fewer pieces can be had than are wanted."""

    product_id: str
    wanted: int
    available: int


class PriceChange(Value, frozen=True, kw_only=True):
    """A product whose price is no longer the one that the customer saw."""

    product_id: str
    seen_cents: int
    current_cents: int | None  # None: not on sale, or not in this currency
