"""One asking's talk with Stripe: each request by name, and what its errors tell.

Only a definite answer is an answer. A lost connection, half an answer, 409, 429 and 5xx say nothing
about what was done, so they are raised as they are; the intent is asked about again.
"""

import time
from typing import Any
from uuid import UUID

import stripe
from django.conf import settings

from apps.payments.gateways import LONGEST_CALL_SECONDS, CardCharge
from apps.payments.stripe_api import client

CHARGE = {"expand": ["latest_charge"]}  # which says until when the amount is held


class UnexpectedStatus(Exception):
    """Stripe says of a payment what this code does not know: look at it in Stripe's dashboard."""


class OutOfTime(Exception):
    """Stripe is slow: what is left to ask is asked next time, before the lease is over."""


class Stripe:
    """Stripe, for one asking. A request is begun only while there is time for the longest one."""

    def __init__(self) -> None:
        self._api = client().v1
        self._until = time.monotonic() + LONGEST_CALL_SECONDS

    # --- payments

    def payment(self, reference: str) -> stripe.PaymentIntent:
        """A payment as it stands."""
        return self._in_time().payment_intents.retrieve(reference, CHARGE)

    def find_payment(self, saga_id: UUID) -> stripe.PaymentIntent | None:
        """The payment of a saga where its id is not known here: one that is not canceled, at best
        one with money. What is new is found after about a minute."""
        query = f"metadata['saga_id']:'{saga_id}'"
        found = self._in_time().payment_intents.search({"query": query, "limit": 10})
        there = [each for each in found.data if each.status != "canceled"]
        there.sort(key=lambda each: each.status in {"requires_capture", "succeeded"})
        return self.payment(there[-1].id) if there else None

    def create(self, charge: CardCharge, saga_id: UUID, key: str) -> stripe.PaymentIntent:
        """A payment that asks no bank yet: one that nobody hears of holds nothing."""
        asked: Any = {
            "amount": charge.amount_cents,
            "currency": charge.currency.lower(),
            "capture_method": "manual",
            "allowed_payment_method_types": ["card"],
            "metadata": {"saga_id": str(saga_id), "order_id": str(charge.order_id)},
        }
        return self._in_time().payment_intents.create(asked, under(key))

    def confirm(self, reference: str, card: str, key: str) -> stripe.PaymentIntent:
        """Ask the bank of a card to hold the amount."""
        asked: Any = {"payment_method": card, **CHARGE}
        if settings.CARD_RETURN_URL:
            asked["return_url"] = settings.CARD_RETURN_URL
        return self._in_time().payment_intents.confirm(reference, asked, under(key))

    def capture(self, reference: str, key: str) -> stripe.PaymentIntent:
        """Take all that is held."""
        return self._in_time().payment_intents.capture(reference, {}, under(key))

    def cancel(self, reference: str, key: str) -> stripe.PaymentIntent:
        """Let go what is held, and see to it that nothing will be."""
        return self._in_time().payment_intents.cancel(reference, {}, under(key))

    # --- refunds

    def refund(self, asked: dict[str, Any], key: str) -> stripe.Refund:
        """Give back what was captured, or a part."""
        return self._in_time().refunds.create(asked, under(key))

    def refunds_of(self, reference: str) -> list[stripe.Refund]:
        """All refunds of a payment. What was made is in it at once: it is no search."""
        found = self._in_time().refunds.list({"payment_intent": reference, "limit": 100})
        return list(found.auto_paging_iter())

    def _in_time(self) -> Any:
        if time.monotonic() > self._until:
            raise OutOfTime
        return self._api


def under(key: str) -> Any:
    """The option that makes a repeated request the same request."""
    return {"idempotency_key": key}


def tells_no_more(error: stripe.StripeError) -> bool:
    """Whether a key's answer will be this for as long as Stripe keeps it, and is none: an error of
    Stripe's that it repeats, or parameters that were others the first time."""
    if isinstance(error, stripe.IdempotencyError):
        return True
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    broken = error.http_status is not None and error.http_status >= 500
    return broken and headers.get("idempotent-replayed") == "true"


def is_about_state(error: stripe.InvalidRequestError) -> bool:
    """Whether the payment was not what we took it for: look at it again."""
    return error.code == "payment_intent_unexpected_state"
