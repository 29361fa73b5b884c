"""What inventory is asked and tells."""

import enum
from uuid import UUID

from apps.contracts.base import Command, Compensation, Event, Refusal, TakesBack, Undone
from apps.contracts.values import AcceptedLine, Line, Shortage


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


class NotReceived(enum.StrEnum):
    """Why goods that were announced are not taken back."""

    REFUSED = "refused"  # nothing came, or nothing of it can be accepted: a person says so
    LATE = "late"  # nothing came in time
    WITHDRAWN = "withdrawn"  # nobody waits for them any more


class ReceiveGoods(TakesBack, frozen=True, kw_only=True):
    """Expect goods that a customer sends back, and say what of them is accepted."""

    return_id: UUID
    order_id: UUID
    customer_id: int
    lines: tuple[Line, ...]


class GoodsReceived(Event, frozen=True, kw_only=True):
    """They came: so many pieces are accepted, one line per product."""

    accepted: tuple[AcceptedLine, ...]


class GoodsNotReceived(Refusal, frozen=True, kw_only=True):
    """Nothing is accepted."""

    code: NotReceived

    @property
    def reason(self) -> str:
        if self.code is NotReceived.LATE:
            return "The goods did not arrive in time"
        if self.code is NotReceived.WITHDRAWN:
            return "The return was stopped before the goods arrived"
        return "Nothing arrived that could be accepted"


class Restock(TakesBack, frozen=True, kw_only=True):
    """Put what came back undamaged on the shelf again."""

    accepted: tuple[AcceptedLine, ...]


class GoodsRestocked(Event, frozen=True, kw_only=True):
    """These can be sold again; damaged pieces cannot."""

    lines: tuple[Line, ...]
