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
    units, cents = divmod(total_cents, 100)
    return Text(
        subject="Your order is confirmed",
        body=(
            f"Thank you. Your order {order_id} is confirmed and paid:"
            f" {units}.{cents:02} {currency}. It will be handed over to the carrier."
        ),
    )
