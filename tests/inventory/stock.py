"""Words that the tests of inventory share."""

from uuid import UUID

from uuid_utils.compat import uuid7

from apps.contracts.inventory import ReserveStock
from apps.contracts.shipping import ShipmentHandedOver
from apps.contracts.values import Line
from apps.inventory import selectors

HANDED_OVER = ShipmentHandedOver(carrier="in-house", reference="P-1")


def line(product_id: str, quantity: int) -> Line:
    return Line(product_id=product_id, quantity=quantity)


def reserve(*lines: Line, order_id: UUID | None = None) -> ReserveStock:
    return ReserveStock(order_id=order_id or uuid7(), lines=lines)


def stock(*product_ids: str) -> dict[str, tuple[int, int, int]]:
    """On hand, reserved and shipped by product."""
    return {key: level[1:] for key, level in selectors.stock_of(product_ids).items()}


def books_balance() -> bool:
    """Whether every law inside inventory's database holds."""
    return not (
        selectors.stock_against_movements()
        or selectors.reserved_against_reservations()
        or selectors.negative_stock()
    )
