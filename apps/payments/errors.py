"""What should never be asked of payments: not refusals, but signs that something is wrong."""

from uuid import UUID

from apps.messaging.errors import AskedInVain, sentence_of


class PaymentsError(Exception):
    """Something unexpected in payments; the message is tried again, then parked."""

    def __init__(self, saga_id: UUID, detail: str) -> None:
        self.saga_id = saga_id
        super().__init__(f"{sentence_of(self)} Saga {saga_id}: {detail}.")


class NothingToRefund(PaymentsError):
    """A refund was asked for a payment that holds and took nothing; compare saga log and ledger."""


class AlreadyCaptured(PaymentsError):
    """A capture was asked for a payment that is captured; compare saga log and ledger."""


class GatewayKeepsMoney(PaymentsError, AskedInVain):
    """The gateway will not refund what is owed to the customer: give it back another way, then
    record with evidence that it happened."""


class BankHasMoney(GatewayKeepsMoney):
    """The cardholder's bank has taken back what is owed to the customer: give nothing besides. If
    the shop wins the dispute it is refunded by itself; if not, record with the dispute as evidence
    that it happened."""


class MoreThanIsLeft(PaymentsError):
    """Goods that came back are worth more than what is left of their payment; compare the order's
    returns with the payment's refunds."""


class NoAccountToCredit(PaymentsError):
    """Store credit should stand in for a refund, but the customer has no account in this currency:
    give it one, then retry."""


class UnusableAmount(ValueError):
    """An amount of credit that cannot be booked; give whole cents, not below zero."""

    def __init__(self, customer_id: int, cents: int) -> None:
        self.customer_id = customer_id
        self.cents = cents
        super().__init__(f"{sentence_of(self)} Customer {customer_id}: {cents}.")


class NoCardPayment(LookupError):
    """The customer has no order by card of that id, or payments has not heard of it yet."""


class NoCardWanted(Exception):
    """The payment does not wait for another card; `code` and `why` say what it does."""

    def __init__(self, code: str, why: str) -> None:
        self.code, self.why = code, why
        super().__init__(f"{code}: {why}")
