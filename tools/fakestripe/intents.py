"""PaymentIntents: which move is allowed in which state, and what the API says where it is not.

    requires_payment_method -> requires_confirmation -> (requires_action) -> (processing)
      -> requires_capture (manual capture) -> succeeded

A decline and a failed authentication lead back to requires_payment_method. Until it has succeeded a
payment can be canceled.
"""

from urllib.parse import urlsplit

from . import objects
from .bank import Attempt, Bank
from .cards import CARDS
from .clock import Clock
from .errors import StripeError, no_such, refused
from .events import Events
from .search import Search
from .store import Json, Record, Store

# Which states a move starts from; any other answers payment_intent_unexpected_state.
CONFIRMED_FROM = ("requires_payment_method", "requires_confirmation", "requires_action")
CAPTURED_FROM = ("requires_capture",)
CANCELED_FROM = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)
TYPES = "allowed_payment_method_types"
SMALLEST = 50
LARGEST = 99_999_999
CURRENCY_LETTERS = 3
METADATA_KEYS = 50


class Intents:
    """The operations of the API on PaymentIntents."""

    def __init__(self, store: Store, clock: Clock, events: Events, bank: Bank) -> None:
        self.store = store
        self.clock = clock
        self.events = events
        self.bank = bank

    def create(self, params: Json) -> Json:
        """Make a PaymentIntent, and confirm it where that is asked for."""
        require_amount(params["amount"])
        params["currency"] = require_currency(params["currency"])
        require_metadata(params)
        require_card(params)
        if params.get("confirm"):
            require_way_back(params)
        elif forbidden := {"off_session", "error_on_requires_action", "return_url"} & set(params):
            raise only_when_confirming(min(forbidden))
        method = self._new_method(params.get("payment_method"))
        intent = Record(objects.payment_intent(params, self.clock.second()))
        if method:
            choose(intent, method)
        elif params.get("confirm"):
            raise no_method()
        self.store.add(intent)
        self.events.happened("payment_intent.created", intent.body)
        if params.get("confirm"):
            self.bank.confirm(intent, attempt(params))
        return intent.body

    def confirm(self, identifier: str, params: Json) -> Json:
        """Ask the bank for the money, with another payment method if one is given."""
        intent = self._get(identifier)
        require_state(intent, CONFIRMED_FROM, "confirmed")
        require_way_back({**self._as_created(intent), **params})
        if method := self._new_method(params.get("payment_method")):
            choose(intent, method)
        if intent.body["payment_method"] is None:
            raise no_method(intent)
        self.bank.confirm(intent, attempt(params))
        return intent.body

    def capture(self, identifier: str, params: Json) -> Json:
        """Take the money that is held, or a part of it; the rest is let go."""
        intent = self._get(identifier)
        require_state(intent, CAPTURED_FROM, "captured")
        capturable: int = intent.body["amount_capturable"]
        amount = params.get("amount_to_capture", capturable)
        require_capturable(amount, capturable)
        set_metadata(intent, params)
        self.bank.capture(intent, amount)
        return intent.body

    def cancel(self, identifier: str, params: Json) -> Json:
        """End a payment that has not succeeded; what is held is let go."""
        intent = self._get(identifier)
        require_state(intent, CANCELED_FROM, "canceled")
        self.bank.cancel(intent, params.get("cancellation_reason"))
        return intent.body

    def update(self, identifier: str, params: Json) -> Json:
        """Change what is written on a payment, not what it does."""
        intent = self._get(identifier)
        require_metadata(params)
        set_metadata(intent, params)
        intent.body.update(
            {name: params[name] for name in ("description", "receipt_email") if name in params}
        )
        self.store.save(intent)
        return intent.body

    def search(self, params: Json) -> Json:
        """Those that a query finds, a page at a time."""
        search = Search(self.store, self.clock)
        return search.run("payment_intent", "/v1/payment_intents/search", params)

    def authenticate(self, challenge: str, *, approved: bool) -> Record:
        """The customer's answer to the bank, from the page or from a test."""
        intent = self.asked(challenge)
        if intent is None:
            raise LookupError("Nobody is asked for this payment any more")
        self.bank.authenticated(intent, approved=approved)
        return intent

    def asked(self, challenge: str) -> Record | None:
        """The payment for which a bank asks its customer."""
        found = self.store.select(
            "payment_intent", "json_extract(private, '$.challenge') = ?", challenge, limit=1
        )
        return found[0] if found else None

    # --- pieces

    def _get(self, identifier: str) -> Record:
        found = self.store.find("payment_intent", identifier)
        if found is None:
            raise no_such("payment_intent", identifier, "intent")
        return found

    def _new_method(self, name: str | None) -> Record | None:
        """The payment method that a name stands for: a test method's name makes a new one."""
        if name is None:
            return None
        if card := CARDS.get(name):
            body = objects.payment_method(card, self.clock.second())
            return self.store.add(Record(body, {"test_card": name}))
        found = self.store.find("payment_method", name)
        if found is None:
            raise no_such("payment_method", name, "payment_method", status=400)
        if found.private.get("used"):
            raise used_up()
        return found

    def _as_created(self, intent: Record) -> Json:
        automatic = intent.body["automatic_payment_methods"]
        if automatic is None:
            return {TYPES: intent.body[TYPES]}
        return {"automatic_payment_methods": automatic}


