"""The accounts and payments of one batch, with balances that run on from order to order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from apps.contracts.payments import AuthorizePayment
from apps.contracts.values import PaymentMethod, RefundTo
from apps.messaging.database import Database, columns, touches
from apps.messaging.handling import Call, Task, Workspace
from apps.payments.errors import MoreThanIsLeft, NoAccountToCredit, NothingToRefund
from apps.payments.gateways import CardCharge
from apps.payments.ledger import (
    AccountKey,
    Entry,
    LockedAccount,
    lock_accounts,
    open_accounts,
    write_entries,
)
from apps.payments.models import EntryKind, PaymentStatus, Pot, RefundState

# Lock payments, in key order; always before their accounts.
LOCK_PAYMENTS = """
SELECT saga_id, order_id, customer_id, currency, method, amount_cents, status, captured_cents,
       refunded_cents, refunding_cents, reference, status
FROM payments_payment WHERE saga_id = ANY(%b::uuid[]) ORDER BY saga_id FOR UPDATE
"""

# Write payments that were just opened.
INSERT_PAYMENTS = """
INSERT INTO payments_payment (saga_id, order_id, customer_id, currency, method, amount_cents,
                              status, captured_cents, refunded_cents, reference, expires_at)
SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::bigint[], %b::text[], %b::text[], %b::bigint[],
                     %b::text[], %b::bigint[], %b::bigint[], %b::text[], %b::timestamptz[])
"""

# Change payments, each only from the status that was decided upon.
CHANGE_PAYMENTS = """
UPDATE payments_payment AS payment
SET status = changed.status, captured_cents = changed.captured_cents,
    refunded_cents = changed.refunded_cents, refunding_cents = changed.refunding_cents,
    changed_at = statement_timestamp()
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[])
  AS changed (saga_id, status_before, status, captured_cents, refunded_cents, refunding_cents)
