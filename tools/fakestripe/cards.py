"""Stripe's documented test payment methods, and what the bank of each does.

No card's number ever comes in: whatever looks like one is refused before anything is written.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .errors import StripeError


@dataclass(frozen=True)
class Decline:
    """Why a bank refuses."""

    code: str
    decline_code: str
    message: str


class Refund(StrEnum):
    """What becomes of a refund."""

    SUCCEEDS = "succeeds"
    PENDS = "pends"  # pending, and succeeds some time later
    FAILS = "fails"  # succeeded, and fails some time later


@dataclass(frozen=True)
class Card:
    """A test card, as its bank and Stripe treat it."""

    brand: str
    last4: str
    funding: str = "credit"
    decline: Decline | None = None
    asks: bool = False  # the bank asks its customer (3-D Secure)
    refund: Refund = Refund.SUCCEEDS


DECLINED = "Your card was declined."
GENERIC = Decline("card_declined", "generic_decline", DECLINED)
INSUFFICIENT = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
LOST = Decline("card_declined", "lost_card", DECLINED)
STOLEN = Decline("card_declined", "stolen_card", DECLINED)
VELOCITY = Decline(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its "
    "amount limit.",
)
EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.")
INCORRECT_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
PROCESSING = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
MUST_AUTHENTICATE = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

CARDS = {
    "pm_card_visa": Card("visa", "4242"),
    "pm_card_visa_debit": Card("visa", "5556", "debit"),
    "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_mastercard_debit": Card("mastercard", "8210", "debit"),
    "pm_card_mastercard_prepaid": Card("mastercard", "5100", "prepaid"),
    "pm_card_amex": Card("amex", "0005"),
    "pm_card_discover": Card("discover", "1117"),
    "pm_card_diners": Card("diners", "0004"),
    "pm_card_jcb": Card("jcb", "0505"),
    "pm_card_unionpay": Card("unionpay", "0005"),
    # declines
    "pm_card_visa_chargeDeclined": Card("visa", "0002", decline=GENERIC),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card("visa", "9995", decline=INSUFFICIENT),
    "pm_card_visa_chargeDeclinedLostCard": Card("visa", "9987", decline=LOST),
    "pm_card_visa_chargeDeclinedStolenCard": Card("visa", "9979", decline=STOLEN),
    "pm_card_chargeDeclinedExpiredCard": Card("visa", "0069", decline=EXPIRED),
    "pm_card_chargeDeclinedIncorrectCvc": Card("visa", "0127", decline=INCORRECT_CVC),
    "pm_card_chargeDeclinedProcessingError": Card("visa", "0119", decline=PROCESSING),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": Card("visa", "6975", decline=VELOCITY),
    "pm_card_chargeCustomerFail": Card("visa", "0341", decline=GENERIC),
    # 3-D Secure
    "pm_card_threeDSecureOptional": Card("visa", "3055"),
    "pm_card_threeDSecure2Required": Card("visa", "3220", asks=True),
    "pm_card_authenticationRequired": Card("visa", "3184", asks=True),
    "pm_card_authenticationRequiredOnSetup": Card("visa", "3155", asks=True),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        "visa", "3178", decline=INSUFFICIENT, asks=True
    ),
    # refunds
    "pm_card_pendingRefund": Card("visa", "7726", refund=Refund.PENDS),
    "pm_card_refundFail": Card("visa", "5126", refund=Refund.FAILS),
}


# --- no card data comes in

CARD_FIELDS = {"number", "cvc"}
CARD_NUMBER = re.compile(r"[3-6]\d{12,18}")


def refuse_card_data(texts: Iterable[str], params: dict[str, Any]) -> None:
    """Refuse what looks like a card's number, wherever it stands, without repeating it."""
    words = [*texts, *strings(params)]
    if has_card_fields(params) or any(is_card_number(word) for word in words):
        raise StripeError(
            "Sending credit card numbers directly to the Stripe API is generally unsafe. We "
            "suggest you use test tokens that map to the test card you are using, see "
            "https://stripe.com/docs/testing.",
            status=402,
            early=True,
        )


def has_card_fields(params: dict[str, Any]) -> bool:
    card = params.get("card")
    if isinstance(card, dict) and CARD_FIELDS & set(card):
        return True
    return any(has_card_fields(value) for value in params.values() if isinstance(value, dict))


def strings(params: dict[str, Any]) -> Iterator[str]:
    """All names and values, however deep."""
    for name, value in params.items():
        yield name
        if isinstance(value, dict):
            yield from strings(value)
        else:
            yield value


def is_card_number(word: str) -> bool:
    """Whether a word is nothing but a number that a card could have, by length and check digit."""
    digits = re.sub(r"[ -]", "", word)
    return CARD_NUMBER.fullmatch(digits) is not None and passes_luhn(digits)


def passes_luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number // 10 + number % 10 for number in doubled) % 10 == 0
