"""What pricing is asked and tells."""

from uuid import UUID

from apps.contracts.base import Command, Compensation, Event, Refusal, TakesBack, Undone
from apps.contracts.values import PriceChange, PricedLine


class FreezePrice(Command, frozen=True, kw_only=True):
    """Promise the prices that the customer saw, if they are still on offer."""

    order_id: UUID
    currency: str
    lines: tuple[PricedLine, ...]


class PriceFrozen(Event, frozen=True, kw_only=True):
    """The prices hold for this order; the total is theirs."""

    total_cents: int


class PriceFreezeFailed(Refusal, frozen=True, kw_only=True):
    """Some prices that the customer saw are not on offer any more."""

    changed: tuple[PriceChange, ...]

    @property
    def reason(self) -> str:
        return "Prices have changed: " + "; ".join(map(_in_words, self.changed))


class PriceUnfrozen(Undone, frozen=True, kw_only=True):
    """The promise is taken back."""

    total_cents: int = 0


class UnfreezePrice(Compensation, frozen=True, kw_only=True):
    """Take back the promised prices."""

    answer = PriceUnfrozen


class WithdrawPrice(TakesBack, frozen=True, kw_only=True):
    """Take back the prices promised to an order that is cancelled after its end."""


class PriceWithdrawn(Event, frozen=True, kw_only=True):
    """Nothing is promised any more."""

    total_cents: int


def _in_words(change: PriceChange) -> str:
    if change.current_cents is None:
        return f"product {change.product_id} is not on sale in this currency"
    return (
        f"product {change.product_id} costs {change.current_cents / 100:.2f} now, "
        f"you saw {change.seen_cents / 100:.2f}"
    )
