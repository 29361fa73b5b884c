"""The accounts and payments of one batch, with balances that run on from order to order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from apps.contracts.payments import AuthorizePayment, CapturePayment, RefundPayment
from apps.messaging.database import Database, columns
from apps.messaging.handling import Task, Workspace
from apps.payments.errors import PaymentChangedMeanwhile
from apps.payments.ledger import AccountKey, Entry, LockedAccount, lock_accounts, write_entries
from apps.payments.models import EntryKind, PaymentStatus, Pot

# Lock payments, in key order; always before their accounts.
LOCK_PAYMENTS = """
SELECT saga_id, order_id, customer_id, currency, method, amount_cents, status, captured_cents,
       refunded_cents, status
FROM payments_payment WHERE saga_id = ANY(%b::uuid[]) ORDER BY saga_id FOR UPDATE
"""

# Write payments: new ones whole, changed ones only from the status that was decided upon.
WRITE_PAYMENTS = """
WITH written AS (
  SELECT * FROM unnest(
    %b::uuid[], %b::uuid[], %b::bigint[], %b::text[], %b::text[], %b::bigint[], %b::text[],
    %b::bigint[], %b::bigint[], %b::text[])
  AS row (saga_id, order_id, customer_id, currency, method, amount_cents, status,
          captured_cents, refunded_cents, status_before)
), opened AS (
  INSERT INTO payments_payment (saga_id, order_id, customer_id, currency, method, amount_cents,
                                status, captured_cents, refunded_cents)
  SELECT saga_id, order_id, customer_id, currency, method, amount_cents, status, captured_cents,
         refunded_cents
  FROM written WHERE status_before IS NULL
)
UPDATE payments_payment AS payment
SET status = written.status, captured_cents = written.captured_cents,
    refunded_cents = written.refunded_cents, changed_at = statement_timestamp()
FROM written
WHERE payment.saga_id = written.saga_id AND payment.status = written.status_before
"""


@dataclass(slots=True)
class PaymentRow:
    """A payment as the batch leaves it, in the order of WRITE_PAYMENTS."""

    saga_id: UUID
    order_id: UUID
    customer_id: int
    currency: str
    method: str
    amount_cents: int
    status: str = PaymentStatus.AUTHORIZED
    captured_cents: int = 0
    refunded_cents: int = 0
    status_before: str | None = None  # as loaded; None: this batch opens it

    @property
    def account_key(self) -> AccountKey:
        return self.customer_id, self.currency

    def as_row(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)


class Accounts(Workspace):
    """Store credit: what customers have, what is held for their orders, what was taken."""

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
        payment.status = PaymentStatus.CAPTURED
        payment.captured_cents = payment.amount_cents

    def give_back(self, payment: PaymentRow) -> None:
        """Give back what is held or, after a capture, what was taken."""
        taken = payment.status == PaymentStatus.CAPTURED
        source = Pot.REVENUE if taken else Pot.HELD
        self._move(payment, EntryKind.GIVEN_BACK, source, Pot.AVAILABLE)
        payment.status = PaymentStatus.REFUNDED
        payment.refunded_cents = payment.captured_cents

    def save(self) -> None:
        if not self._changed:
            return
        write_entries(self.database, self._entries)
        rows = [payment.as_row() for payment in self._changed.values()]
        updated = self.database.execute(WRITE_PAYMENTS, columns(rows, len(PaymentRow.__slots__)))
        if updated != sum(payment.status_before is not None for payment in self._changed.values()):
            raise PaymentChangedMeanwhile

    def _move(self, payment: PaymentRow, kind: EntryKind, source: Pot, target: Pot) -> None:
        account = self._accounts[payment.account_key]
        cents = payment.amount_cents
        if source is Pot.AVAILABLE:
            account.available_cents -= cents
        if target is Pot.AVAILABLE:
            account.available_cents += cents
        self._entries.append(Entry(account.id, kind, source, target, cents, payment.saga_id))
        self._changed[payment.saga_id] = payment


def _lock_payments(database: Database, tasks: Sequence[Task]) -> dict[UUID, PaymentRow]:
    sagas = [
        task.request.saga_id
        for task in tasks
        if isinstance(task.message, (CapturePayment, RefundPayment))
    ]
    rows = database.fetch(LOCK_PAYMENTS, [sagas]) if sagas else []
    return {row[0]: PaymentRow(*row) for row in rows}
