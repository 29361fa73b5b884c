"""What fraud is asked and tells."""

from uuid import UUID

from apps.contracts.base import Command, Compensation, Event, Refusal, Undone
from apps.contracts.values import Value


class Destination(Value, frozen=True, kw_only=True):
    """Of an address no more than the rules look at."""

    country: str  # ISO 3166-1 alpha-2


class CheckFraud(Command, frozen=True, kw_only=True):
    """Say whether the shop should take this order."""

    order_id: UUID
    customer_id: int
    currency: str
    total_cents: int
    address: Destination


class FraudCleared(Event, frozen=True, kw_only=True):
    """The order may go on."""

    by_person: bool


class FraudSuspected(Refusal, frozen=True, kw_only=True):
    """The order is not taken. Which rule or person says so is told to nobody outside the shop."""

    @property
    def reason(self) -> str:
        return "We could not accept this order. Nothing was charged; our support will gladly help"


class FraudCheckLifted(Undone, frozen=True, kw_only=True):
    """The order counts no longer among those that the customer placed."""


class LiftFraudCheck(Compensation, frozen=True, kw_only=True):
    """The order is undone: do not count it."""

    answer = FraudCheckLifted
