"""What orders is asked and tells."""

from uuid import UUID

from apps.contracts.base import Command, Compensation, Event, TakesBack, Undone
from apps.contracts.values import (
    AcceptedLine,
    Address,
    PaymentMethod,
    PricedLine,
    RefundTo,
)


class OrderCreated(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A customer placed an order; its saga starts here. Carries what the later steps need."""

    order_id: UUID
    customer_id: int
    currency: str  # ISO 4217
    lines: tuple[PricedLine, ...]
    total_cents: int
    payment_method: PaymentMethod
    gift_wrap: bool
    address: Address
    card: str = ""  # of a payment by card: the gateway's payment method, pm_…


class OrderCancelled(Undone, frozen=True, kw_only=True):
    """The order is cancelled; every later step is already undone."""

    order_id: UUID | None = None


class CancelOrder(Compensation, frozen=True, kw_only=True):
    """Cancel the order."""

    answer = OrderCancelled


class ConfirmOrder(Command, frozen=True, kw_only=True):
    """Confirm the order: paid, and its parcel booked. The total is that of the frozen prices."""

    total_cents: int


class OrderConfirmed(Event, frozen=True, kw_only=True):
    """The order is confirmed and will be handed over to the carrier."""

    order_id: UUID


class CancelRequested(Event, frozen=True, kw_only=True):
    """The customer wishes to cancel an order whose saga is under way. An input to that saga, which
    may hear of it before it hears of its start."""

    order_id: UUID
    customer_id: int
    total_cents: int
    currency: str
    reason: str


class CancellationBegun(Event, frozen=True, kw_only=True):
    """The customer cancels a confirmed order; the saga that takes it back starts here."""

    order_id: UUID
    customer_id: int
    placed_by: UUID  # the saga that placed the order: participants know their rows by it
    currency: str
    total_cents: int


class CancellationRefused(Undone, frozen=True, kw_only=True):
    """The order stays confirmed."""

    order_id: UUID | None = None


class RefuseCancellation(Compensation, frozen=True, kw_only=True):
    """Nothing was taken back: tell the customer that the order stays confirmed."""

    answer = CancellationRefused


class CancelConfirmedOrder(TakesBack, frozen=True, kw_only=True):
    """Cancel an order after its confirmed end: everything else is taken back."""


class ConfirmedOrderCancelled(Event, frozen=True, kw_only=True):
    """The order is cancelled after it had been confirmed."""

    order_id: UUID


class ReturnBegun(Event, frozen=True, kw_only=True):
    """The customer announces goods that come back; the saga that takes them starts here."""

    return_id: UUID
    order_id: UUID
    customer_id: int
    placed_by: UUID  # the saga that placed the order: participants know their rows by it
    currency: str
    lines: tuple[PricedLine, ...]  # what is announced, at the prices that were paid
    total_cents: int  # of these lines: more is not given back
    refund_to: RefundTo


class ReturnRefused(Undone, frozen=True, kw_only=True):
    """Nothing came back that could be accepted; the order stays as it is."""

    order_id: UUID | None = None


class RefuseReturn(Compensation, frozen=True, kw_only=True):
    """Nothing was taken back: tell the customer, who may announce a return anew."""

    answer = ReturnRefused


class CloseReturn(Command, frozen=True, kw_only=True):
    """The goods are here and paid back: write down what of the order is returned."""

    accepted: tuple[AcceptedLine, ...]
    refunded_cents: int


class ReturnClosed(Event, frozen=True, kw_only=True):
    """The return is over."""

    order_id: UUID
