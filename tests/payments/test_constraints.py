"""What the database itself refuses, whatever the code does."""

from uuid import UUID

import psycopg
import pytest
from django.db import connections
from psycopg import errors
from uuid_utils.compat import uuid7

from apps.messaging.database import Database
from tests.payments.shop import balances, captured, credit, held, payment


@pytest.fixture
def payments(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    credit(anna=50_00)
    return databases["payments"]


def enter(owner: psycopg.Connection, entry: str, saga_id: UUID | None) -> None:
    """Write a ledger entry by hand: `kind from_pot to_pot cents`."""
    owner.execute(
        "INSERT INTO payments_ledgerentry"
        " (account_id, kind, from_pot, to_pot, amount_cents, saga_id)"
        " SELECT id, %s, %s, %s, %s, %s FROM payments_account",
        [*entry.split(), saga_id],
    )


def test_a_payment_is_settled_once(payments: psycopg.Connection) -> None:
    saga_id = captured(30_00)
    with pytest.raises(errors.UniqueViolation, match="payments_one_entry_per_saga_and_kind"):
        enter(payments, "settled held revenue 3000", saga_id)


def test_an_order_is_captured_once_even_by_two_sagas(payments: psycopg.Connection) -> None:
    order_id = uuid7()
    first, second = held(10_00, order_id=order_id), held(10_00, order_id=order_id)
    capture = (
        "UPDATE payments_payment SET status = 'captured', captured_cents = amount_cents"
        " WHERE saga_id = %s"
    )
    payments.execute(capture, [first])
    with pytest.raises(errors.UniqueViolation, match="payments_one_capture_per_order"):
        payments.execute(capture, [second])
    assert payment(payments, second) == ("authorized", 10_00, 0, 0)


@pytest.mark.parametrize(
    "change",
    [
        "captured_cents = 1000",
        "refunded_cents = 1",
        "status = 'captured'",
        "status = 'captured', captured_cents = 2001",
        "status = 'refunded', refunded_cents = 2000",
        "status = 'refunded', captured_cents = 2000, refunded_cents = 1999",
        "status = 'lost'",
    ],
)
def test_amounts_follow_from_the_status(payments: psycopg.Connection, change: str) -> None:
    saga_id = held(20_00)
    with pytest.raises(errors.CheckViolation, match="payments_amounts_follow_from_status"):
        payments.execute(f"UPDATE payments_payment SET {change}")
    assert payment(payments, saga_id) == ("authorized", 20_00, 0, 0)


@pytest.mark.parametrize("pot", ["available_cents", "held_cents"])
def test_no_balance_falls_below_zero(payments: psycopg.Connection, pot: str) -> None:
    with pytest.raises(errors.CheckViolation, match="payments_account_never_negative"):
        payments.execute(f"UPDATE payments_account SET {pot} = -1")
    assert balances(payments) == (50_00, 0)


def test_a_customer_has_one_account_per_currency(payments: psycopg.Connection) -> None:
    with pytest.raises(errors.UniqueViolation, match="payments_one_account_per_currency"):
        payments.execute("INSERT INTO payments_account (customer_id, currency) VALUES (1, 'EUR')")


@pytest.mark.parametrize("entry", ["held available revenue 1", "settled available revenue 1"])
def test_an_entry_moves_money_as_its_kind_says(payments: psycopg.Connection, entry: str) -> None:
    with pytest.raises(errors.CheckViolation, match="payments_entry_kind_names_its_pots"):
        enter(payments, entry, uuid7())


@pytest.mark.parametrize("cents", [0, -1])
def test_an_entry_moves_something(payments: psycopg.Connection, cents: int) -> None:
    with pytest.raises(errors.CheckViolation, match="payments_entry_moves_something"):
        enter(payments, f"held available held {cents}", uuid7())


@pytest.mark.parametrize(
    ("entry", "saga_id"),
    [("held available held 1", None), ("funded funding available 1", uuid7())],
)
def test_an_entry_has_a_saga_where_an_order_is_the_reason(
    payments: psycopg.Connection, entry: str, saga_id: UUID | None
) -> None:
    with pytest.raises(errors.CheckViolation, match="payments_entry_of_an_order_has_a_saga"):
        enter(payments, entry, saga_id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments_ledgerentry SET amount_cents = 1",
        "DELETE FROM payments_ledgerentry",
        "TRUNCATE payments_ledgerentry",
    ],
)
def test_the_ledger_cannot_be_changed_at_run_time(
    payments: psycopg.Connection, statement: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        Database("payments").execute(statement)
    connections["payments"].close()
    assert payments.execute("SELECT amount_cents FROM payments_ledgerentry").fetchall() == [
        (50_00,)
    ]
