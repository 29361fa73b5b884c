"""Holding an order's total on a card, by Stripe.

One call is one PaymentIntent, whatever goes wrong: it is made first and asks nobody; then banks are
asked to hold on it, one card after the other, by its id. So no two holds can come of a call, and
what came of one that nobody heard is read off the PaymentIntent itself.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import stripe

from apps.messaging.handling import Call, StillWaiting
from apps.payments import declines
from apps.payments.card_attempts import Attempts
from apps.payments.gateways import CardCharge, GatewayAnswer
from apps.payments.models import CardStatus
from apps.payments.stripe_talk import Stripe, UnexpectedStatus, tells_no_more

LOOK_EVERY = timedelta(seconds=10)  # while others act; a webhook may come before


def authorize(call: Call) -> GatewayAnswer:
    """Hold the amount. Raises StillWaiting while bank or customer have something to do."""
    return Authorizing(call, Attempts.of(call)).outcome()


@dataclass
class Authorizing:
    """One asking about a call: from what is known to what follows."""

    call: Call
    attempts: Attempts
    talk: Stripe = field(default_factory=Stripe)

    @property
    def charge(self) -> CardCharge:
        charge: CardCharge = self.call.details
        return charge

    def outcome(self) -> GatewayAnswer:
        if self.call.unwanted:
            return self.closed()
        if not self.attempts.rows:
            if not self.charge.card:
                return GatewayAnswer(ok=False, code=declines.NO_CARD)
            self.attempts.begin(self.charge.card)
        if self.attempts.reference:
            return self.as_it_stands(self.talk.payment(self.attempts.reference))
        if self.attempts.open is None:  # Stripe refused to make it
            return GatewayAnswer(ok=False, code=self.attempts.last.code)
        return self.made()

    def made(self) -> GatewayAnswer:
        """Make the payment; or find the one that was made and not heard of."""
        asked_before = self.attempts.last.asked_at is not None or len(self.attempts.rows) > 1
        self.attempts.asking()
        found = self.talk.find_payment(self.call.request.saga_id) if asked_before else None
        try:
            payment = found or self.talk.create(
                self.charge, self.call.request.saga_id, self.key("create")
            )
        except stripe.InvalidRequestError as error:
            if error.param not in {"amount", "currency"}:  # which no card pays; else we are wrong
                raise
            self.attempts.decline(declines.meaning(error.code))
            return GatewayAnswer(ok=False, code=self.attempts.last.code)
        except stripe.StripeError as error:
            self.lose_key_of(error)
        self.attempts.refer(payment.id)
        return self.as_it_stands(payment)

    def as_it_stands(self, payment: stripe.PaymentIntent) -> GatewayAnswer:
        """What follows from the payment's status."""
        match payment.status:
            case "requires_capture" | "succeeded":
                return self.held(payment)
            case "canceled":
                return self.over()
            case "requires_action":
                return self.wait_for_customer(payment)
            case "processing":
                raise StillWaiting("Your bank takes its time", datetime.now(UTC) + LOOK_EVERY)
            case "requires_payment_method" | "requires_confirmation":
                return self.nothing_held(payment)
        raise UnexpectedStatus(f"{payment.id} is {payment.status}")

    def nothing_held(self, payment: stripe.PaymentIntent) -> GatewayAnswer:
        """Ask the bank of the next card; there may be none yet."""
        if self.attempts.open is None:
            return self.wait_for_card()
        if self.attempts.open.status == CardStatus.ACTION:  # the customer was asked, in vain
            return self.declined(payment.last_payment_error)
        return self.ask_bank()

    def ask_bank(self) -> GatewayAnswer:
        attempt = self.attempts.asking()
        try:
            payment = self.talk.confirm(attempt.reference, attempt.card, self.key("confirm"))
        except stripe.CardError as error:
            return self.declined(error.error)
        except stripe.InvalidRequestError as error:
            if error.param != "payment_method":  # its state has changed, or we are wrong
                raise
            return self.declined(error.error)
        except stripe.StripeError as error:
            self.lose_key_of(error)
        if payment.status in {"requires_payment_method", "requires_confirmation"}:
            raise UnexpectedStatus(f"{payment.id} was confirmed and is {payment.status}")
        return self.as_it_stands(payment)

    # --- what came of it

    def held(self, payment: stripe.PaymentIntent) -> GatewayAnswer:
        if self.attempts.open:
            self.attempts.hold()
        return GatewayAnswer(ok=True, reference=payment.id, expires_at=lapses_at(payment))

    def declined(self, error: stripe.StripeObject | None) -> GatewayAnswer:
        code, bank = getattr(error, "code", None), getattr(error, "decline_code", None)
        self.attempts.decline(declines.meaning(code, bank))
        return self.wait_for_card()

    def wait_for_card(self) -> GatewayAnswer:
        """Another card may be given, for some time; not after every no."""
        last = self.attempts.last
        until = declines.patience_ends(last.changed_at, self.call.request.saga_id)
        spent = self.attempts.declined >= declines.MOST_CARDS or last.read_at >= until
        if spent or last.code in declines.FINAL:
            return self.given_up()
        told = f"Your card was declined{declines.words(last.code)}"
        raise StillWaiting(f"{told}: give another one until {until:%H:%M} UTC", until)

    def wait_for_customer(self, payment: stripe.PaymentIntent) -> GatewayAnswer:
        """The bank asks its customer (3-D Secure), for some time."""
        attempt = self.attempts.open
        if attempt is None:  # it was out of time, and we were stopped before it was canceled
            return self.given_up()
        if attempt.status != CardStatus.ACTION:
            self.attempts.needs_customer(payment.client_secret or "", action_url(payment))
        last = self.attempts.last
        until = declines.patience_ends(last.changed_at, self.call.request.saga_id)
        if last.read_at >= until:
            self.attempts.decline(declines.AUTHENTICATION_TIMEOUT)
            return self.given_up()
        told = f"Your bank asks you to confirm the payment until {until:%H:%M} UTC"
        raise StillWaiting(told, min(datetime.now(UTC) + LOOK_EVERY, until))

    def given_up(self) -> GatewayAnswer:
        """Declined for good: first nothing can be held any more, then it is told."""
        self.cancel()
        return GatewayAnswer(ok=False, code=self.attempts.last.code)

    def over(self) -> GatewayAnswer:
        """It is canceled: by us, or by somebody at Stripe."""
        self.attempts.close(declines.CANCELED)
        return GatewayAnswer(ok=False, code=self.attempts.last.code or declines.CANCELED)

    def closed(self) -> GatewayAnswer:
        """The step is being undone. Without an id no bank was asked, and none will be."""
        reference = self.attempts.reference
        if reference:
            payment = self.talk.payment(reference)
            if payment.status == "succeeded":
                return self.held(payment)
            if payment.status != "canceled":
                self.cancel()
        self.attempts.close(declines.CLOSED)
        return GatewayAnswer(ok=False, code=declines.CLOSED)

    # --- pieces

    def cancel(self) -> None:
        """By id: what counts is the state, so each asking has a key of its own."""
        key = f"{self.call.key}-{self.call.attempt}-cancel"
        self.talk.cancel(self.attempts.reference, key)

    def key(self, request: str) -> str:
        return f"{self.call.key}-{self.attempts.last.number}-{request}"

    def lose_key_of(self, error: stripe.StripeError) -> NoReturn:
        """What was done is not known; where the key will not tell it, the next one asks."""
        if tells_no_more(error):
            self.attempts.lose()
        raise error


def lapses_at(payment: stripe.PaymentIntent) -> datetime | None:
    """When the hold lapses, as the bank said."""
    charge = payment.latest_charge
    details = charge.payment_method_details if isinstance(charge, stripe.Charge) else None
    card = details.card if details else None
    until = getattr(card, "capture_before", None)
    return datetime.fromtimestamp(until, UTC) if until else None


def action_url(payment: stripe.PaymentIntent) -> str:
    """Where the customer goes, if there is such a page. Stripe.js needs the client secret only."""
    action = payment.next_action
    redirect = getattr(action, "redirect_to_url", None)
    return (redirect.url or "") if redirect else ""
