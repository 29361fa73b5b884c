"""A shop with customers and their credit, for the tests of payments."""

from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.payments import AuthorizePayment, CapturePayment, RefundPayment
from apps.contracts.values import PaymentMethod
from apps.payments.services import fund_accounts
from tests.handling import ask

ANNA, BORIS = 1, 2


def credit(**customers: int) -> None:
    """Give credit in euro cents: `credit(anna=50_00)`."""
    ids = {"anna": ANNA, "boris": BORIS}
    fund_accounts(
        credits={ids[name]: cents for name, cents in customers.items()},
        currency="EUR",
        reason="a gift",
    )


def authorize(
    cents: int,
    *,
    customer: int = ANNA,
    order_id: UUID | None = None,
    method: PaymentMethod = PaymentMethod.CREDIT,
    currency: str = "EUR",
) -> AuthorizePayment:
    """The command to hold so many cents."""
    return AuthorizePayment(
        order_id=order_id or uuid7(),
        customer_id=customer,
        currency=currency,
        total_cents=cents,
        payment_method=method,
    )


def held(cents: int, **order: object) -> UUID:
    """The saga of an order for which so many cents are held."""
    saga_id = uuid7()
    ask("payments", authorize(cents, **order), saga_id=saga_id)  # type: ignore[arg-type]
    return saga_id


def captured(cents: int) -> UUID:
    """The saga of an order that is paid."""
    saga_id = held(cents)
    capture(saga_id)
    return saga_id


def capture(saga_id: UUID) -> Event:
    return ask("payments", CapturePayment(), saga_id=saga_id)


def refund(saga_id: UUID) -> Event:
    return ask("payments", RefundPayment(), saga_id=saga_id)


def balances(owner: psycopg.Connection, customer: int = ANNA) -> tuple[int, int]:
    """What a customer has available and held, in cents."""
    row = owner.execute(
        "SELECT available_cents, held_cents FROM payments_account WHERE customer_id = %s",
        [customer],
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def ledger(owner: psycopg.Connection) -> list[tuple[str, str, str, int]]:
    """Kind, source, target and cents of each entry, in the order in which they were written."""
    return owner.execute(
        "SELECT kind, from_pot, to_pot, amount_cents FROM payments_ledgerentry ORDER BY id"
    ).fetchall()


def payment(owner: psycopg.Connection, saga_id: UUID) -> tuple[str, int, int, int] | None:
    """Status, amount, captured and refunded cents."""
    return owner.execute(
        "SELECT status, amount_cents, captured_cents, refunded_cents FROM payments_payment"
        " WHERE saga_id = %s",
        [saga_id],
    ).fetchone()
