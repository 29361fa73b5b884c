"""What payments does when asked: hold, take, give back.

Store credit is our own ledger, so each is a local transaction. A card is the gateway's: the handler
wants a call, and what the gateway answers is recorded by the functions below.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.contracts.base import Event
from apps.contracts.payments import (
    AuthorizePayment,
    CaptureFailed,
    CapturePayment,
    CreditInstead,
    DeclineCode,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentReturned,
    RefundPayment,
    RefundReturn,
    ReturnPayment,
    ReturnRefunded,
)
from apps.contracts.steps import UndoRefused
from apps.contracts.values import PaymentMethod, RefundTo
from apps.messaging.handling import ByHand, Call, CallOutside, Handler, OutsideCall
from apps.messaging.providers import Provider
from apps.payments import gateways
from apps.payments.errors import AlreadyCaptured, NothingToRefund
from apps.payments.gateways import CardCharge, GatewayAnswer
from apps.payments.models import PaymentStatus
from apps.payments.workspaces import Accounts, PaymentRow

NOTHING_HELD = "nothing_held"


def authorize_payment(
    command: AuthorizePayment, accounts: Accounts
) -> PaymentAuthorized | PaymentDeclined | CallOutside:
    """Hold the whole total or nothing; says what was wanted and what there is."""
    if command.payment_method is PaymentMethod.CARD:
        return _authorize_card(command, accounts)
    available = accounts.available_cents(command.customer_id, command.currency)
    if available is None:
        return _declined(command, DeclineCode.NO_ACCOUNT)
    if available < command.total_cents:
        return _declined(command, DeclineCode.INSUFFICIENT_CREDIT, available)
    accounts.hold(command)
    return PaymentAuthorized(
        amount_cents=command.total_cents, payment_method=command.payment_method
    )


def capture_payment(
    command: CapturePayment, accounts: Accounts
) -> PaymentCaptured | CaptureFailed | CallOutside:
    """Take what is held. Fails only where nothing is: then nothing was taken nor will be."""
    payment = accounts.payment()
    if payment is None or payment.status == PaymentStatus.REFUNDED:
        return CaptureFailed(code=NOTHING_HELD)
    if payment.status == PaymentStatus.CAPTURED:
        raise AlreadyCaptured(payment.saga_id, f"{payment.captured_cents} cents were taken")
    if payment.by_card:
        return _call(CAPTURE, payment)
    accounts.settle(payment)
    return PaymentCaptured(amount_cents=payment.amount_cents)


def refund_payment(command: RefundPayment, accounts: Accounts) -> PaymentRefunded | CallOutside:
    """Give back what is held; of a captured payment, what was taken."""
    payment = _to_refund(accounts)
    if payment.by_card:
        return _call(GIVE_BACK, payment)
    accounts.give_back(payment)
    return PaymentRefunded(amount_cents=payment.amount_cents)


def credit_instead(command: CreditInstead, accounts: Accounts) -> PaymentRefunded:
    """Give store credit for what the gateway will not give back."""
    payment = _to_refund(accounts)
    accounts.credit_instead(payment)
    return PaymentRefunded(amount_cents=payment.refunded_cents)


def return_payment(command: ReturnPayment, accounts: Accounts) -> PaymentReturned | CallOutside:
    """Give back what was taken for an order that is cancelled after its end."""
    payment = accounts.captured_payment(command.placed_by)
    left = payment.left_cents
    if payment.by_card:
        return _call(RETURN, payment, refund_cents=left if payment.refunded_cents else 0)
    accounts.give_back(payment)
    return PaymentReturned(amount_cents=left)


def refund_return(command: RefundReturn, accounts: Accounts) -> ReturnRefunded | CallOutside:
    """Give back what accepted goods have cost: to the card that paid them, else as store credit."""
    prices = {line.product_id: line.unit_price_cents for line in command.lines}
    cents = sum(each.quantity * prices[each.product_id] for each in command.accepted)
    payment = accounts.payment_for(command.placed_by, cents)
    if payment.by_card and command.refund_to is RefundTo.ORIGINAL:
        accounts.ask_for_refund(payment, cents)
        return _call(REFUND, payment, refund_cents=cents)
    accounts.refund_part(payment, cents, command.refund_to)
    return ReturnRefunded(refunded_cents=cents, refund_to=command.refund_to)


def _to_refund(accounts: Accounts) -> PaymentRow:
    payment = accounts.payment()
    if payment is None:
        raise NothingToRefund(accounts.request.saga_id, "it has no payment")
    if payment.status == PaymentStatus.REFUNDED:
        raise NothingToRefund(payment.saga_id, "its payment is refunded")
    return payment


def _declined(
    command: AuthorizePayment, code: DeclineCode, available_cents: int | None = None
) -> PaymentDeclined:
    return PaymentDeclined(
        code=code, wanted_cents=command.total_cents, available_cents=available_cents
    )


# --- cards

STRIPE = Provider.from_settings("stripe")
AUTHORIZE, CAPTURE, GIVE_BACK = "authorize", "capture", "give_back"
RETURN, REFUND = "return", "refund"  # of what was taken: all that is left, or a part


def _authorize_card(command: AuthorizePayment, accounts: Accounts) -> CallOutside | PaymentDeclined:
    if gateways.gateway() is None:
        return _declined(command, DeclineCode.METHOD_UNAVAILABLE)
    charge = CardCharge(
        order_id=command.order_id,
        customer_id=command.customer_id,
        currency=command.currency,
        amount_cents=command.total_cents,
        card=command.card,
    )
    return CallOutside(AUTHORIZE, str(accounts.request.saga_id), charge)


def _call(operation: str, payment: PaymentRow, *, refund_cents: int = 0) -> CallOutside:
    charge = CardCharge(
        order_id=payment.order_id,
        customer_id=payment.customer_id,
        currency=payment.currency,
        amount_cents=payment.amount_cents,
        captured=payment.status == PaymentStatus.CAPTURED,
        refund_cents=refund_cents,
        reference=payment.reference,
    )
    return CallOutside(operation, str(payment.saga_id), charge)


def authorization_answered(
    call: Call, outcome: GatewayAnswer | ByHand, accounts: Accounts
) -> PaymentAuthorized | PaymentDeclined:
    """The amount is held on the card, or the bank said no."""
    charge: CardCharge = call.details
    if isinstance(outcome, GatewayAnswer) and not outcome.ok:
        return PaymentDeclined(
            code=DeclineCode.CARD_DECLINED,
            wanted_cents=charge.amount_cents,
            decline_code=outcome.code,
        )
    accounts.open_card_payment(charge, *_reference(outcome))
    return PaymentAuthorized(amount_cents=charge.amount_cents, payment_method=PaymentMethod.CARD)


def capture_answered(
    call: Call, outcome: GatewayAnswer | ByHand, accounts: Accounts
) -> PaymentCaptured | CaptureFailed:
    """The amount is taken, or can no more be."""
    if isinstance(outcome, GatewayAnswer) and not outcome.ok:
        return CaptureFailed(code=outcome.code)
    payment = accounts.known_payment()
    accounts.capture_card(payment)
    return PaymentCaptured(amount_cents=payment.amount_cents)


def give_back_answered(
    call: Call, outcome: GatewayAnswer | ByHand, accounts: Accounts
) -> PaymentRefunded | UndoRefused:
    """What was held or taken is given back; or the gateway will not."""
    if isinstance(outcome, GatewayAnswer) and not outcome.ok:
        return UndoRefused(reason=f"The gateway gives nothing back ({outcome.code})")
    payment = accounts.known_payment()
    accounts.give_card_back(payment)
    return PaymentRefunded(amount_cents=payment.amount_cents)


def return_answered(
    call: Call, outcome: GatewayAnswer | ByHand, accounts: Accounts
) -> PaymentReturned:
    """What was taken is given back, by the gateway or, on evidence, by a person."""
    payment = accounts.captured_payment(UUID(call.subject))
    left = payment.left_cents
    accounts.give_card_back(payment)
    return PaymentReturned(amount_cents=left)


def refund_answered(
    call: Call, outcome: GatewayAnswer | ByHand, accounts: Accounts
) -> ReturnRefunded:
    """The price of returned goods is given back, by the gateway or, on evidence, by a person."""
    cents = call.details.refund_cents
    payment = accounts.captured_payment(UUID(call.subject))
    reference, _ = _reference(outcome)
    accounts.accept_refund(payment, cents, reference)
    return ReturnRefunded(refunded_cents=cents, refund_to=RefundTo.ORIGINAL)


def _reference(outcome: GatewayAnswer | ByHand) -> tuple[str, datetime | None]:
    """What the gateway calls a hold or a refund, and when a hold lapses."""
    if isinstance(outcome, ByHand):
        return outcome.evidence, None
    return outcome.reference, outcome.expires_at


def _outside(
    step: str,
    make: Callable[[Call], GatewayAnswer],
    record: Callable[[Call, Any, Accounts], Event],
) -> OutsideCall:
    return OutsideCall(
        make,
        record,
        Accounts,
        details=CardCharge,
        longest=gateways.LONGEST_CALL_SECONDS,
        steps=frozenset({step}),
        provider=STRIPE,
    )


COMMANDS = {
    AuthorizePayment: Handler(authorize_payment, Accounts),
    CapturePayment: Handler(capture_payment, Accounts),
    RefundPayment: Handler(refund_payment, Accounts),
    CreditInstead: Handler(credit_instead, Accounts),
    ReturnPayment: Handler(return_payment, Accounts),
    RefundReturn: Handler(refund_return, Accounts),
}
CALLS = {
    AUTHORIZE: _outside("authorize_payment", gateways.authorize, authorization_answered),
    CAPTURE: _outside("capture_payment", gateways.capture, capture_answered),
    GIVE_BACK: _outside("authorize_payment", gateways.give_back, give_back_answered),
    RETURN: _outside("return_payment", gateways.return_taken, return_answered),
    REFUND: _outside("refund_return", gateways.return_taken, refund_answered),
}
