"""Taking what is held, letting it go, giving back what was taken, by Stripe.

Capture and cancel go by the PaymentIntent's id, and Stripe checks its state: whatever is repeated,
it is captured once or not at all. A refund is a thing of its own; it carries the call that wanted
it, so that one which nobody heard of is found among the refunds of its payment.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import stripe

from apps.messaging.handling import Call, StillWaiting
from apps.payments import declines
from apps.payments.card_attempts import KEY_LIFE
from apps.payments.gateways import CardCharge, GatewayAnswer
from apps.payments.stripe_talk import Stripe, UnexpectedStatus, is_about_state, tells_no_more

DAY = timedelta(hours=24)
MOST_KEYS = 3  # of one refund on one day


class OtherAmount(Exception):
    """Stripe took another amount than the order's: compare the two, then record what is right."""


class NotAtStripe(Exception):
    """Stripe knows no payment of this order: see to it by hand, then record what was done."""


def capture(call: Call) -> GatewayAnswer:
    """Take all that is held. Unwanted: see to it that nothing ever is taken."""
    talk = Stripe()
    reference = reference_of(call, talk)
    if call.attempt == 1 and not call.unwanted:
        try:
            return taken(call, talk.capture(reference, key_of_asking(call)))
        except stripe.InvalidRequestError as error:
            if not is_about_state(error):
                raise
    payment = talk.payment(reference)
    if payment.status == "requires_capture":
        move = talk.cancel if call.unwanted else talk.capture
        payment = move(reference, key_of_asking(call))
    return taken(call, payment)


def taken(call: Call, payment: stripe.PaymentIntent) -> GatewayAnswer:
    """Whether the amount was taken. Raises where it is neither taken nor lost."""
    if payment.status == "canceled":
        return GatewayAnswer(ok=False, reference=payment.id, code=why_canceled(payment, call))
    if payment.status != "succeeded":
        raise UnexpectedStatus(f"{payment.id} is {payment.status}")
    if payment.amount_received != call.details.amount_cents:
        raise OtherAmount(f"{payment.id}: {payment.amount_received}")
    return GatewayAnswer(ok=True, reference=payment.id)


def let_go(call: Call) -> GatewayAnswer:
    """Release the hold. What was captured after all is given back."""
    talk = Stripe()
    reference = reference_of(call, talk)
    if call.attempt == 1:
        try:
            return let_go_of(talk.cancel(reference, key_of_asking(call)))
        except stripe.InvalidRequestError as error:
            if not is_about_state(error):
                raise
    payment = talk.payment(reference)
    if payment.status == "succeeded":
        return Refunding(call, talk, reference).outcome()
    if payment.status != "canceled":
        payment = talk.cancel(reference, key_of_asking(call))
    return let_go_of(payment)


def let_go_of(payment: stripe.PaymentIntent) -> GatewayAnswer:
    """A canceled payment holds nothing."""
    if payment.status != "canceled":
        raise UnexpectedStatus(f"{payment.id} is {payment.status}")
    return GatewayAnswer(ok=True, reference=payment.id)


def refund(call: Call) -> GatewayAnswer:
    """Give back what was taken, or a part of it."""
    talk = Stripe()
    return Refunding(call, talk, reference_of(call, talk)).outcome()


class Refunding:
    """One asking about a refund."""

    def __init__(self, call: Call, talk: Stripe, reference: str) -> None:
        self.call, self.talk, self.reference = call, talk, reference

    def outcome(self) -> GatewayAnswer:
        """Look for it where it may have been asked before; then ask."""
        day, since = divmod(datetime.now(UTC) - self.call.called_at, DAY)
        made = self.made() if self.call.attempt > 1 else None
        if made:
            return given_back(made)
        if since > KEY_LIFE:  # a new key is for when the old one is surely forgotten
            raise StillWaiting("The refund is looked for", self.call.called_at + (day + 1) * DAY)
        return self.ask(f"{self.call.key}-{day}", MOST_KEYS)

    def ask(self, key: str, keys: int) -> GatewayAnswer:
        """Under the first of some keys that tells what came of it."""
        try:
            return given_back(self.talk.refund(self.asked(), f"{key}-{keys}"))
        except (stripe.CardError, stripe.InvalidRequestError) as error:
            return self.refused(error)
        except stripe.StripeError as error:
            if not tells_no_more(error) or keys == 1:
                raise
        made = self.made()  # that request is over, so what it did can be seen
        return given_back(made) if made else self.ask(key, keys - 1)

    def asked(self) -> dict[str, Any]:
        charge: CardCharge = self.call.details
        whose = {"call": self.call.key, "order_id": str(charge.order_id)}
        amount = {"amount": charge.refund_cents} if charge.refund_cents else {}
        return {"payment_intent": self.reference, "metadata": whose, **amount}

    def made(self) -> stripe.Refund | None:
        """The refund of this call, if there is one."""
        return next(
            (each for each in self.talk.refunds_of(self.reference) if is_of(each, self.call)), None
        )

    def refused(self, error: stripe.CardError | stripe.InvalidRequestError) -> GatewayAnswer:
        """A definite no; but what Stripe does not know, our settings may have wrong."""
        if error.code == "resource_missing":
            raise error
        whole = not self.call.details.refund_cents
        if whole and error.code == "charge_already_refunded":  # by a person, at Stripe
            return GatewayAnswer(ok=True, reference=self.reference)
        return GatewayAnswer(ok=False, reference=self.reference, code=error.code or "refused")


def is_of(refund: stripe.Refund, call: Call) -> bool:
    """Whether a refund is the one that a call made."""
    return bool(refund.metadata) and getattr(refund.metadata, "call", "") == call.key


def given_back(refund: stripe.Refund) -> GatewayAnswer:
    """Stripe gives it back, now or in some days; or has failed to."""
    if refund.status in {"failed", "canceled"}:
        code = getattr(refund, "failure_reason", None) or refund.status
        return GatewayAnswer(ok=False, reference=refund.id, code=code)
    return GatewayAnswer(ok=True, reference=refund.id)


def why_canceled(payment: stripe.PaymentIntent, call: Call) -> str:
    """A hold that nobody took in time is canceled by itself."""
    if payment.cancellation_reason in {"expired", "automatic"}:
        return declines.EXPIRED
    return declines.CLOSED if call.unwanted else declines.CANCELED


def reference_of(call: Call, talk: Stripe) -> str:
    """What Stripe calls the payment. Where a person recorded the hold it is looked for."""
    charge: CardCharge = call.details
    if charge.reference.startswith("pi_"):
        return charge.reference
    found = talk.find_payment(UUID(call.subject))
    if found is None:
        raise NotAtStripe(call.subject)
    return found.id


def key_of_asking(call: Call) -> str:
    """Stripe checks the payment's state, so each asking has a key of its own."""
    return f"{call.key}-{call.attempt}"