WHERE payment.saga_id = changed.saga_id AND payment.status = changed.status_before
"""

# Write down what is given back for returns: accepted at once, or pending.
INSERT_REFUNDS = """
INSERT INTO payments_refund (asked_by, payment_id, cents, "to", state)
SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::bigint[], %b::text[], %b::text[])
"""

# pending -> accepted. The caller holds the locks of their payments.
ACCEPT_REFUNDS = """
UPDATE payments_refund AS refund
SET state = 'accepted', reference = accepted.reference, changed_at = statement_timestamp()
FROM unnest(%b::uuid[], %b::text[]) AS accepted (asked_by, reference)
WHERE refund.asked_by = accepted.asked_by AND refund.state = 'pending'
"""


@dataclass(slots=True)
class PaymentRow:
    """A payment as the batch leaves it."""

    saga_id: UUID
    order_id: UUID
    customer_id: int
    currency: str
    method: str
    amount_cents: int
    status: str = PaymentStatus.AUTHORIZED
    captured_cents: int = 0
    refunded_cents: int = 0
    refunding_cents: int = 0
    reference: str = ""  # the gateway's, of a card payment
    status_before: str | None = None  # as loaded; None: this batch opens it
    expires_at: datetime | None = None  # of a hold that this batch opens

    @property
    def by_card(self) -> bool:
        return self.method == PaymentMethod.CARD

    @property
    def account_key(self) -> AccountKey:
        return self.customer_id, self.currency

    def capture(self) -> None:
        """All of it is taken."""
        self.status = PaymentStatus.CAPTURED
        self.captured_cents = self.amount_cents

    @property
    def left_cents(self) -> int:
        """Of what was taken so much is neither given back nor spoken for."""
        return self.captured_cents - self.refunded_cents - self.refunding_cents

    def refund(self) -> None:
        """What was taken, if anything, is given back."""
        self.status = PaymentStatus.REFUNDED
        self.refunded_cents = self.captured_cents

    def refund_part(self, cents: int) -> None:
        """So much more is given back; the payment is refunded when nothing is kept."""
        self.refunded_cents += cents
        if self.refunded_cents == self.captured_cents:
            self.status = PaymentStatus.REFUNDED

    def as_opened(self) -> tuple[object, ...]:
        """In the order of INSERT_PAYMENTS."""
        order = (self.saga_id, self.order_id, self.customer_id, self.currency, self.method)
        amounts = (self.amount_cents, self.status, self.captured_cents, self.refunded_cents)
        return (*order, *amounts, self.reference, self.expires_at)

    def as_changed(self) -> tuple[object, ...]:
        """In the order of CHANGE_PAYMENTS."""
        statuses = (self.status_before, self.status)
        amounts = (self.captured_cents, self.refunded_cents, self.refunding_cents)
        return (self.saga_id, *statuses, *amounts)


class Accounts(Workspace):
    """Store credit: what customers have, what is held for their orders, what was taken; and what
    the gateway has told of card payments, which move nothing here."""

    def __init__(
        self,
        database: Database,
        accounts: dict[AccountKey, LockedAccount],
        payments: dict[UUID, PaymentRow],
    ) -> None:
        super().__init__(database)
        self._accounts = accounts
        self._payments = payments
        self._entries: list[Entry] = []
        self._changed: dict[UUID, PaymentRow] = {}
        self._refunds: list[tuple[UUID, UUID, int, str, str]] = []
        self._accepted: list[tuple[UUID, str]] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        payments = _lock_payments(database, tasks)
        keys = {
            (task.message.customer_id, task.message.currency)
            for task in tasks
            if isinstance(task.message, AuthorizePayment)
        } | {payment.account_key for payment in payments.values()}
        return cls(database, lock_accounts(database, keys), payments)

    def available_cents(self, customer_id: int, currency: str) -> int | None:
        """What the customer can spend now; None without an account in that currency."""
        account = self._accounts.get((customer_id, currency))
        return None if account is None else account.available_cents

    def payment(self) -> PaymentRow | None:
        """The payment of the request's saga, if there is one."""
        return self._payments.get(self.request.saga_id)

    def hold(self, command: AuthorizePayment) -> None:
        """Set the total aside and open the payment; the caller has seen that it suffices."""
        payment = PaymentRow(
            saga_id=self.request.saga_id,
            order_id=command.order_id,
            customer_id=command.customer_id,
            currency=command.currency,
            method=command.payment_method.value,
            amount_cents=command.total_cents,
        )
        self._payments[payment.saga_id] = payment
        self._move(payment, EntryKind.HELD, Pot.AVAILABLE, Pot.HELD)

    def settle(self, payment: PaymentRow) -> None:
        """Take what is held."""
        self._move(payment, EntryKind.SETTLED, Pot.HELD, Pot.REVENUE)
        payment.capture()

    def give_back(self, payment: PaymentRow) -> None:
        """Give back what is held or, after a capture, what was taken."""
        if payment.status == PaymentStatus.CAPTURED:
            cents = payment.left_cents
            self._move(payment, EntryKind.GIVEN_BACK, Pot.REVENUE, Pot.AVAILABLE, cents=cents)
        else:
            self._move(payment, EntryKind.GIVEN_BACK, Pot.HELD, Pot.AVAILABLE)
        payment.refund()

    def known_payment(self) -> PaymentRow:
        """The payment of the request's saga. Raises NothingToRefund where there is none."""
        payment = self.payment()
        if payment is None:
            raise NothingToRefund(self.request.saga_id, "it has no payment")
        return payment

    def captured_payment(self, saga_id: UUID) -> PaymentRow:
        """The payment of a saga, which was taken. Raises NothingToRefund where none was."""
        payment = self._payments.get(saga_id)
        if payment is None or payment.status != PaymentStatus.CAPTURED:
            found = f"its payment is {payment.status}" if payment else "it has no payment"
            raise NothingToRefund(saga_id, found)
        return payment

    def open_card_payment(
        self, charge: CardCharge, reference: str, expires_at: datetime | None
    ) -> None:
        """The gateway holds the amount, until some time if it says one."""
        payment = PaymentRow(
            saga_id=self.request.saga_id,
            order_id=charge.order_id,
            customer_id=charge.customer_id,
            currency=charge.currency,
            method=PaymentMethod.CARD.value,
            amount_cents=charge.amount_cents,
            reference=reference,
            expires_at=expires_at,
        )
        self._payments[payment.saga_id] = self._changed[payment.saga_id] = payment

    def capture_card(self, payment: PaymentRow) -> None:
        """The gateway has taken what it held."""
        payment.capture()
        self._changed[payment.saga_id] = payment

    def give_card_back(self, payment: PaymentRow) -> None:
        """The gateway holds nothing any more, and has given back what it had taken."""
        payment.refund()
        self._changed[payment.saga_id] = payment

    def credit_instead(self, payment: PaymentRow) -> None:
        """Fund the customer's account with what was taken by card. Raises NoAccountToCredit."""
        if payment.captured_cents:
            account = self._accounts.get(payment.account_key)
            if account is None:
                raise NoAccountToCredit(payment.saga_id, f"customer {payment.customer_id}")
            move = (EntryKind.FUNDED, Pot.FUNDING, Pot.AVAILABLE)
            reason = f"instead of a refund of order {payment.order_id}"
            account.available_cents += payment.captured_cents
            self._entries.append(Entry(account.id, *move, payment.captured_cents, reason=reason))
        self.give_card_back(payment)

    # --- parts, for goods that came back

    def payment_for(self, saga_id: UUID, cents: int) -> PaymentRow:
        """The payment of a saga, of which so much is left to be given back. Raises NothingToRefund
        and MoreThanIsLeft."""
        payment = self.captured_payment(saga_id)
        if cents > payment.left_cents:
            raise MoreThanIsLeft(saga_id, f"{cents} cents of {payment.left_cents}")
        return payment

    def refund_part(self, payment: PaymentRow, cents: int, to: RefundTo) -> None:
        """Give a part back as store credit, which is our own ledger. An account is opened for who
        has none."""
        account = self._account_of(payment)
        account.available_cents += cents
        paid = (EntryKind.GIVEN_BACK, Pot.REVENUE, Pot.AVAILABLE)
        charged = (EntryKind.CREDITED, Pot.FUNDING, Pot.AVAILABLE)
        move = charged if payment.by_card else paid
        self._entries.append(Entry(account.id, *move, cents, self.request.saga_id))
        payment.refund_part(cents)
        self._changed[payment.saga_id] = payment
        self._note_refund(payment, cents, to, RefundState.ACCEPTED)

    def ask_for_refund(self, payment: PaymentRow, cents: int) -> None:
        """So much of a card payment is spoken for until the gateway has given it back."""
        payment.refunding_cents += cents
        self._changed[payment.saga_id] = payment
        self._note_refund(payment, cents, RefundTo.ORIGINAL, RefundState.PENDING)

    def accept_refund(self, payment: PaymentRow, cents: int, reference: str) -> None:
        """The gateway has given back what was spoken for."""
        payment.refunding_cents -= cents
        payment.refund_part(cents)
        self._changed[payment.saga_id] = payment
        self._accepted.append((self.request.saga_id, reference))

    def _note_refund(self, of: PaymentRow, cents: int, to: RefundTo, state: RefundState) -> None:
        asked_by = self.request.saga_id
        self._refunds.append((asked_by, of.saga_id, cents, to.value, state.value))

    def _account_of(self, payment: PaymentRow) -> LockedAccount:
        key = payment.account_key
        if key not in self._accounts:
            open_accounts(self.database, [key])
            self._accounts |= lock_accounts(self.database, [key])
        return self._accounts[key]

    def save(self) -> None:
        write_entries(self.database, self._entries)
        written = self._changed.values()
        if opened := [each.as_opened() for each in written if each.status_before is None]:
            self.database.send(INSERT_PAYMENTS, columns(opened, 11))
        changed = [each.as_changed() for each in written if each.status_before]
        if changed:
            self.database.send(CHANGE_PAYMENTS, columns(changed, 6), touches(len(changed)))
        if self._refunds:
            self.database.send(INSERT_REFUNDS, columns(self._refunds, 5))
        if self._accepted:
            accepted = touches(len(self._accepted))
            self.database.send(ACCEPT_REFUNDS, columns(self._accepted, 2), accepted)

    def _move(
        self,
        payment: PaymentRow,
        kind: EntryKind,
        source: Pot,
        target: Pot,
        *,
        cents: int | None = None,
    ) -> None:
        account = self._accounts[payment.account_key]
        cents = payment.amount_cents if cents is None else cents
        if source is Pot.AVAILABLE:
            account.available_cents -= cents
        if target is Pot.AVAILABLE:
            account.available_cents += cents
        self._entries.append(Entry(account.id, kind, source, target, cents, payment.saga_id))
        self._changed[payment.saga_id] = payment


def _lock_payments(database: Database, tasks: Sequence[Task]) -> dict[UUID, PaymentRow]:
    sagas = [_whose(task) for task in tasks if not isinstance(task.message, AuthorizePayment)]
    rows = database.fetch(LOCK_PAYMENTS, [sagas]) if sagas else []
    return {row[0]: PaymentRow(*row) for row in rows}


def _whose(task: Task) -> UUID:
    """The saga whose payment a task is about. A call is about the one that it was wanted for."""
    return UUID(task.message.subject) if isinstance(task.message, Call) else task.about
