"""What notifications does when asked: tell the customer."""

from apps.contracts.notifications import ConfirmationSent, Delivery, SendConfirmation
from apps.messaging.handling import Handler
from apps.notifications.models import MessageKind
from apps.notifications.wording import confirmation
from apps.notifications.workspaces import Inboxes


def send_confirmation(command: SendConfirmation, inboxes: Inboxes) -> ConfirmationSent:
    """Tell the customer once that the order is confirmed. There is no refusal: an inbox of our own
    takes everything."""
    text = confirmation(command.order_id, command.total_cents, command.currency)
    inboxes.deliver(command.order_id, command.customer_id, MessageKind.CONFIRMED, text)
    return ConfirmationSent(delivery=Delivery.DELIVERED)


COMMANDS = {
    SendConfirmation: Handler(send_confirmation, Inboxes),
}
