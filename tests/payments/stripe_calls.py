"""Calls as workers make them of Stripe, without the rows of the intents."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import stripe
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.handling import Call
from apps.messaging.request import Request
from apps.payments import gateways
from apps.payments.gateways import CardCharge, GatewayAnswer
from tools.fakestripe.client import Control

GOOD = "pm_card_visa"
POOR = "pm_card_visa_chargeDeclinedInsufficientFunds"
ASKS = "pm_card_threeDSecure2Required"
MAKE = {
    "authorize": gateways.authorize,
    "capture": gateways.capture,
    "cancel": gateways.give_back,
    "refund": gateways.give_back,
}


@dataclass
class Shop:
    """One order's calls, and what Stripe's ledger says of it."""

    control: Control
    owner: psycopg.Connection
    saga_id: UUID = field(default_factory=uuid7)

    def call(self, operation: str, card: str = GOOD, **charge: Any) -> Call:
        """What a worker has in hand when it asks for the first time."""
        of: Any = {"reference": self.reference, "captured": operation == "refund"}
        given = card if operation == "authorize" else ""
        details = CardCharge(self.saga_id, 7, "EUR", 1500, card=given, **of)
        details = replace(details, **charge)
        request = Request(self.saga_id, operation, Action.DO, 1, Mode.ORCHESTRATED)
        key = f"{self.saga_id}-{operation}-1"
        now = datetime.now(UTC)
        return Call(request, operation, str(self.saga_id), key, details, 1, now, False)

    def do(self, operation: str, card: str = GOOD, **charge: Any) -> GatewayAnswer:
        return make(self.call(operation, card, **charge))

    def before(self, operation: str) -> None:
        """Do what has to be done before an operation."""
        for each in {"authorize": [], "refund": ["authorize", "capture"]}.get(
            operation, ["authorize"]
        ):
            assert self.do(each).ok

    @property
    def reference(self) -> str:
        """What Stripe calls the order's payment; empty before there is one."""
        found = self.payments()
        return found[-1]["id"] if found else ""

    def payments(self) -> list[dict[str, Any]]:
        payments = self.control.ledger()["payments"]
        return [each for each in payments if each["order_id"] == str(self.saga_id)]

    def money(self) -> tuple[int, int, int]:
        """Held, captured and refunded, in cents; nothing is charged twice."""
        ledger = self.control.ledger()
        assert ledger["double_charges"] == []
        order = ledger["orders"].get(str(self.saga_id), {})
        return order.get("held", 0), order.get("captured", 0), order.get("refunded", 0)

    def cards(self) -> list[tuple[int, str, str]]:
        """Number, status and code of each attempt."""
        rows = self.owner.execute(
            "SELECT number, status, code FROM payments_cardattempt ORDER BY number"
        ).fetchall()
        return [tuple(row) for row in rows]

    def time_passes(self, seconds: float) -> None:
        """For the customer, who is waited for; and for the keys."""
        self.owner.execute(
            "UPDATE payments_cardattempt SET changed_at = changed_at - make_interval(secs => %s),"
            " asked_at = asked_at - make_interval(secs => %s)",
            [seconds, seconds],
        )

    def another_card(self, card: str) -> None:
        """What the customer's door writes."""
        self.owner.execute(
            "INSERT INTO payments_cardattempt (call, number, saga_id, order_id, customer_id, card,"
            " reference, status) SELECT call, number + 1, saga_id, order_id, customer_id, %s,"
            " reference, 'given' FROM payments_cardattempt ORDER BY number DESC LIMIT 1",
            [card],
        )


def make(call: Call) -> GatewayAnswer:
    answer: GatewayAnswer = MAKE[call.operation](call)
    return answer


def again(call: Call, **changes: Any) -> Call:
    """The same, asked once more."""
    return replace(call, attempt=call.attempt + 1, **changes)


def until_definite(call: Call, askings: int = 6) -> GatewayAnswer:
    """Ask as workers do, until there is an answer."""
    for _ in range(askings):
        try:
            return make(call)
        except stripe.StripeError:
            call = again(call)
    raise AssertionError(f"no answer after {askings} askings")


def earlier(call: Call, hours: float) -> Call:
    return replace(call, called_at=call.called_at - timedelta(hours=hours))


def begun(saga_id: UUID, minutes_ago: float) -> UUID:
    """A saga that began so long ago: it says so in its id."""
    at = int((datetime.now(UTC) - timedelta(minutes=minutes_ago)).timestamp() * 1000)
    return UUID(int=(saga_id.int & ((1 << 80) - 1)) | at << 80)
