"""What customers read."""

from dataclasses import dataclass
from uuid import UUID

from apps.contracts.values import RefundTo


@dataclass(frozen=True, slots=True)
class Text:
    """A message in plain text."""

    subject: str
    body: str


def confirmation(order_id: UUID, total_cents: int, currency: str) -> Text:
    """An order is confirmed."""
    return Text(
        subject="Your order is confirmed",
        body=(
            f"Thank you. Your order {order_id} is confirmed and paid:"
            f" {_amount(total_cents)} {currency}. It will be handed over to the carrier."
        ),
    )


def cancellation(order_id: UUID, total_cents: int, currency: str) -> Text:
    """A confirmed order is cancelled."""
    return Text(
        subject="Your order is cancelled",
        body=(
            f"As you wished, your order {order_id} is cancelled. What you paid is given back the"
            f" way you paid it: {_amount(total_cents)} {currency}."
        ),
    )


def refund(order_id: UUID, refunded_cents: int, currency: str, refund_to: RefundTo) -> Text:
    """Returned goods have arrived."""
    way = "as store credit" if refund_to is RefundTo.CREDIT else "the way you paid it"
    return Text(
        subject="Your return has arrived",
        body=(
            f"Thank you. What you sent back of your order {order_id} is here:"
            f" {_amount(refunded_cents)} {currency} is given back {way}."
        ),
    )


def _amount(total_cents: int) -> str:
    units, cents = divmod(total_cents, 100)
    return f"{units}.{cents:02}"
