"""Money that is given back for orders that are cancelled after their end."""

from functools import partial

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.payments import PaymentReturned, ReturnPayment
from apps.contracts.steps import PersonNeeded, RecordHappened
from apps.messaging.calls import work
from apps.payments.errors import (
    GatewayKeepsMoney,
    MoreThanIsLeft,
    NothingToRefund,
    PaymentsError,
)
from apps.payments.selectors import payments_unlike_ledger, pot_balances
from tests.handling import ask
from tests.payments.shop import balances, captured, credit, held, ledger, payment, refund
from tests.payments.test_cards import AUTHORIZED, CAPTURED, Till, till
from tests.threads import at_once

__all__ = ["till"]
Databases = dict[str, psycopg.Connection]


@pytest.fixture
def payments(databases: Databases) -> psycopg.Connection:
    credit(anna=50_00)
    return databases["payments"]


def test_what_was_taken_is_credit_again(payments: psycopg.Connection) -> None:
    saga_id = captured(12_00)

    answer = ask("payments", ReturnPayment(placed_by=saga_id))

    assert answer == PaymentReturned(amount_cents=12_00)
    assert balances(payments) == (50_00, 0)
    assert payment(payments, saga_id) == ("refunded", 12_00, 12_00, 12_00)
    assert ledger(payments)[-1] == ("given_back", "revenue", "available", 12_00)
    assert payments_unlike_ledger() == []
    assert sum(pot_balances().values()) == 0


def test_what_was_not_taken_is_not_given_back(payments: psycopg.Connection) -> None:
    only_held, given_back = held(12_00), captured(3_00)
    refund(given_back)
    before = ledger(payments)
    for saga_id, found in [
        (only_held, "authorized"), (given_back, "refunded"), (uuid7(), "no payment"),
    ]:  # fmt: skip
        with pytest.raises(NothingToRefund, match=found):
            ask("payments", ReturnPayment(placed_by=saga_id))
    assert ledger(payments) == before
    assert balances(payments) == (38_00, 12_00)


def test_of_two_that_return_it_one_does(payments: psycopg.Connection) -> None:
    saga_id = captured(12_00)
    give = partial(ask, "payments", ReturnPayment(placed_by=saga_id))
    came = at_once(give, give)
    assert sorted(type(each).__name__ for each in came) == ["NothingToRefund", "PaymentReturned"]
    assert balances(payments) == (50_00, 0)


@pytest.mark.parametrize("kind", [GatewayKeepsMoney, MoreThanIsLeft, NothingToRefund])
def test_an_error_says_in_one_line_what_to_do(kind: type[PaymentsError]) -> None:
    assert "\n" not in str(kind(uuid7(), "charge_disputed"))


# --- cards

pytestmark = pytest.mark.usefixtures("quiet")
RETURNED = PaymentReturned(amount_cents=1500)


def charged(till: Till) -> None:
    """An order that is paid by card."""
    till.authorize()
    work("payments")
    till.capture()
    work("payments")
    till.placed_by, till.saga_id = till.saga_id, uuid7()  # type: ignore[attr-defined]


def give_back(till: Till) -> None:
    till.ask(ReturnPayment(placed_by=till.placed_by), "return_payment")  # type: ignore[attr-defined]


def test_a_card_is_refunded_outside_under_a_key_of_its_own(till: Till) -> None:
    charged(till)
    give_back(till)
    assert (till.log("return_payment"), till.payment()) == (("doing", 1), ("captured", 1500, 0))

    assert work("payments") == 1

    assert till.told() == [("do", AUTHORIZED), ("do", CAPTURED), ("do", RETURNED)]
    assert till.payment() == ("refunded", 1500, 1500)
    assert till.log("return_payment") == ("done", 1)
    assert till.gateway.effects("return") == 1
    assert till.gateway.keys("return") == {f"{till.saga_id}-return_payment-return-1"}


def test_a_lost_answer_of_a_return_is_asked_for_again_under_the_same_key(till: Till) -> None:
    charged(till)
    till.gateway.will("return", "lost", "away")
    give_back(till)
    for _ in range(3):
        work("payments")
        till.time_passes()

    assert till.told()[2:] == [("do", RETURNED)]
    assert (till.gateway.calls("return"), till.gateway.effects("return")) == (3, 1)
    assert till.payment() == ("refunded", 1500, 1500)


def test_a_gateway_that_keeps_the_money_is_asked_until_a_person_has_given_it_back(
    till: Till,
) -> None:
    charged(till)
    till.gateway.will("return", "decline")
    give_back(till)
    work("payments")
    [(_, needed)] = till.told()[2:]
    assert (type(needed), needed.kind) == (PersonNeeded, "refund_refused")
    assert till.payment() == ("captured", 1500, 0)
    assert till.intents()[-1] == ("return", "unknown", 1)

    till.ask(RecordHappened(evidence="bank transfer 4711"), "return_payment")

    assert till.told()[3:] == [("do", RETURNED)]
    assert till.payment() == ("refunded", 1500, 1500)
    assert till.intents()[-1] == ("return", "settled", 1)
