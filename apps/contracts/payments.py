"""What payments is asked and tells."""

import enum
from collections.abc import Mapping
from uuid import UUID

from apps.contracts.base import Command, Compensation, Event, Refusal, TakesBack, Undone
from apps.contracts.values import AcceptedLine, PaymentMethod, PricedLine, RefundTo


class DeclineCode(enum.StrEnum):
    """Why a payment was declined."""

    INSUFFICIENT_CREDIT = "insufficient_credit"  # the account has less than the total
    NO_ACCOUNT = "no_account"  # the customer has no store credit in this currency
    METHOD_UNAVAILABLE = "method_unavailable"  # this shop does not take that method
    CARD_DECLINED = "card_declined"  # the customer's bank said no


# What a customer reads of a bank's no, by the bank's own code. Of what is not here they read only
# that it was declined: whoever holds a card that is reported stolen learns nothing.
DECLINED_BECAUSE: Mapping[str, str] = {
    "authentication_failed": "your bank could not confirm that it was you",
    "authentication_required": "your bank wants you to confirm it",
    "authentication_timeout": "it was not confirmed with your bank in time",
    "authorization_expired": "the amount was set aside for too long",
    "card_not_supported": "the card does not take this kind of payment",
    "card_unusable": "this card cannot be used again",
    "card_velocity_exceeded": "its limit is reached",
    "currency_not_supported": "the card does not take this currency",
    "expired_card": "the card has expired",
    "incorrect_cvc": "the security code is wrong",
    "insufficient_funds": "there are insufficient funds",
    "no_card": "no card was given",
    "processing_error": "the bank could not be asked",
}


class AuthorizePayment(Command, frozen=True, kw_only=True, omit_defaults=True):
    """Hold the order's total on the customer's means of payment."""

    order_id: UUID
    customer_id: int
    currency: str
    total_cents: int
    payment_method: PaymentMethod
    card: str = ""  # the gateway's payment method, pm_…: never a card's number


class PaymentAuthorized(Event, frozen=True, kw_only=True):
    """The total is held."""

    amount_cents: int
    payment_method: PaymentMethod


class PaymentDeclined(Refusal, frozen=True, kw_only=True):
    """The total could not be held; nothing was."""

    code: DeclineCode
    wanted_cents: int
    available_cents: int | None = None  # None where there is nothing to compare with
    decline_code: str = ""  # the bank's, of a card

    @property
    def reason(self) -> str:
        if self.code is DeclineCode.INSUFFICIENT_CREDIT:
            available = (self.available_cents or 0) / 100
            return (
                f"Your store credit of {available:.2f} does not cover {self.wanted_cents / 100:.2f}"
            )
        if self.code is DeclineCode.CARD_DECLINED:
            because = DECLINED_BECAUSE.get(self.decline_code)
            return f"Your card was declined: {because}" if because else "Your card was declined"
        if self.code is DeclineCode.NO_ACCOUNT:
            return "You have no store credit"
        return "This payment method is not available"


class PaymentRefunded(Undone, frozen=True, kw_only=True):
    """What was held or taken is given back."""

    amount_cents: int = 0


class RefundPayment(Compensation, frozen=True, kw_only=True):
    """Give back what is held or taken for the order."""

    answer = PaymentRefunded


class CreditInstead(Compensation, frozen=True, kw_only=True):
    """Give store credit for what was taken by card and cannot be given back there. What is only
    held lapses by itself, so nothing is credited for it."""

    answer = PaymentRefunded


class CapturePayment(Command, frozen=True, kw_only=True):
    """Take what is held. The pivot: after it the order only goes forward."""


class PaymentCaptured(Event, frozen=True, kw_only=True):
    """The money is taken."""

    amount_cents: int


class CaptureFailed(Refusal, frozen=True, kw_only=True):
    """The held money could not be taken."""

    code: str

    @property
    def reason(self) -> str:
        because = DECLINED_BECAUSE.get(self.code)
        told = f": {because}" if because else f" ({self.code})"
        return f"The payment could not be completed{told}"


class ReturnPayment(TakesBack, frozen=True, kw_only=True):
    """Give back what was taken for an order that is cancelled after its end."""


class PaymentReturned(Event, frozen=True, kw_only=True):
    """The customer has the money again."""

    amount_cents: int


class RefundReturn(TakesBack, frozen=True, kw_only=True):
    """Give back what the accepted goods have cost, of a payment that stays."""

    lines: tuple[PricedLine, ...]  # as announced, with their prices
    accepted: tuple[AcceptedLine, ...]
    refund_to: RefundTo


class ReturnRefunded(Event, frozen=True, kw_only=True):
    """The customer has that money again."""

    refunded_cents: int
    refund_to: RefundTo
