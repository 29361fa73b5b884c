"""What customers read in the inbox, and the facts that their mails are made of."""

from dataclasses import dataclass
from uuid import UUID

from apps.contracts.numbers import number_of
from apps.contracts.values import RefundTo


@dataclass(frozen=True, slots=True)
class Text:
    """A message in plain text; and its facts, with which templates/notifications says more."""

    subject: str
    body: str
    facts: dict[str, str]


def confirmation(order_id: UUID, total_cents: int, currency: str) -> Text:
    """An order is confirmed."""
    number = number_of(order_id)
    amount = _amount(total_cents, currency)
    return Text(
        subject="Your order is confirmed",
        body=(
            f"Thank you. Your order {number} is confirmed and paid:"
            f" {amount}. It will be handed over to the carrier."
        ),
        facts={"amount": amount},
    )


def refusal(order_id: UUID, reason: str) -> Text:
    """An order could not be carried out, and is undone."""
    number = number_of(order_id)
    return Text(
        subject="Your order could not be carried out",
        body=(
            f"We are sorry: your order {number} could not be carried out, and is undone."
            f"{f' {_sentence(reason)}' if reason else ''}"
            " You pay nothing: what was set aside or taken for it is yours again."
        ),
        facts={"reason": _sentence(reason)} if reason else {},
    )


def shipment(order_id: UUID, carrier: str, reference: str) -> Text:
    """The carrier has the parcel."""
    number = number_of(order_id)
    return Text(
        subject="Your order is on its way",
        body=f"Your order {number} is on its way: {carrier} has the parcel {reference}.",
        facts={"carrier": carrier, "reference": reference},
    )


def refund(order_id: UUID, amount_cents: int, currency: str) -> Text:
    """What was paid is given back."""
    number = number_of(order_id)
    amount = _amount(amount_cents, currency)
    return Text(
        subject="Your money is on its way back",
        body=f"For your order {number} we have given back {amount}, the way you paid it.",
        facts={"amount": amount},
    )


def cancellation(order_id: UUID, total_cents: int, currency: str) -> Text:
    """A confirmed order is cancelled."""
    number = number_of(order_id)
    amount = _amount(total_cents, currency)
    return Text(
        subject="Your order is cancelled",
        body=(
            f"As you wished, your order {number} is cancelled. What you paid is given back the"
            f" way you paid it: {amount}."
        ),
        facts={"amount": amount},
    )


def arrival(order_id: UUID, refunded_cents: int, currency: str, refund_to: RefundTo) -> Text:
    """Returned goods have arrived."""
    number = number_of(order_id)
    amount = _amount(refunded_cents, currency)
    way = "as store credit" if refund_to is RefundTo.CREDIT else "the way you paid it"
    return Text(
        subject="Your return has arrived",
        body=(
            f"Thank you. What you sent back of your order {number} is here:"
            f" {amount} is given back {way}."
        ),
        facts={"amount": amount, "way": way},
    )


def _amount(cents: int, currency: str) -> str:
    units, rest = divmod(cents, 100)
    return f"{units}.{rest:02} {currency}"


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}."
