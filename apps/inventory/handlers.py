"""What inventory decides."""

from apps.contracts.inventory import (
    FreeStock,
    GoodsNotReceived,
    GoodsReceived,
    GoodsRestocked,
    NotReceived,
    ReceiveGoods,
    ReleaseStock,
    ReserveStock,
    Restock,
    StockFreed,
    StockReleased,
    StockReservationFailed,
    StockReserved,
)
from apps.contracts.shipping import ShipmentHandedOver
from apps.contracts.values import AcceptedLine
from apps.inventory import arrivals
from apps.inventory.arrivals import Arrived, ExpectedGoods
from apps.inventory.models import ArrivalStatus
from apps.inventory.workspaces import Arrivals, Shelves
from apps.messaging.handling import ByHand, Call, CallOutside, Handler, OutsideCall, Reaction
from apps.messaging.providers import Provider

AWAIT_GOODS = "await_goods"
PERSON = Provider("person")  # a row on a desk of ours: it bears any number, and always answers
WHY_NOT = {
    ArrivalStatus.REFUSED: NotReceived.REFUSED,
    ArrivalStatus.LATE: NotReceived.LATE,
    ArrivalStatus.WITHDRAWN: NotReceived.WITHDRAWN,
}


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


def receive_goods(command: ReceiveGoods, arrivals: Arrivals) -> CallOutside:
    """Expect what a customer sends back: a person says what arrives."""
    goods = ExpectedGoods(
        command.return_id, command.placed_by, command.order_id, command.customer_id, command.lines
    )
    return CallOutside(AWAIT_GOODS, str(arrivals.request.saga_id), goods)


def goods_arrived(
    call: Call, outcome: Arrived | ByHand, arrivals: Arrivals
) -> GoodsReceived | GoodsNotReceived:
    """What was found, or that nothing came. By hand it is settled that all of it is here."""
    if isinstance(outcome, ByHand):
        arrivals.withdraw()
        return GoodsReceived(accepted=_all_of(call.details))
    if outcome.status is ArrivalStatus.RECEIVED:
        return GoodsReceived(accepted=outcome.accepted)
    return GoodsNotReceived(code=WHY_NOT[outcome.status])


def _all_of(goods: ExpectedGoods) -> tuple[AcceptedLine, ...]:
    return tuple(
        AcceptedLine(product_id=each.product_id, quantity=each.quantity) for each in goods.lines
    )


def restock(command: Restock, shelves: Shelves) -> GoodsRestocked:
    """What came back undamaged is on hand again."""
    return GoodsRestocked(lines=shelves.put_back(command.placed_by, command.accepted))


COMMANDS = {
    ReceiveGoods: Handler(receive_goods, Arrivals),
    Restock: Handler(restock, Shelves),
    ReserveStock: Handler(reserve_stock, Shelves),
    ReleaseStock: Handler(release_stock, Shelves),
    FreeStock: Handler(free_stock, Shelves),
}
REACTIONS = {
    ShipmentHandedOver: Reaction("ship_stock", ship_stock, Shelves),
}
CALLS = {
    AWAIT_GOODS: OutsideCall(
        arrivals.wait_for,
        goods_arrived,
        Arrivals,
        details=ExpectedGoods,
        longest=arrivals.LONGEST_CALL_SECONDS,
        steps=frozenset({"receive_goods"}),
        provider=PERSON,
    ),
}
