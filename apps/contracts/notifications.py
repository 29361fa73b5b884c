"""What notifications is asked and tells."""

import enum
from uuid import UUID

from apps.contracts.base import Command, Event
from apps.contracts.values import RefundTo


class Delivery(enum.StrEnum):
    """What is known of a message's way to its reader."""

    DELIVERED = "delivered"
    UNKNOWN = "unknown"  # it may have been sent; it is not sent again by itself
    REFUSED = "refused"  # nobody takes it at the customer's address; the inbox has it
    DELAYED = "delayed"  # nobody has taken it yet; it is tried again, and the order goes on


class SendConfirmation(Command, frozen=True, kw_only=True):
    """Tell the customer that the order is confirmed."""

    order_id: UUID
    customer_id: int
    currency: str
    total_cents: int


class ConfirmationSent(Event, frozen=True, kw_only=True):
    """The customer was told."""

    delivery: Delivery


class SendCancellation(Command, frozen=True, kw_only=True):
    """Tell the customer that the order is cancelled and paid back."""

    order_id: UUID
    customer_id: int
    currency: str
    total_cents: int


class CancellationSent(Event, frozen=True, kw_only=True):
    """The customer was told of the cancellation."""

    delivery: Delivery


class SendReturnNotice(Command, frozen=True, kw_only=True):
    """Tell the customer that returned goods have arrived and what is given back for them."""

    order_id: UUID
    customer_id: int
    currency: str
    refunded_cents: int
    refund_to: RefundTo


class ReturnNoticeSent(Event, frozen=True, kw_only=True):
    """The customer was told of the refund."""

    delivery: Delivery
