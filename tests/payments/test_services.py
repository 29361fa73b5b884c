"""Giving out store credit."""

import psycopg
import pytest

from apps.payments.errors import UnusableAmount
from apps.payments.services import fund_accounts, set_credit
from tests.payments.shop import ANNA, BORIS, balances, held, ledger


@pytest.fixture
def payments(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["payments"]


def test_funding_opens_accounts_and_adds_to_those_that_are_there(
    payments: psycopg.Connection,
) -> None:
    fund_accounts(credits={ANNA: 10_00}, currency="EUR", reason="welcome")
    fund_accounts(credits={BORIS: 1_00, ANNA: 5_00}, currency="EUR", reason="sorry")
    assert balances(payments, ANNA) == (15_00, 0)
    assert balances(payments, BORIS) == (1_00, 0)
    assert payments.execute(
        "SELECT customer_id, amount_cents, reason, saga_id FROM payments_ledgerentry AS entry"
        " JOIN payments_account AS account ON account.id = account_id ORDER BY entry.id"
    ).fetchall() == [
        (ANNA, 10_00, "welcome", None),
        (BORIS, 1_00, "sorry", None),
        (ANNA, 5_00, "sorry", None),
    ]


def test_an_unusable_amount_funds_nobody(payments: psycopg.Connection) -> None:
    with pytest.raises(UnusableAmount, match="Customer 2: -1"):
        fund_accounts(credits={ANNA: 10_00, BORIS: -1}, currency="EUR", reason="oops")
    assert payments.execute("SELECT * FROM payments_account").fetchall() == []
    assert ledger(payments) == []


def test_setting_credit_books_the_difference(payments: psycopg.Connection) -> None:
    fund_accounts(credits={ANNA: 10_00, BORIS: 10_00}, currency="EUR", reason="welcome")
    set_credit(available={ANNA: 4_00, BORIS: 12_00, 3: 0}, currency="EUR", reason="replay")
    assert balances(payments, ANNA) == (4_00, 0)
    assert balances(payments, BORIS) == (12_00, 0)
    assert balances(payments, 3) == (0, 0)
    assert ledger(payments)[2:] == [
        ("withdrawn", "available", "funding", 6_00),
        ("funded", "funding", "available", 2_00),
    ]


def test_setting_credit_again_books_nothing(payments: psycopg.Connection) -> None:
    for _ in range(2):
        set_credit(available={ANNA: 4_00}, currency="EUR", reason="replay")
    assert ledger(payments) == [("funded", "funding", "available", 4_00)]


def test_setting_credit_leaves_what_is_held(payments: psycopg.Connection) -> None:
    fund_accounts(credits={ANNA: 10_00}, currency="EUR", reason="welcome")
    held(7_00)
    set_credit(available={ANNA: 0}, currency="EUR", reason="closing")
    assert balances(payments) == (0, 7_00)