# --- conditions


def require_state(intent: Record, states: tuple[str, ...], move: str) -> None:
    status = intent.body["status"]
    if status not in states:
        raise unexpected_state(
            intent,
            f"This PaymentIntent could not be {move} because it has a status of {status}. Only a "
            f"PaymentIntent with one of the following statuses may be {move}: {', '.join(states)}.",
        )


def require_amount(amount: int) -> None:
    if amount < 1:
        raise refused(
            "This value must be greater than or equal to 1.", "parameter_invalid_integer", "amount"
        )
    if amount < SMALLEST:
        raise refused("Amount must convert to at least 50 cents.", "amount_too_small", "amount")
    if amount > LARGEST:
        raise refused("Amount must be no more than 999,999.99", "amount_too_large", "amount")


def require_currency(currency: str) -> str:
    lower = currency.lower()
    if len(lower) != CURRENCY_LETTERS or not lower.isascii() or not lower.isalpha():
        raise refused(f"Invalid currency: {currency}", param="currency")
    return lower


def require_metadata(params: Json) -> None:
    metadata = params.get("metadata") or {}
    if len(metadata) > METADATA_KEYS:
        raise refused("Metadata can have up to 50 keys.", param="metadata")
    for name, value in metadata.items():
        if len(name) > 40 or len(value) > 500:
            raise refused(
                "Metadata keys may have up to 40 characters, and values up to 500.",
                param=f"metadata[{name}]",
            )


def require_card(params: Json) -> None:
    if "card" not in params.get(TYPES, ["card"]):
        raise refused("fakestripe takes cards only.", "fakestripe_unsupported", TYPES)
    if TYPES in params and "automatic_payment_methods" in params:
        raise refused(
            f"You may only specify one of these parameters: {TYPES}, automatic_payment_methods.",
            param=TYPES,
        )


def require_way_back(params: Json) -> None:
    """With payment methods that may redirect a customer, Stripe wants to know where to."""
    automatic = objects.automatic_payment_methods(params)
    redirects = automatic is not None and automatic["allow_redirects"] != "never"
    url = params.get("return_url")
    if redirects and url is None:
        raise refused(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. "
            "Because some of these payment methods might redirect your customer off of your page, "
            "you must provide a `return_url`. If you don't want to accept redirect-based payment "
            "methods, set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents "
            "and Payment Intents.",
            param="return_url",
        )
    if url is not None and urlsplit(url).scheme not in {"http", "https"}:
        raise refused("Not a valid URL", "url_invalid", "return_url")


def require_capturable(amount: int, capturable: int) -> None:
    if amount < 1:
        raise refused(
            "This value must be greater than or equal to 1.",
            "parameter_invalid_integer",
            "amount_to_capture",
        )
    if amount > capturable:
        raise StripeError(
            f"The amount to capture ({amount}) is greater than what is held ({capturable}).",
            code="amount_too_large",
            param="amount_to_capture",
        )


# --- changes


def choose(intent: Record, method: Record) -> None:
    intent.body["payment_method"] = method.id
    if intent.body["status"] == "requires_payment_method":
        intent.body["status"] = "requires_confirmation"


def attempt(params: Json) -> Attempt:
    return Attempt(
        off_session=bool(params.get("off_session")),
        never_ask=bool(params.get("error_on_requires_action")),
        return_url=params.get("return_url"),
    )


def set_metadata(record: Record, params: Json) -> None:
    """Add and replace keys; an empty value takes a key away, an empty `metadata` all of them."""
    given = params.get("metadata")
    if given is None:
        return
    merged = {**record.body["metadata"], **given} if given else {}
    record.body["metadata"] = {name: value for name, value in merged.items() if value}


# --- refusals


def unexpected_state(intent: Record, message: str) -> StripeError:
    return StripeError(
        message, code="payment_intent_unexpected_state", payment_intent=dict(intent.body)
    )


def no_method(intent: Record | None = None) -> StripeError:
    message = (
        "You cannot confirm this PaymentIntent because it's missing a payment method. You can "
        "either update the PaymentIntent with a payment method and then confirm it again, or "
        "confirm it again directly with a payment method or ConfirmationToken."
    )
    if intent is not None:
        return unexpected_state(intent, message)
    return StripeError(message, code="payment_intent_unexpected_state", early=True)


def only_when_confirming(param: str) -> StripeError:
    return refused(
        f"`{param}` can only be provided when creating a PaymentIntent if `confirm` is `true`.",
        param=param,
    )


def used_up() -> StripeError:
    return StripeError(
        "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
        "attachment, shared with a connected account without Customer attachment, or was detached "
        "from a Customer. It may not be used again. To use a PaymentMethod multiple times, you "
        "must attach it to a Customer first.",
        code="payment_method_unexpected_state",
        param="payment_method",
    )
