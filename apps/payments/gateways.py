"""What takes cards: a payment gateway outside the house. It is Stripe where there is a key for it;
the setting CARD_GATEWAY names another, as tests do."""

from datetime import datetime
from functools import lru_cache
from typing import Protocol
from uuid import UUID

import msgspec
from django.conf import settings
from django.utils.module_loading import import_string

from apps.messaging.database import Database
from apps.messaging.display import money
from apps.messaging.handling import Call
from apps.payments.errors import BankHasMoney, GatewayKeepsMoney
from apps.payments.findings import NewFinding, order_in_words, tell
from apps.payments.models import FindingKind

LONGEST_CALL_SECONDS = 26.0  # connect 3 s and answer 10 s, twice
DISPUTED = "charge_disputed"  # the code of a refund of what the cardholder's bank has taken back
STRIPE = "apps.payments.stripe_gateway.StripeGateway"


class CardCharge(msgspec.Struct, frozen=True):
    """What is asked of the gateway, all of it: no card data is ever here."""

    order_id: UUID
    customer_id: int
    currency: str
    amount_cents: int
    captured: bool = False  # of an undo: whether there is something to refund, or only a hold
    reference: str = ""  # the gateway's own, once it has given one
    card: str = ""  # to authorize: the gateway's name for the customer's card, pm_…
    refund_cents: int = 0  # of what was captured, so much is given back; 0: all of it


class GatewayAnswer(msgspec.Struct, frozen=True):
    """What the gateway says for good."""

    ok: bool
    reference: str = ""
    code: str = ""  # why not
    expires_at: datetime | None = None  # of a hold: when it lapses by itself


class Gateway(Protocol):
    """A payment gateway. Each call is OutsideCall.make: its answer is definite, anything raised
    means that the outcome is not known."""

    def authorize(self, call: Call) -> GatewayAnswer:
        """Hold the amount."""

    def capture(self, call: Call) -> GatewayAnswer:
        """Take what is held."""

    def give_back(self, call: Call) -> GatewayAnswer:
        """Release the hold or, after a capture, refund: `refund_cents` of it, or all."""


@lru_cache(maxsize=1)
def gateway() -> Gateway | None:
    """The gateway of this deployment; None where it takes no cards."""
    name = settings.CARD_GATEWAY or (STRIPE if settings.STRIPE_API_KEY else "")
    return import_string(name)() if name else None


def _known() -> Gateway:
    found = gateway()
    assert found, "a card payment was begun, so there was a gateway: set it again"
    return found


def authorize(call: Call) -> GatewayAnswer:
    """Hold the amount on the card."""
    return _known().authorize(call)


def capture(call: Call) -> GatewayAnswer:
    """Take what is held on the card."""
    return _known().capture(call)


def return_taken(call: Call) -> GatewayAnswer:
    """Refund what was taken: for an order that is cancelled after its end all that is left, for
    goods that came back their price.

    It is owed, so a gateway that will not is asked again, under the same key, until it does or a
    person has given the money back another way. Raises GatewayKeepsMoney, of which a person is told
    once, and BankHasMoney while a dispute is open or lost, which is told of itself.
    """
    answer = _known().give_back(call)
    if answer.ok:
        return answer
    if answer.code == DISPUTED:
        raise BankHasMoney(UUID(call.subject), answer.code)
    with Database("payments").transaction():
        tell(_refused(call, answer))
    raise GatewayKeepsMoney(UUID(call.subject), answer.code)


def _refused(call: Call, answer: GatewayAnswer) -> NewFinding:
    charge: CardCharge = call.details
    owed = money(charge.refund_cents or charge.amount_cents, charge.currency)
    kind = FindingKind.REFUND_REFUSED
    text = (
        f"The gateway will not give back {owed} of {order_in_words(charge.order_id)} "
        f"({answer.code}; {charge.reference}). It is owed: give it back another way, then record "
        "with evidence on its saga that it happened."
    )
    key, saga_id = f"{kind}:{call.key}", call.request.saga_id
    return NewFinding(key, kind, saga_id, charge.order_id, charge.reference, charge.reference, text)


def give_back(call: Call) -> GatewayAnswer:
    """Release what is held, or refund what was taken."""
    return _known().give_back(call)
