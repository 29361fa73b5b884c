"""What orders does when asked, and what it tells its customers of the steps of others."""

from collections.abc import Iterable

from apps.contracts.base import Event, Refusal
from apps.contracts.inventory import GoodsNotReceived, GoodsReceived, StockReserved
from apps.contracts.orders import (
    CancelConfirmedOrder,
    CancellationRefused,
    CancelOrder,
    CloseReturn,
    ConfirmedOrderCancelled,
    ConfirmOrder,
    OrderCancelled,
    OrderConfirmed,
    RefuseCancellation,
    RefuseReturn,
    ReturnClosed,
    ReturnRefused,
)
from apps.contracts.payments import (
    PaymentCaptured,
    PaymentRefunded,
    PaymentReturned,
    ReturnRefunded,
)
from apps.contracts.sagas import CancelAccepted, CancelTooLate
from apps.contracts.shipping import ShipmentHandedOver, ShipmentNotRecalled, ShipmentRecalled
from apps.contracts.steps import StepWaits
from apps.messaging.handling import Handler, Heard, Listener, Outgoing
from apps.orders.cancellations import AnsweredWishes, Cancellations
from apps.orders.models import CancellationStatus, OrderStatus, ReturnStatus
from apps.orders.returns import HeardReturns, Returns
from apps.orders.workspaces import Orders, Timeline
from apps.processes import refusals

RECEIVE_GOODS = "receive_goods"  # the step that waits for days, of which customers are told


def confirm_order(command: ConfirmOrder, orders: Orders) -> OrderConfirmed:
    """The order is paid and booked; its total is that of the frozen prices."""
    order_id = orders.end(
        OrderStatus.CONFIRMED, OrderConfirmed.__name__, total_cents=command.total_cents
    )
    return OrderConfirmed(order_id=order_id)


def cancel_order(command: CancelOrder, orders: Orders) -> OrderCancelled:
    """The last of the compensations: everything else is undone already."""
    order_id = orders.end(OrderStatus.CANCELLED, OrderCancelled.__name__)
    return OrderCancelled(order_id=order_id)


def cancel_confirmed_order(
    command: CancelConfirmedOrder, cancellations: Cancellations
) -> ConfirmedOrderCancelled:
    """Everything is taken back; so is the order."""
    name = ConfirmedOrderCancelled.__name__
    return ConfirmedOrderCancelled(
        order_id=cancellations.decide(CancellationStatus.CANCELLED, name)
    )


def refuse_cancellation(
    command: RefuseCancellation, cancellations: Cancellations
) -> CancellationRefused:
    """Nothing was taken back: the order stays as it is."""
    name = CancellationRefused.__name__
    return CancellationRefused(order_id=cancellations.decide(CancellationStatus.REFUSED, name))


def hear_accepted(heard: Heard, wishes: AnsweredWishes) -> Iterable[Outgoing]:
    """Tell the customer that the order turns back."""
    wishes.answer(heard, CancellationStatus.ACCEPTED)
    return ()


def hear_too_late(heard: Heard, wishes: AnsweredWishes) -> Iterable[Outgoing]:
    """Tell the customer that the order is paid: it is confirmed first, and then taken back."""
    wishes.answer(heard, CancellationStatus.WAITING)
    return ()


def hear_not_recalled(heard: Heard, wishes: AnsweredWishes) -> Iterable[Outgoing]:
    """Tell the customer why the order stays confirmed."""
    assert isinstance(heard.event, ShipmentNotRecalled)
    wishes.explain(heard, heard.event.reason)
    return ()


def hear_recall(heard: Heard, timeline: Timeline) -> Iterable[Outgoing]:
    """Tell the customer that the parcel stays in the house."""
    return _tell(heard, timeline)


def hear_return(heard: Heard, timeline: Timeline) -> Iterable[Outgoing]:
    """Tell the customer what is given back of what was paid."""
    assert isinstance(heard.event, PaymentReturned)
    return _tell(heard, timeline, amount_cents=heard.event.amount_cents)


def hear_refusal(heard: Heard, timeline: Timeline) -> Iterable[Outgoing]:
    """Tell the customer why."""
    assert isinstance(heard.event, Refusal)
    return _tell(heard, timeline, reason=heard.event.reason)


def hear_reservation(heard: Heard, timeline: Timeline) -> Iterable[Outgoing]:
    """Tell the customer that the goods are set aside: the first sign that the order is taken on."""
    return _tell(heard, timeline)


