"""What notifications does when asked, and on hearing news: tell the customer."""

from collections.abc import Iterable

from apps.contracts.base import Event, Refusal
from apps.contracts.inventory import GoodsNotReceived
from apps.contracts.notifications import (
    CancellationSent,
    ConfirmationSent,
    Delivery,
    ReturnNoticeSent,
    SendCancellation,
    SendConfirmation,
    SendReturnNotice,
)
from apps.contracts.orders import CancellationBegun, OrderCancelled, OrderCreated
from apps.contracts.payments import PaymentReturned
from apps.contracts.sagas import CancelAccepted
from apps.contracts.shipping import ShipmentHandedOver, ShipmentNotRecalled
from apps.messaging.handling import (
    ByHand,
    Call,
    CallOutside,
    Handler,
    Heard,
    Listener,
    Outgoing,
    OutsideCall,
)
from apps.messaging.providers import Provider
from apps.notifications import waiting
from apps.notifications.models import MessageKind
from apps.notifications.waiting import AWAIT_DISPATCH, Awaited
from apps.notifications.wording import arrival, cancellation, confirmation
from apps.notifications.workspaces import Inboxes, News
from apps.processes import refusals

POST = Provider("post")  # rows of our own, which always answer
AS_WISHED = "You wished to cancel it"
OF_NO_ORDER = {ShipmentNotRecalled, GoodsNotReceived}  # the order stays as it is


def send_confirmation(
    command: SendConfirmation, inboxes: Inboxes
) -> ConfirmationSent | CallOutside:
    """Tell the customer once that the order is confirmed. There is no refusal: an inbox of our own
    takes everything."""
    text = confirmation(command.order_id, command.total_cents, command.currency)
    kind = MessageKind.CONFIRMED
    if inboxes.deliver(command.order_id, command.customer_id, kind, text):
        return waiting.wait_for(command.order_id, kind, inboxes.request.saga_id)
    return ConfirmationSent(delivery=Delivery.DELIVERED)


def send_cancellation(
    command: SendCancellation, inboxes: Inboxes
) -> CancellationSent | CallOutside:
    """Tell the customer once that the order is cancelled after its end, and paid back."""
    text = cancellation(command.order_id, command.total_cents, command.currency)
    kind = MessageKind.CANCELLED
    if inboxes.deliver(command.order_id, command.customer_id, kind, text):
        return waiting.wait_for(command.order_id, kind, inboxes.request.saga_id)
    return CancellationSent(delivery=Delivery.DELIVERED)


def send_return_notice(
    command: SendReturnNotice, inboxes: Inboxes
) -> ReturnNoticeSent | CallOutside:
    """Tell the customer once that a return is here, and what is given back for it."""
    text = arrival(command.order_id, command.refunded_cents, command.currency, command.refund_to)
    kind = MessageKind.RETURNED
    if inboxes.deliver(command.order_id, command.customer_id, kind, text):
        return waiting.wait_for(command.order_id, kind, inboxes.request.saga_id)
    return ReturnNoticeSent(delivery=Delivery.DELIVERED)


def dispatched(
    call: Call, outcome: Delivery | ByHand, inboxes: Inboxes
) -> ConfirmationSent | CancellationSent | ReturnNoticeSent:
    """The message has left the house, or will not; a person's evidence is that it arrived."""
    awaited: Awaited = call.details
    delivery = Delivery.DELIVERED if isinstance(outcome, ByHand) else outcome
    return ANSWERS[MessageKind(awaited.kind)](delivery=delivery)


ANSWERS: dict[MessageKind, type[ConfirmationSent | CancellationSent | ReturnNoticeSent]] = {
    MessageKind.CONFIRMED: ConfirmationSent,
    MessageKind.CANCELLED: CancellationSent,
    MessageKind.RETURNED: ReturnNoticeSent,
}


# --- news, which nobody asks for


def hear_start(heard: Heard, news: News) -> Iterable[Outgoing]:
    """Whom the saga's news are for."""
    assert isinstance(heard.event, OrderCreated | CancellationBegun)
    news.begin(heard.event)
    return ()


def hear_refusal(heard: Heard, news: News) -> Iterable[Outgoing]:
    """Why the order may come to be undone."""
    assert isinstance(heard.event, Refusal)
    news.explain(heard.event.reason, heard.message_id)
    return ()


def hear_accepted(heard: Heard, news: News) -> Iterable[Outgoing]:
    """The order is undone because its customer wishes it."""
    news.explain(AS_WISHED, heard.message_id)
    return ()


def hear_cancelled(heard: Heard, news: News) -> Iterable[Outgoing]:
    """The order is undone; nothing where there never was one."""
    assert isinstance(heard.event, OrderCancelled)
    if not heard.event.nothing_to_undo:
        news.refuse()
    return ()


def hear_hand_over(heard: Heard, news: News) -> Iterable[Outgoing]:
    """The carrier has the parcel."""
    assert isinstance(heard.event, ShipmentHandedOver)
    news.ship(heard.event.carrier, heard.event.reference)
    return ()


def hear_return(heard: Heard, news: News) -> Iterable[Outgoing]:
    """What was paid is given back."""
    assert isinstance(heard.event, PaymentReturned)
    news.give_back(heard.event.amount_cents)
    return ()


COMMANDS = {
    SendConfirmation: Handler(send_confirmation, Inboxes),
    SendCancellation: Handler(send_cancellation, Inboxes),
    SendReturnNotice: Handler(send_return_notice, Inboxes),
}
LISTENERS: dict[type[Event], Listener] = {
    **{each: Listener(hear_refusal, News) for each in refusals() - OF_NO_ORDER},
    OrderCreated: Listener(hear_start, News),
    CancellationBegun: Listener(hear_start, News),
    CancelAccepted: Listener(hear_accepted, News),
    OrderCancelled: Listener(hear_cancelled, News),
    ShipmentHandedOver: Listener(hear_hand_over, News),
    PaymentReturned: Listener(hear_return, News),
}
CALLS = {
    AWAIT_DISPATCH: OutsideCall(
        waiting.outcome_of,
        dispatched,
        Inboxes,
        details=Awaited,
        longest=waiting.LONGEST_CALL_SECONDS,
        steps=frozenset({"send_confirmation", "send_cancellation", "send_return_notice"}),
        provider=POST,
    ),
}
