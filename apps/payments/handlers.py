"""What payments does when asked: hold, take, give back."""

from apps.contracts.payments import (
    AuthorizePayment,
    CaptureFailed,
    CapturePayment,
    DeclineCode,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    RefundPayment,
)
from apps.contracts.values import PaymentMethod
from apps.messaging.handling import Handler
from apps.payments.errors import AlreadyCaptured, NothingToRefund
from apps.payments.models import PaymentStatus
from apps.payments.workspaces import Accounts

NOTHING_HELD = "nothing_held"


def authorize_payment(
    command: AuthorizePayment, accounts: Accounts
) -> PaymentAuthorized | PaymentDeclined:
    """Hold the whole total or nothing; says what was wanted and what there is."""
    if command.payment_method is not PaymentMethod.CREDIT:
        return _declined(command, DeclineCode.METHOD_UNAVAILABLE)
    available = accounts.available_cents(command.customer_id, command.currency)
    if available is None:
        return _declined(command, DeclineCode.NO_ACCOUNT)
    if available < command.total_cents:
        return _declined(command, DeclineCode.INSUFFICIENT_CREDIT, available)
    accounts.hold(command)
    return PaymentAuthorized(
        amount_cents=command.total_cents, payment_method=command.payment_method
    )


def capture_payment(command: CapturePayment, accounts: Accounts) -> PaymentCaptured | CaptureFailed:
    """Take what is held. Fails only where nothing is: then nothing was taken nor will be."""
    payment = accounts.payment()
    if payment is None or payment.status == PaymentStatus.REFUNDED:
        return CaptureFailed(code=NOTHING_HELD)
    if payment.status == PaymentStatus.CAPTURED:
        raise AlreadyCaptured(payment.saga_id, f"{payment.captured_cents} cents were taken")
    accounts.settle(payment)
    return PaymentCaptured(amount_cents=payment.amount_cents)


def refund_payment(command: RefundPayment, accounts: Accounts) -> PaymentRefunded:
    """Give back what is held; of a captured payment, what was taken."""
    payment = accounts.payment()
    if payment is None:
        raise NothingToRefund(accounts.request.saga_id, "it has no payment")
    if payment.status == PaymentStatus.REFUNDED:
        raise NothingToRefund(payment.saga_id, "its payment is refunded")
    accounts.give_back(payment)
    return PaymentRefunded(amount_cents=payment.amount_cents)


def _declined(
    command: AuthorizePayment, code: DeclineCode, available_cents: int | None = None
) -> PaymentDeclined:
    return PaymentDeclined(
        code=code, wanted_cents=command.total_cents, available_cents=available_cents
    )


COMMANDS = {
    AuthorizePayment: Handler(authorize_payment, Accounts),
    CapturePayment: Handler(capture_payment, Accounts),
    RefundPayment: Handler(refund_payment, Accounts),
}