def hear_capture(heard: Heard, timeline: Timeline) -> Iterable[Outgoing]:
    """Tell the customer what was paid."""
    assert isinstance(heard.event, PaymentCaptured)
    return _tell(heard, timeline, amount_cents=heard.event.amount_cents)


def hear_refund(heard: Heard, timeline: Timeline) -> Iterable[Outgoing]:
    """Tell the customer what is given back; nothing where nothing was held."""
    assert isinstance(heard.event, PaymentRefunded)
    if heard.event.nothing_to_undo:
        return ()
    return _tell(heard, timeline, amount_cents=heard.event.amount_cents)


def hear_hand_over(heard: Heard, timeline: Timeline) -> Iterable[Outgoing]:
    """Tell the customer who has the parcel."""
    event = heard.event
    assert isinstance(event, ShipmentHandedOver)
    return _tell(heard, timeline, carrier=event.carrier, reference=event.reference)


def _tell(heard: Heard, timeline: Timeline, **facts: object) -> Iterable[Outgoing]:
    request = heard.request
    name = type(heard.event).__name__
    timeline.tell(request.saga_id, request.step, name, heard.message_id, facts)
    return ()


def close_return(command: CloseReturn, returns: Returns) -> ReturnClosed:
    """What was accepted is paid back and in the house."""
    order_id = returns.decide(
        ReturnStatus.COMPLETED, ReturnClosed.__name__,
        refunded_cents=command.refunded_cents, accepted=command.accepted,
    )  # fmt: skip
    return ReturnClosed(order_id=order_id)


def refuse_return(command: RefuseReturn, returns: Returns) -> ReturnRefused:
    """Nothing is taken back; what was announced can be announced again."""
    return ReturnRefused(order_id=returns.decide(ReturnStatus.REFUSED, ReturnRefused.__name__))


def hear_awaited(heard: Heard, returns: HeardReturns) -> Iterable[Outgoing]:
    """Tell the customer until when returned goods are awaited. What else waits is not told."""
    assert isinstance(heard.event, StepWaits)
    if heard.request.step == RECEIVE_GOODS:
        returns.await_goods(heard, heard.event.until)
    return ()


def hear_not_received(heard: Heard, returns: HeardReturns) -> Iterable[Outgoing]:
    """Tell the customer why nothing is given back."""
    assert isinstance(heard.event, GoodsNotReceived)
    returns.explain(heard, heard.event.reason)
    return ()


def hear_received(heard: Heard, timeline: Timeline) -> Iterable[Outgoing]:
    """Tell the customer how much of the return is accepted."""
    assert isinstance(heard.event, GoodsReceived)
    return _tell(heard, timeline, pieces=sum(each.quantity for each in heard.event.accepted))


def hear_return_refund(heard: Heard, timeline: Timeline) -> Iterable[Outgoing]:
    """Tell the customer what is given back for returned goods."""
    assert isinstance(heard.event, ReturnRefunded)
    return _tell(heard, timeline, amount_cents=heard.event.refunded_cents)


COMMANDS = {
    ConfirmOrder: Handler(confirm_order, Orders),
    CancelOrder: Handler(cancel_order, Orders),
    CancelConfirmedOrder: Handler(cancel_confirmed_order, Cancellations),
    RefuseCancellation: Handler(refuse_cancellation, Cancellations),
    CloseReturn: Handler(close_return, Returns),
    RefuseReturn: Handler(refuse_return, Returns),
}
LISTENERS: dict[type[Event], Listener] = {
    **{refusal: Listener(hear_refusal, Timeline) for refusal in refusals()},
    StockReserved: Listener(hear_reservation, Timeline),
    PaymentCaptured: Listener(hear_capture, Timeline),
    PaymentRefunded: Listener(hear_refund, Timeline),
    ShipmentHandedOver: Listener(hear_hand_over, Timeline),
    CancelAccepted: Listener(hear_accepted, AnsweredWishes),
    CancelTooLate: Listener(hear_too_late, AnsweredWishes),
    ShipmentNotRecalled: Listener(hear_not_recalled, AnsweredWishes),
    ShipmentRecalled: Listener(hear_recall, Timeline),
    PaymentReturned: Listener(hear_return, Timeline),
    StepWaits: Listener(hear_awaited, HeardReturns),
    GoodsReceived: Listener(hear_received, Timeline),
    GoodsNotReceived: Listener(hear_not_received, HeardReturns),
    ReturnRefunded: Listener(hear_return_refund, Timeline),
}
