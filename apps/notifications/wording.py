"""What customers read."""

from dataclasses import dataclass
from uuid import UUID


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


def _amount(total_cents: int) -> str:
    units, cents = divmod(total_cents, 100)
    return f"{units}.{cents:02}"
