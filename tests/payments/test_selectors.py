"""What the conservation check reads of payments, and that it sees what was broken by hand."""

import psycopg
import pytest

from apps.payments import selectors
from apps.payments.selectors import AccountDrift, PaymentEffects, PaymentFacts
from tests.payments.shop import ANNA, capture, captured, credit, held, refund


@pytest.fixture
def payments(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    credit(anna=100_00)
    return databases["payments"]


def test_facts_and_effects_of_each_payment(payments: psycopg.Connection) -> None:
    sagas = [held(10_00), captured(20_00), held(30_00), captured(5_00)]
    for saga_id in sagas[2:]:
        refund(saga_id)
    facts = {each.saga_id: each for each in selectors.payment_facts()}
    assert [facts[each].status for each in sagas] == [
        "authorized",
        "captured",
        "refunded",
        "refunded",
    ]
    assert [
        (facts[each].captured_cents, facts[each].refunded_cents, facts[each].held_cents)
        for each in sagas
    ] == [(0, 0, 10_00), (20_00, 0, 0), (0, 0, 0), (5_00, 5_00, 0)]
    assert list(selectors.effects()) == [
        PaymentEffects(sagas[0], held=1, settled=0, given_back=0),
        PaymentEffects(sagas[1], held=1, settled=1, given_back=0),
        PaymentEffects(sagas[2], held=1, settled=0, given_back=1),
        PaymentEffects(sagas[3], held=1, settled=1, given_back=1),
    ]
    assert [(each.saga_id, each.amount_cents) for each in selectors.open_holds()] == [
        (sagas[0], 10_00)
    ]
    assert isinstance(facts[sagas[0]], PaymentFacts)


def test_a_sound_database_has_no_differences_and_sums_to_zero(payments: psycopg.Connection) -> None:
    held(10_00)
    refund(captured(20_00))
    captured(30_00)
    assert selectors.account_drifts() == []
    assert selectors.payments_unlike_ledger() == []
    assert selectors.pot_balances() == {
        ("EUR", "funding"): -100_00,
        ("EUR", "available"): 60_00,
        ("EUR", "held"): 10_00,
        ("EUR", "revenue"): 30_00,
    }


def test_a_balance_changed_by_hand_is_seen(payments: psycopg.Connection) -> None:
    payments.execute("UPDATE payments_account SET available_cents = 12345")
    assert selectors.account_drifts() == [AccountDrift(ANNA, "EUR", 123_45, 0, 100_00, 0)]


def test_a_payment_changed_by_hand_is_seen(payments: psycopg.Connection) -> None:
    saga_id = held(10_00)
    payments.execute("UPDATE payments_payment SET status = 'refunded'")
    assert selectors.payments_unlike_ledger() == [saga_id]


def test_an_entry_deleted_by_hand_is_seen(payments: psycopg.Connection) -> None:
    saga_id = held(10_00)
    capture(saga_id)
    payments.execute("DELETE FROM payments_ledgerentry WHERE kind = 'settled'")
    assert selectors.payments_unlike_ledger() == [saga_id]
    assert selectors.account_drifts() == [AccountDrift(ANNA, "EUR", 90_00, 0, 90_00, 10_00)]


def test_what_is_counted_and_which_sagas_were_captured(payments: psycopg.Connection) -> None:
    waiting, taken, unasked = held(10_00), captured(20_00), captured(5_00)
    assert selectors.account_count() == 1
    assert selectors.payment_count() == 3
    assert selectors.captured_sagas([waiting, taken]) == {taken}
    assert unasked not in selectors.captured_sagas([waiting, taken])
