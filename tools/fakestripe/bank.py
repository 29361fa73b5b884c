"""The customer's bank: it declines, asks its customer, holds money, pays it, lets it go."""

import copy
from dataclasses import dataclass
from typing import NoReturn

from . import objects
from .cards import CARDS, MUST_AUTHENTICATE, Card, Decline
from .clock import Clock
from .errors import StripeError, doc_url
from .events import Events
from .store import Json, Record, Store, new_id
from .timers import Timers

DECLINED = 402
DAY = 24 * 60 * 60
HOLD_SECONDS = 7 * DAY
FAILED_AUTHENTICATION = Decline(
    "payment_intent_authentication_failure",
    "",
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or "
    "a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
)


@dataclass(frozen=True)
class Attempt:
    """How a payment is confirmed."""

    off_session: bool = False  # the customer is not there and cannot be asked
    never_ask: bool = False  # error_on_requires_action
    return_url: str | None = None

    @property
    def can_ask(self) -> bool:
        return not (self.off_session or self.never_ask)


class Bank:
    """What happens to a PaymentIntent from its confirmation on. It is saved by what is called."""

    def __init__(self, store: Store, clock: Clock, events: Events, timers: Timers) -> None:
        self.store = store
        self.clock = clock
        self.events = events
        self.timers = timers
        self.address = ""  # of this server, for the page where a customer approves
        timers.on("expire_hold", self.expire_hold)
        timers.on("settle_payment", self.settle)

    # --- moves

    def confirm(self, intent: Record, attempt: Attempt) -> None:
        """Ask for the money. Raises StripeError when the card is declined, which is saved."""
        card = self._card(intent)
        if not card.asks:
            self._authorize(intent, card)
        elif attempt.can_ask:
            self._ask(intent, attempt)
        else:
            self._decline(intent, MUST_AUTHENTICATE)

    def authenticated(self, intent: Record, *, approved: bool) -> None:
        """The customer has answered the bank. A decline that follows is saved, not raised."""
        intent.private.pop("challenge", None)
        try:
            if approved:
                self._authorize(intent, self._card(intent))
            else:
                self._fail_authentication(intent)
        except StripeError as error:
            if error.status != DECLINED:
                raise

    def capture(self, intent: Record, amount: int) -> None:
        """Take of the hold what is asked for, and let the rest go."""
        charge = self._charge(intent)
        charge.body.update(amount_captured=amount, captured=True)
        intent.body.update(status="succeeded", amount_capturable=0, amount_received=amount)
        self._save(intent, charge)
        self.events.happened("charge.captured", charge.body)
        self.events.happened("payment_intent.succeeded", intent.body)

    def cancel(self, intent: Record, reason: str | None) -> None:
        """End the payment; a hold is let go, which is no refund."""
        intent.private.pop("challenge", None)
        intent.body.update(
            status="canceled",
            canceled_at=self.clock.second(),
            cancellation_reason=reason,
            amount_capturable=0,
            next_action=None,
            processing=None,
        )
        self.store.save(intent)
        self.events.happened("payment_intent.canceled", intent.body)

    # --- by themselves

    def expire_hold(self, identifier: str) -> None:
        """What nobody captured in time is canceled."""
        intent = self.store.get("payment_intent", identifier)
        if intent.body["status"] == "requires_capture":
            self.events.happened("charge.expired", self._charge(intent).body)
            self.cancel(intent, "expired")

    def settle(self, identifier: str) -> None:
        """A payment that the bank took its time for is through."""
        intent = self.store.get("payment_intent", identifier)
        if intent.body["status"] == "processing":
            intent.body["processing"] = None
            self._grant(intent)

    # --- what a confirmation leads to

    def _ask(self, intent: Record, attempt: Attempt) -> None:
        intent.private["challenge"] = new_id("src")
        intent.private["return_url"] = attempt.return_url
        intent.body.update(
            status="requires_action",
            last_payment_error=None,
            next_action=self._next_action(intent, attempt),
        )
        self.store.save(intent)
        self.events.happened("payment_intent.requires_action", intent.body)

    def _next_action(self, intent: Record, attempt: Attempt) -> Json:
        """A redirect where there is a way back, else what Stripe's script would use."""
        url = f"{self.address}/authenticate/{intent.private['challenge']}"
        if attempt.return_url:
            target = {"return_url": attempt.return_url, "url": url}
            return {"type": "redirect_to_url", "redirect_to_url": target}
        script = {"type": "three_d_secure_redirect", "stripe_js": url}
        return {"type": "use_stripe_sdk", "use_stripe_sdk": script}

    def _authorize(self, intent: Record, card: Card) -> None:
        if card.decline is not None:
            self._decline(intent, card.decline)
        wait = self.store.setting("processing_seconds", 0)
        if not wait:
            self._grant(intent)
            return
        intent.body.update(
            status="processing", processing={"type": "card", "card": {}}, next_action=None
        )
        self.store.save(intent)
        self.timers.set(wait, "settle_payment", intent.id)
        self.events.happened("payment_intent.processing", intent.body)

    def _grant(self, intent: Record) -> None:
        """The bank agrees: the money is held, or paid at once."""
        charge = self._new_charge(intent)
        charge.body.update(
            status="succeeded", paid=True, outcome=objects.outcome(None, "Payment complete.")
        )
        intent.body.update(latest_charge=charge.id, last_payment_error=None, next_action=None)
        self._use_up_method(intent)
        if intent.body["capture_method"] == "manual":
            self._hold(intent, charge)
        else:
            self._pay(intent, charge)

    def _hold(self, intent: Record, charge: Record) -> None:
        seconds = self.store.setting("hold_seconds", HOLD_SECONDS)
        until = self.timers.set(seconds, "expire_hold", intent.id)
        details = charge.body["payment_method_details"]["card"]
        details.update(amount_authorized=intent.body["amount"], capture_before=int(until))
        intent.body.update(status="requires_capture", amount_capturable=intent.body["amount"])
        self._save(intent, charge)
        self.events.happened("charge.succeeded", charge.body)
        self.events.happened("payment_intent.amount_capturable_updated", intent.body)

    def _pay(self, intent: Record, charge: Record) -> None:
        amount = intent.body["amount"]
        charge.body.update(amount_captured=amount, captured=True)
        intent.body.update(status="succeeded", amount_received=amount)
        self._save(intent, charge)
        self.events.happened("charge.succeeded", charge.body)
        self.events.happened("payment_intent.succeeded", intent.body)

    def _decline(self, intent: Record, decline: Decline) -> NoReturn:
        """The bank refuses; another payment method may be tried. Always raises StripeError."""
        method = self._method(intent)
        charge = self._new_charge(intent)
        charge.body.update(
            status="failed",
            failure_code=decline.code,
            failure_message=decline.message,
            outcome=objects.outcome(
                decline.decline_code,
                "The bank gave no further details with this decline.",
            ),
        )
        error = self._card_error(decline, method, charge=charge.id)
        intent.body["latest_charge"] = charge.id
        self._back_to_start(intent, error)
        self._save(intent, charge)
        self.events.happened("charge.failed", charge.body)
        self.events.happened("payment_intent.payment_failed", intent.body)
        raise StripeError(
            status=DECLINED, **{**error, "payment_intent": copy.deepcopy(intent.body)}
        )

    def _fail_authentication(self, intent: Record) -> None:
        self._back_to_start(intent, self._card_error(FAILED_AUTHENTICATION, self._method(intent)))
        self.store.save(intent)
        self.events.happened("payment_intent.payment_failed", intent.body)

    def _back_to_start(self, intent: Record, error: Json) -> None:
        intent.body.update(
            status="requires_payment_method",
            payment_method=None,
            next_action=None,
            last_payment_error={**error, "doc_url": doc_url(error["code"])},
        )

    def _card_error(self, decline: Decline, method: Record, charge: str | None = None) -> Json:
        facts = {
            "type": "card_error" if decline.decline_code else "invalid_request_error",
            "code": decline.code,
            "decline_code": decline.decline_code or None,
            "message": decline.message,
            "charge": charge,
            "payment_method": method.body,
        }
        return {name: value for name, value in facts.items() if value is not None}

    # --- pieces

    def _new_charge(self, intent: Record) -> Record:
        method = self._method(intent)
        body = objects.charge(intent.body, method.body, self.clock.second())
        return self.store.add(Record(body, {"test_card": method.private["test_card"]}))

    def _save(self, intent: Record, charge: Record) -> None:
        self.store.save(intent)
        self.store.save(charge)

    def _charge(self, intent: Record) -> Record:
        return self.store.get("charge", intent.body["latest_charge"])

    def _method(self, intent: Record) -> Record:
        return self.store.get("payment_method", intent.body["payment_method"])

    def _card(self, intent: Record) -> Card:
        return CARDS[self._method(intent).private["test_card"]]

    def _use_up_method(self, intent: Record) -> None:
        """A payment method that no customer keeps pays once."""
        method = self._method(intent)
        method.private["used"] = True
        self.store.save(method)
