"""Parts of payments that are given back for goods that came back."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from uuid_utils.compat import uuid7

from apps.contracts.payments import (
    PaymentReturned,
    RefundReturn,
    ReturnPayment,
    ReturnRefunded,
)
from apps.contracts.steps import RecordHappened
from apps.contracts.values import AcceptedLine, PricedLine, RefundTo
from apps.messaging.calls import work
from apps.payments.errors import MoreThanIsLeft, NothingToRefund
from apps.payments.selectors import (
    PaymentEffects,
    effects,
    payments_unlike_ledger,
    payments_unlike_refunds,
    pot_balances,
)
from tests.handling import ask, ask_together
from tests.payments.shop import balances, captured, credit, held, ledger, payment
from tests.payments.test_cards import Till, till
from tests.payments.test_returns import charged

__all__ = ["till"]
pytestmark = pytest.mark.usefixtures("quiet")
Databases = dict[str, psycopg.Connection]


def refund(placed_by: UUID, pieces: int, to: RefundTo = RefundTo.ORIGINAL) -> RefundReturn:
    """So many pieces at 5.00 came back."""
    line = PricedLine(product_id="tea", quantity=9, unit_price_cents=5_00)
    accepted = AcceptedLine(product_id="tea", quantity=pieces, damaged=pieces)
    return RefundReturn(placed_by=placed_by, lines=(line,), accepted=(accepted,), refund_to=to)


def refunded(pieces: int, to: RefundTo = RefundTo.ORIGINAL) -> ReturnRefunded:
    return ReturnRefunded(refunded_cents=pieces * 5_00, refund_to=to)


@pytest.fixture
def payments(databases: Databases) -> psycopg.Connection:
    credit(anna=50_00)
    return databases["payments"]


def sound() -> bool:
    found = [payments_unlike_ledger(), payments_unlike_refunds()]
    return found == [[], []] and sum(pot_balances().values()) == 0


@pytest.mark.parametrize("to", list(RefundTo))
def test_a_part_of_what_was_taken_is_credit_again(
    payments: psycopg.Connection, to: RefundTo
) -> None:
    saga_id = captured(15_00)
    assert ask("payments", refund(saga_id, 1, to)) == refunded(1, to)
    assert balances(payments) == (40_00, 0)
    assert payment(payments, saga_id) == ("captured", 15_00, 15_00, 5_00)
    assert ledger(payments)[-1] == ("given_back", "revenue", "available", 5_00)
    assert sound()


def test_with_the_last_part_the_payment_is_refunded(payments: psycopg.Connection) -> None:
    saga_id = captured(15_00)
    ask("payments", refund(saga_id, 1))
    ask("payments", refund(saga_id, 2))
    assert balances(payments) == (50_00, 0)
    assert payment(payments, saga_id) == ("refunded", 15_00, 15_00, 15_00)
    assert list(effects()) == [PaymentEffects(saga_id, 1, 1, 0)]  # the order's own is not undone
    assert sound()


def test_no_more_is_given_back_than_was_taken(payments: psycopg.Connection) -> None:
    saga_id, only_held = captured(15_00), held(5_00)
    ask("payments", refund(saga_id, 2))
    before = ledger(payments)
    with pytest.raises(MoreThanIsLeft, match="1000 cents of 500"):
        ask("payments", refund(saga_id, 2))
    with pytest.raises(NothingToRefund):
        ask("payments", refund(only_held, 1))
    assert ledger(payments) == before


def test_two_returns_of_one_batch_count_each_other(payments: psycopg.Connection) -> None:
    saga_id = captured(15_00)
    both = [(uuid7(), "refund_return", refund(saga_id, 1)) for _ in range(2)]
    assert ask_together("payments", [*both]) == [refunded(1)] * 2
    assert payment(payments, saga_id) == ("captured", 15_00, 15_00, 10_00)
    with pytest.raises(MoreThanIsLeft):
        ask("payments", refund(saga_id, 2))
    more = [(uuid7(), "refund_return", refund(saga_id, 1)) for _ in range(2)]
    with pytest.raises(NothingToRefund):  # the first gives the last of it back
        ask_together("payments", [*more])


def test_what_is_taken_back_whole_after_a_return_is_the_rest(payments: psycopg.Connection) -> None:
    saga_id = captured(15_00)
    ask("payments", refund(saga_id, 1))
    answer = ask("payments", ReturnPayment(placed_by=saga_id))
    assert answer == PaymentReturned(amount_cents=10_00)
    assert balances(payments) == (50_00, 0)
    assert payment(payments, saga_id) == ("refunded", 15_00, 15_00, 15_00)
    assert sound()


@pytest.mark.parametrize(
    "change",
    [
        "refunded_cents = 1501",
        "refunding_cents = 1501",
        "refunded_cents = 500, refunding_cents = 1001",
        "refunding_cents = -1",
        "refunded_cents = -1",
    ],
)
def test_the_database_lets_no_more_be_given_back(payments: psycopg.Connection, change: str) -> None:
    captured(15_00)
    with pytest.raises(errors.CheckViolation, match="payments_"):
        payments.execute(f"UPDATE payments_payment SET {change}")


# --- cards


def give_back(till: Till, pieces: int, to: RefundTo = RefundTo.ORIGINAL) -> None:
    till.saga_id = uuid7()
    till.ask(refund(till.placed_by, pieces, to), "refund_return")  # type: ignore[attr-defined]


def told(till: Till) -> list[Any]:
    """What was told of refunds."""
    return [event for _, event in till.told() if isinstance(event, ReturnRefunded)]


def pending(till: Till) -> int:
    [(cents,)] = till.owner.execute("SELECT refunding_cents FROM payments_payment").fetchall()
    return int(cents)


def refunds(till: Till) -> list[tuple[int, str, str]]:
    return till.owner.execute(
        'SELECT cents, state, "to" FROM payments_refund ORDER BY asked_at'
    ).fetchall()


def test_a_card_is_refunded_in_parts_each_spoken_for_first(till: Till) -> None:
    charged(till)
    give_back(till, 1)
    assert (till.payment(), pending(till)) == (("captured", 1500, 0), 500)
    assert refunds(till) == [(500, "pending", "original")]
    with pytest.raises(MoreThanIsLeft):
        ask("payments", refund(till.placed_by, 3))  # type: ignore[attr-defined]
    assert sound()

    work("payments")

    assert told(till) == [refunded(1)]
    assert (till.payment(), pending(till)) == (("captured", 1500, 500), 0)
    give_back(till, 2)
    work("payments")
    assert till.gateway.cents("refund") == [500, 1000]
    assert till.payment() == ("refunded", 1500, 1500)
    assert {(state, to) for _, state, to in refunds(till)} == {("accepted", "original")}
    assert [each.given_back for each in effects()] == [0]
    assert sound()


def test_a_lost_answer_is_asked_for_again_under_the_same_key(till: Till) -> None:
    charged(till)
    till.gateway.will("refund", "lost", "away")
    give_back(till, 1)
    for _ in range(3):
        work("payments")
        till.time_passes()
    assert told(till) == [refunded(1)]
    assert (till.gateway.calls("refund"), till.gateway.cents("refund")) == (3, [500])
    assert (till.payment(), pending(till)) == (("captured", 1500, 500), 0)


def test_a_gateway_that_keeps_the_money_is_asked_until_a_person_has_given_it_back(
    till: Till,
) -> None:
    charged(till)
    till.gateway.will("refund", "decline")
    give_back(till, 1)
    work("payments")
    assert (told(till), pending(till)) == ([], 500)
    till.ask(RecordHappened(evidence="bank transfer 4711"), "refund_return")
    assert told(till) == [refunded(1)]
    assert (till.payment(), pending(till)) == (("captured", 1500, 500), 0)


def test_a_card_can_be_paid_back_as_credit_to_who_has_no_account_yet(till: Till) -> None:
    charged(till)
    give_back(till, 1, RefundTo.CREDIT)
    assert told(till) == [refunded(1, RefundTo.CREDIT)]
    assert till.gateway.calls("refund") == 0
    assert balances(till.owner, customer=7) == (500, 0)
    assert ledger(till.owner) == [("credited", "funding", "available", 500)]
    assert till.payment() == ("captured", 1500, 500)
    assert sound()


def test_taken_back_whole_after_a_part_a_card_is_refunded_the_rest(till: Till) -> None:
    charged(till)
    give_back(till, 1)
    work("payments")
    till.saga_id = uuid7()
    till.ask(ReturnPayment(placed_by=till.placed_by), "return_payment")  # type: ignore[attr-defined]
    work("payments")
    assert till.gateway.cents("return") == [1000]
    assert till.payment() == ("refunded", 1500, 1500)
    assert sound()
