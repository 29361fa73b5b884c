"""What notifications does when asked: tell the customer."""

from apps.contracts.notifications import (
    CancellationSent,
    ConfirmationSent,
    Delivery,
    ReturnNoticeSent,
    SendCancellation,
    SendConfirmation,
    SendReturnNotice,
)
from apps.messaging.handling import Handler
from apps.notifications.models import MessageKind
from apps.notifications.wording import cancellation, confirmation, refund
from apps.notifications.workspaces import Inboxes


def send_confirmation(command: SendConfirmation, inboxes: Inboxes) -> ConfirmationSent:
    """Tell the customer once that the order is confirmed. There is no refusal: an inbox of our own
    takes everything."""
    text = confirmation(command.order_id, command.total_cents, command.currency)
    inboxes.deliver(command.order_id, command.customer_id, MessageKind.CONFIRMED, text)
    return ConfirmationSent(delivery=Delivery.DELIVERED)


def send_cancellation(command: SendCancellation, inboxes: Inboxes) -> CancellationSent:
    """Tell the customer once that the order is cancelled after its end, and paid back."""
    text = cancellation(command.order_id, command.total_cents, command.currency)
    inboxes.deliver(command.order_id, command.customer_id, MessageKind.CANCELLED, text)
    return CancellationSent(delivery=Delivery.DELIVERED)


def send_return_notice(command: SendReturnNotice, inboxes: Inboxes) -> ReturnNoticeSent:
    """Tell the customer once that a return is here, and what is given back for it."""
    text = refund(command.order_id, command.refunded_cents, command.currency, command.refund_to)
    inboxes.deliver(command.order_id, command.customer_id, MessageKind.REFUNDED, text)
    return ReturnNoticeSent(delivery=Delivery.DELIVERED)


COMMANDS = {
    SendConfirmation: Handler(send_confirmation, Inboxes),
    SendCancellation: Handler(send_cancellation, Inboxes),
    SendReturnNotice: Handler(send_return_notice, Inboxes),
}
