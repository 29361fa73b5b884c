"""Refunds: never more than was captured, and some banks take their time or send the money back."""

from . import objects
from .cards import CARDS, Refund
from .clock import Clock
from .errors import StripeError, no_such, refused
from .events import Events
from .intents import require_metadata
from .store import Json, Record, Store
from .timers import Timers

SETTLE_SECONDS = 60  # by the server's clock, until a slow refund is through or has failed


class Refunds:
    """The operations of the API on refunds, and what becomes of them."""

    def __init__(self, store: Store, clock: Clock, events: Events, timers: Timers) -> None:
        self.store = store
        self.clock = clock
        self.events = events
        self.timers = timers
        timers.on("succeed_refund", self.succeed)
        timers.on("fail_refund", self.fail)

    def create(self, params: Json) -> Json:
        """Give back the whole of what is left, or a part."""
        require_metadata(params)
        charge = self._charge(params)
        amount = self._amount(charge, params)
        body = objects.refund(charge.body, amount, params, self.clock.second())
        refund = self.store.add(Record(body))
        self._plan(refund, charge)
        self._count(charge, amount)
        self.events.happened("refund.created", refund.body)
        self.events.happened("charge.refunded", charge.body)
        return refund.body

    def succeed(self, identifier: str) -> None:
        """A refund that was pending is through."""
        refund = self.store.get("refund", identifier)
        refund.body.pop("pending_reason")
        refund.body["status"] = "succeeded"
        self.store.save(refund)
        self._updated(refund)

    def fail(self, identifier: str) -> None:
        """The customer's bank sends the money back: it is the shop's again."""
        refund = self.store.get("refund", identifier)
        refund.body.update(status="failed", failure_reason="expired_or_canceled_card")
        self.store.save(refund)
        self._count(self.store.get("charge", refund.body["charge"]), -refund.body["amount"])
        self.events.happened("refund.failed", refund.body)
        self._updated(refund)

    # --- pieces

    def _plan(self, refund: Record, charge: Record) -> None:
        """Whether this refund is through, pends, or fails later."""
        wait = self.store.setting("refund_seconds", SETTLE_SECONDS)
        course = CARDS[charge.private["test_card"]].refund
        if course is Refund.PENDS:
            refund.body.update(status="pending", pending_reason="processing")
            self.store.save(refund)
            self.timers.set(wait, "succeed_refund", refund.id)
        elif course is Refund.FAILS:
            self.timers.set(wait, "fail_refund", refund.id)

    def _charge(self, params: Json) -> Record:
        named = [name for name in ("payment_intent", "charge") if name in params]
        if len(named) != 1:
            raise refused("One of the following params should be provided for this request: "
                          "payment_intent or charge.")  # fmt: skip
        kind = named[0]
        found = self.store.find(kind, params[kind])
        if found is None:
            raise no_such(kind, params[kind], kind)
        if kind == "charge":
            return found
        return self._captured(found)

    def _captured(self, intent: Record) -> Record:
        if intent.body["status"] == "succeeded":
            return self.store.get("charge", intent.body["latest_charge"])
        raise not_captured(intent, "payment_intent")

    def _amount(self, charge: Record, params: Json) -> int:
        """What is to be given back. Raises StripeError where it is more than what is left."""
        if not charge.body["captured"]:
            raise not_captured(charge, "charge")
        if charge.private.get("charged_back"):
            raise StripeError(
                f"Charge {charge.id} has been charged back; cannot issue a refund.",
                code="charge_disputed",
            )
        left = charge.body["amount_captured"] - charge.body["amount_refunded"]
        amount: int = params.get("amount", left)
        if charge.body["refunded"]:
            raise StripeError(
                f"Charge {charge.id} has already been refunded.", code="charge_already_refunded"
            )
        if amount < 1:
            raise refused("Invalid positive integer", "parameter_invalid_integer", "amount")
        if amount > left:
            raise StripeError(
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
                code="amount_too_large",
                param="amount",
            )
        return amount

    def _count(self, charge: Record, amount: int) -> None:
        refunded = charge.body["amount_refunded"] + amount
        charge.body.update(
            amount_refunded=refunded, refunded=refunded == charge.body["amount_captured"]
        )
        self.store.save(charge)

    def _updated(self, refund: Record) -> None:
        self.events.happened("refund.updated", refund.body)
        self.events.happened("charge.refund.updated", refund.body)


def not_captured(record: Record, param: str) -> StripeError:
    return StripeError(
        f"There is nothing to refund: {record.id} has not been captured.",
        code="payment_intent_unexpected_state",
        param=param,
    )
