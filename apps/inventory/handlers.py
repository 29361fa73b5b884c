"""What inventory decides."""

from apps.contracts.inventory import (
    FreeStock,
    ReleaseStock,
    ReserveStock,
    StockFreed,
    StockReleased,
    StockReservationFailed,
    StockReserved,
)
from apps.contracts.shipping import ShipmentHandedOver
from apps.inventory.workspaces import Shelves
from apps.messaging.handling import Handler, Reaction


def reserve_stock(
    command: ReserveStock, shelves: Shelves
) -> StockReserved | StockReservationFailed:
    """Reserve the whole basket or nothing; says what is short and by how much."""
    if short := shelves.shortage(command.lines):
        return StockReservationFailed(short=short)
    shelves.reserve(command.order_id, command.lines)
    return StockReserved(lines=command.lines)


def release_stock(command: ReleaseStock, shelves: Shelves) -> StockReleased:
    """Put back all that the saga holds; says what it was, one line per product."""
    return StockReleased(lines=shelves.release(shelves.request.saga_id))


def free_stock(command: FreeStock, shelves: Shelves) -> StockFreed:
    """Put back what is set aside for an order that is cancelled after its end. Its parcel was
    recalled, so nothing of it is shipped."""
    return StockFreed(lines=shelves.release(command.placed_by))


def ship_stock(event: ShipmentHandedOver, shelves: Shelves) -> None:
    """The carrier has the parcel: what was set aside for it is shipped. Nobody has to be told."""
    shelves.ship()


COMMANDS = {
    ReserveStock: Handler(reserve_stock, Shelves),
    ReleaseStock: Handler(release_stock, Shelves),
    FreeStock: Handler(free_stock, Shelves),
}
REACTIONS = {
    ShipmentHandedOver: Reaction("ship_stock", ship_stock, Shelves),
}
