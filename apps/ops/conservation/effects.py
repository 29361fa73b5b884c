"""How often each step's business rows say that it was done and undone, context by context.

The contexts tell their rows in the order of saga ids, or for given sagas; here they are laid over
one chunk of sagas after the other, so that memory does not grow with the shop.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from apps.fraud import selectors as fraud
from apps.inventory import selectors as inventory
from apps.notifications import selectors as notifications
from apps.ops.conservation.facts import Effect, OrderSeen
from apps.payments import selectors as payments
from apps.pricing import selectors as pricing
from apps.shipping import selectors as shipping

Effects = dict[str, Effect]  # by step
EffectsOf = dict[UUID, Effects]


class OfASaga(Protocol):
    """A row that belongs to one saga."""

    @property
    def saga_id(self) -> UUID: ...


Row = TypeVar("Row", bound=OfASaga)


class Column(Generic[Row]):
    """Rows sorted by saga, handed out for one chunk of sorted sagas after the other."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of(self, saga_ids: Sequence[UUID]) -> dict[UUID, Row]:
        """The rows of these sagas; they come after those that were asked for before."""
        wanted, found = set(saga_ids), {}
        while self._next is not None and self._next.saga_id <= saga_ids[-1]:
            if self._next.saga_id in wanted:
                found[self._next.saga_id] = self._next
            self._next = next(self._rows, None)
        return found


def of_inventory(saga_ids: Sequence[UUID], placed: Mapping[UUID, OrderSeen]) -> EffectsOf:
    return {
        saga_id: _of_basket(row, placed[saga_id].lines if saga_id in placed else 0)
        for saga_id, row in inventory.stock_effects(saga_ids).items()
    }


def _of_basket(row: inventory.StockEffects, lines: int) -> Effects:
    return {
        "reserve_stock": Effect(whole(row.reserved_lines, lines), whole(row.released_lines, lines)),
        "ship_stock": Effect(whole(row.shipped_lines, lines)),
    }


def of_pricing(saga_ids: Sequence[UUID]) -> EffectsOf:
    return {
        saga_id: {"freeze_price": Effect(1, int(row.status == "unfrozen"))}
        for saga_id, row in pricing.freeze_effects(saga_ids).items()
    }


def of_payment(row: payments.PaymentEffects) -> Effects:
    return {
        "authorize_payment": Effect(row.held, row.given_back),
        "capture_payment": Effect(row.settled),
    }


def of_check(row: fraud.CheckEffects) -> Effects:
    return {"check_fraud": Effect(row.cleared, row.lifted)}


def of_gift(row: shipping.GiftEffects) -> Effects:
    return {"wrap_gift": Effect(row.wrapped, row.unwrapped)}


def of_shipment(row: shipping.ShipmentEffects) -> Effects:
    return {
        "create_shipment": Effect(row.booked, row.cancelled),
        "hand_over": Effect(row.handed_over),
    }


SENT_BY = {  # by kind
    "confirmed": "send_confirmation",
    "cancelled": "send_cancellation",
    "returned": "send_return_notice",
}


def of_messages(row: notifications.MessageEffects) -> Effects:
    return {SENT_BY[row.kind]: Effect(row.sent)}


def of_order(order: OrderSeen) -> Effects:
    return {
        "create_order": Effect(1, int(order.status == "cancelled")),
        "confirm_order": Effect(int(order.status == "confirmed")),
    }


def whole(moved: int, lines: int) -> int:
    """An effect on a basket as a count: 0 of none of its lines, 1 of all, -1 of other numbers."""
    if not moved:
        return 0
    return 1 if moved == lines else -1
