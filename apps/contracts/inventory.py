"""What inventory is asked and tells."""

from uuid import UUID

from apps.contracts.base import Command, Compensation, Event, Refusal, TakesBack, Undone
from apps.contracts.values import Line, Shortage


class ReserveStock(Command, frozen=True, kw_only=True):
    """Set aside the whole basket, or nothing."""

    order_id: UUID
    lines: tuple[Line, ...]


class StockReserved(Event, frozen=True, kw_only=True):
    """The whole basket is set aside."""

    lines: tuple[Line, ...]


class StockReservationFailed(Refusal, frozen=True, kw_only=True):
    """Some products are short; nothing was set aside."""

    short: tuple[Shortage, ...]

    @property
    def reason(self) -> str:
        return "Not enough in stock: " + "; ".join(
            f"product {each.product_id}, {each.wanted} wanted, {each.available} left"
            for each in self.short
        )


class StockReleased(Undone, frozen=True, kw_only=True):
    """What was set aside can be sold again."""

    lines: tuple[Line, ...] = ()


class ReleaseStock(Compensation, frozen=True, kw_only=True):
    """Put back what was set aside for the order."""

    answer = StockReleased


class FreeStock(TakesBack, frozen=True, kw_only=True):
    """Put back what is set aside for an order that is cancelled after its end."""


class StockFreed(Event, frozen=True, kw_only=True):
    """What was set aside can be sold again."""

    lines: tuple[Line, ...]
