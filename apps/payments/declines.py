"""What a bank's no means: whether another card may be tried, and how long the customer has for it.

Codes are Stripe's decline codes, or its error codes where a bank gave none
(https://docs.stripe.com/declines/codes), and a few of our own.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings

from apps.contracts.payments import DECLINED_BECAUSE
from apps.processes import PLACE_ORDER

MOST_CARDS = 4  # of one order; more tries look like a thief's
BEFORE_DEADLINE = timedelta(minutes=1)  # the order has other steps to take

# Ours.
NO_CARD = "no_card"
CARD_UNUSABLE = "card_unusable"  # Stripe knows no such payment method, or it was used up
AUTHENTICATION_FAILED = "authentication_failed"
AUTHENTICATION_TIMEOUT = "authentication_timeout"
EXPIRED = "authorization_expired"
CANCELED = "payment_canceled"  # at Stripe, by somebody else
CLOSED = "closed"  # by us: nobody wanted it any more
UNKNOWN = "generic_decline"

# Whoever holds such a card is not asked for the next one.
FINAL = frozenset({
    "fraudulent", "lost_card", "merchant_blacklist", "pickup_card", "restricted_card",
    "revocation_of_all_authorizations", "revocation_of_authorization", "security_violation",
    "stolen_card", "stop_payment_order", "highest_risk_level", "rule", NO_CARD,
})  # fmt: skip

# It was not the card's fault, so the same one may be given again. Stripe: "attempt it again".
SAME_CARD_AGAIN = frozenset({
    "processing_error", "issuer_not_available", "reenter_transaction", "try_again_later",
    "authentication_required", AUTHENTICATION_FAILED,
})  # fmt: skip

# Stripe's error codes that stand for one of ours.
OURS = {
    "payment_intent_authentication_failure": AUTHENTICATION_FAILED,
    "payment_method_unexpected_state": CARD_UNUSABLE,
    "resource_missing": CARD_UNUSABLE,
}


def meaning(code: str | None, decline_code: str | None = None) -> str:
    """The code that we keep of Stripe's two: the bank's own says more."""
    told = decline_code or code or UNKNOWN
    return OURS.get(told, told)


def words(code: str) -> str:
    """Why, for the customer: "(the card has expired)", or nothing where it is not for them."""
    because = DECLINED_BECAUSE.get(code)
    return f" ({because})" if because else ""


def patience_ends(since: datetime, saga_id: UUID) -> datetime:
    """Until when the customer may act: never beyond the time that the order has as a whole."""
    deadline = begun_at(saga_id) + timedelta(seconds=PLACE_ORDER.deadline) - BEFORE_DEADLINE
    return min(since + timedelta(seconds=settings.CARD_ANOTHER_WITHIN), deadline)


def begun_at(saga_id: UUID) -> datetime:
    """When a saga began: its id is a UUIDv7, whose first 48 bits are milliseconds."""
    return datetime.fromtimestamp((saga_id.int >> 80) / 1000, UTC)
