"""Two consumers at once, with real threads and real commits."""

import psycopg
from uuid_utils.compat import uuid7

from apps.contracts.base import Command, Event
from apps.contracts.payments import (
    CapturePayment,
    DeclineCode,
    PaymentAuthorized,
    PaymentDeclined,
    RefundPayment,
)
from apps.contracts.values import PaymentMethod
from apps.payments import selectors
from tests.handling import ask, ask_together
from tests.payments.shop import ANNA, BORIS, authorize, balances, credit, held, ledger, payment
from tests.threads import at_once


def test_the_last_credit_is_spent_once(databases: dict[str, psycopg.Connection]) -> None:
    for round_ in range(1, 6):
        credit(anna=50_00)
        answers = at_once(*[lambda: ask("payments", authorize(50_00))] * 2)
        assert sorted(answers, key=lambda answer: type(answer).__name__) == [
            PaymentAuthorized(amount_cents=50_00, payment_method=PaymentMethod.CREDIT),
            PaymentDeclined(
                code=DeclineCode.INSUFFICIENT_CREDIT, wanted_cents=50_00, available_cents=0
            ),
        ]
        assert balances(databases["payments"]) == (0, round_ * 50_00)
    assert [entry[0] for entry in ledger(databases["payments"])] == ["funded", "held"] * 5
    assert selectors.account_drifts() == []


def test_batches_that_meet_in_the_same_accounts_do_not_deadlock(
    databases: dict[str, psycopg.Connection],
) -> None:
    credit(anna=1000_00, boris=1000_00)

    def batches(customers: tuple[int, ...]) -> list[Event]:
        return [
            answer
            for _ in range(20)
            for answer in ask_together(
                "payments", [(uuid7(), "", authorize(1_00, customer=each)) for each in customers]
            )
        ]

    answered = at_once(lambda: batches((ANNA, BORIS)), lambda: batches((BORIS, ANNA)))
    assert [{type(each) for each in answers} for answers in answered] == [{PaymentAuthorized}] * 2  # type: ignore[attr-defined]
    assert balances(databases["payments"], ANNA) == (960_00, 40_00)
    assert balances(databases["payments"], BORIS) == (960_00, 40_00)


def test_a_capture_and_a_refund_at_once_leave_the_customer_with_everything(
    databases: dict[str, psycopg.Connection],
) -> None:
    """The refund comes after the capture or before it; the barrier, absent here, orders them."""
    credit(anna=50_00)
    saga_id = held(50_00)
    asked: list[Command] = [CapturePayment(), RefundPayment()]
    answers = at_once(*[lambda each=each: ask("payments", each, saga_id=saga_id) for each in asked])
    captured_first = type(answers[0]).__name__ == "PaymentCaptured"
    taken = 50_00 if captured_first else 0
    assert payment(databases["payments"], saga_id) == ("refunded", 50_00, taken, taken)
    assert balances(databases["payments"]) == (50_00, 0)
    assert selectors.account_drifts() == []


def test_two_captures_at_once_take_once(databases: dict[str, psycopg.Connection]) -> None:
    credit(anna=50_00)
    saga_id = held(50_00)
    answers = at_once(*[lambda: ask("payments", CapturePayment(), saga_id=saga_id)] * 2)
    assert sorted(type(answer).__name__ for answer in answers) == [
        "AlreadyCaptured",
        "PaymentCaptured",
    ]
    assert balances(databases["payments"]) == (0, 0)
    assert payment(databases["payments"], saga_id) == ("captured", 50_00, 50_00, 0)
