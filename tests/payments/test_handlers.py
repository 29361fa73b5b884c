"""Holding, taking and giving back store credit."""

from uuid import UUID

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.base import Command
from apps.contracts.catalogue import Action
from apps.contracts.payments import (
    CaptureFailed,
    CapturePayment,
    DeclineCode,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    RefundPayment,
)
from apps.contracts.plan import Mode
from apps.contracts.values import PaymentMethod
from apps.messaging.database import Database
from apps.messaging.errors import RivalMovedFirst
from apps.messaging.handling import Task
from apps.messaging.request import Request
from apps.payments.errors import AlreadyCaptured, NothingToRefund
from apps.payments.handlers import capture_payment
from apps.payments.workspaces import Accounts
from tests.handling import ask, ask_together
from tests.payments.shop import (
    ANNA,
    BORIS,
    authorize,
    balances,
    capture,
    captured,
    credit,
    held,
    ledger,
    payment,
    refund,
)

FUNDED_50 = ("funded", "funding", "available", 50_00)


@pytest.fixture
def payments(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    """The payments database as its owner, with 50.00 for Anna and nothing else."""
    credit(anna=50_00)
    return databases["payments"]


def test_authorizing_holds_the_total(payments: psycopg.Connection) -> None:
    saga_id = uuid7()
    answer = ask("payments", authorize(30_00), saga_id=saga_id)
    assert answer == PaymentAuthorized(amount_cents=30_00, payment_method=PaymentMethod.CREDIT)
    assert balances(payments) == (20_00, 30_00)
    assert payment(payments, saga_id) == ("authorized", 30_00, 0, 0)
    assert ledger(payments) == [FUNDED_50, ("held", "available", "held", 30_00)]


def test_the_last_cent_can_be_spent(payments: psycopg.Connection) -> None:
    assert isinstance(ask("payments", authorize(50_00)), PaymentAuthorized)
    assert balances(payments) == (0, 50_00)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (
            authorize(50_01),
            PaymentDeclined(
                code=DeclineCode.INSUFFICIENT_CREDIT, wanted_cents=50_01, available_cents=50_00
            ),
        ),
        (
            authorize(10_00, customer=BORIS),
            PaymentDeclined(code=DeclineCode.NO_ACCOUNT, wanted_cents=10_00),
        ),
        (
            authorize(10_00, currency="GBP"),
            PaymentDeclined(code=DeclineCode.NO_ACCOUNT, wanted_cents=10_00),
        ),
        (
            authorize(10_00, method=PaymentMethod.CARD),
            PaymentDeclined(code=DeclineCode.METHOD_UNAVAILABLE, wanted_cents=10_00),
        ),
    ],
    ids=["a cent short", "no account", "no account in that currency", "by card"],
)
def test_a_declined_payment_changes_nothing(
    payments: psycopg.Connection, command: object, answer: PaymentDeclined
) -> None:
    saga_id = uuid7()
    assert ask("payments", command, saga_id=saga_id) == answer  # type: ignore[arg-type]
    assert balances(payments) == (50_00, 0)
    assert payment(payments, saga_id) is None
    assert ledger(payments) == [FUNDED_50]


def test_a_total_of_nothing_is_an_error_and_changes_nothing(payments: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        ask("payments", authorize(0))
    assert balances(payments) == (50_00, 0)
    assert ledger(payments) == [FUNDED_50]


def test_holding_twice_for_one_saga_is_an_error_and_changes_nothing(
    payments: psycopg.Connection,
) -> None:
    saga_id = held(20_00)
    with pytest.raises(psycopg.errors.UniqueViolation):
        ask("payments", authorize(5_00), saga_id=saga_id)
    assert balances(payments) == (30_00, 20_00)


def test_capturing_takes_what_is_held(payments: psycopg.Connection) -> None:
    saga_id = held(30_00)
    assert capture(saga_id) == PaymentCaptured(amount_cents=30_00)
    assert balances(payments) == (20_00, 0)
    assert payment(payments, saga_id) == ("captured", 30_00, 30_00, 0)
    assert ledger(payments)[2:] == [("settled", "held", "revenue", 30_00)]


def test_capturing_fails_where_nothing_was_held(payments: psycopg.Connection) -> None:
    assert capture(uuid7()) == CaptureFailed(code="nothing_held")
    assert balances(payments) == (50_00, 0)
    assert ledger(payments) == [FUNDED_50]


def test_capturing_fails_after_the_hold_was_given_back(payments: psycopg.Connection) -> None:
    saga_id = held(30_00)
    refund(saga_id)
    assert capture(saga_id) == CaptureFailed(code="nothing_held")
    assert balances(payments) == (50_00, 0)
    assert payment(payments, saga_id) == ("refunded", 30_00, 0, 0)


def test_capturing_twice_is_an_error_and_changes_nothing(payments: psycopg.Connection) -> None:
    saga_id = captured(30_00)
    with pytest.raises(AlreadyCaptured, match="3000 cents were taken"):
        capture(saga_id)
    assert balances(payments) == (20_00, 0)
    assert payment(payments, saga_id) == ("captured", 30_00, 30_00, 0)


def test_refunding_gives_back_what_is_held(payments: psycopg.Connection) -> None:
    saga_id = held(30_00)
    assert refund(saga_id) == PaymentRefunded(amount_cents=30_00)
    assert balances(payments) == (50_00, 0)
    assert payment(payments, saga_id) == ("refunded", 30_00, 0, 0)
    assert ledger(payments)[2:] == [("given_back", "held", "available", 30_00)]


def test_refunding_gives_back_what_was_taken(payments: psycopg.Connection) -> None:
    saga_id = captured(30_00)
    assert refund(saga_id) == PaymentRefunded(amount_cents=30_00)
    assert balances(payments) == (50_00, 0)
    assert payment(payments, saga_id) == ("refunded", 30_00, 30_00, 30_00)
    assert ledger(payments)[3:] == [("given_back", "revenue", "available", 30_00)]


def test_refunding_twice_is_an_error_and_changes_nothing(payments: psycopg.Connection) -> None:
    saga_id = held(30_00)
    refund(saga_id)
    with pytest.raises(NothingToRefund, match="its payment is refunded"):
        refund(saga_id)
    assert balances(payments) == (50_00, 0)


def test_refunding_what_was_never_paid_is_an_error(payments: psycopg.Connection) -> None:
    with pytest.raises(NothingToRefund, match="it has no payment"):
        refund(uuid7())


def test_orders_of_one_customer_in_one_batch_share_one_balance(
    payments: psycopg.Connection,
) -> None:
    credit(boris=10_00)
    asked: list[tuple[UUID, str, Command]] = [
        (uuid7(), "authorize_payment", authorize(cents, customer=customer))
        for cents, customer in ((30_00, ANNA), (25_00, ANNA), (10_00, BORIS), (20_00, ANNA))
    ]
    answers = ask_together("payments", asked)
    assert [type(answer) for answer in answers] == [
        PaymentAuthorized,
        PaymentDeclined,
        PaymentAuthorized,
        PaymentAuthorized,
    ]
    assert answers[1] == PaymentDeclined(
        code=DeclineCode.INSUFFICIENT_CREDIT, wanted_cents=25_00, available_cents=20_00
    )
    assert balances(payments) == (0, 50_00)
    assert balances(payments, BORIS) == (0, 10_00)


def test_one_batch_can_hold_take_and_give_back(payments: psycopg.Connection) -> None:
    taken, given_back, new = held(10_00), held(15_00), uuid7()
    answers = ask_together(
        "payments",
        [
            (new, "authorize_payment", authorize(40_00)),
            (given_back, "authorize_payment", RefundPayment()),
            (taken, "capture_payment", CapturePayment()),
            (new, "authorize_payment", authorize(40_00)),
        ],
    )
    assert answers == [
        PaymentDeclined(
            code=DeclineCode.INSUFFICIENT_CREDIT, wanted_cents=40_00, available_cents=25_00
        ),
        PaymentRefunded(amount_cents=15_00),
        PaymentCaptured(amount_cents=10_00),
        PaymentAuthorized(amount_cents=40_00, payment_method=PaymentMethod.CREDIT),
    ]
    assert balances(payments) == (0, 40_00)
    assert payment(payments, taken) == ("captured", 10_00, 10_00, 0)
    assert payment(payments, given_back) == ("refunded", 15_00, 0, 0)
    assert payment(payments, new) == ("authorized", 40_00, 0, 0)


def test_a_batch_under_which_a_payment_changed_writes_nothing(
    payments: psycopg.Connection,
) -> None:
    """The lock makes this impossible; if it ever fails to, nothing of the batch is kept."""
    saga_id = held(30_00)
    with pytest.raises(RivalMovedFirst):
        capture_while_it_is_refunded(saga_id)
    assert payment(payments, saga_id) == ("authorized", 30_00, 0, 0)
    assert balances(payments) == (20_00, 30_00)


def capture_while_it_is_refunded(saga_id: UUID) -> None:
    database = Database("payments")
    request = Request(saga_id, "capture_payment", Action.DO, 1, Mode.ORCHESTRATED)
    with database.transaction():
        accounts = Accounts.load(database, [Task(request, CapturePayment())])
        accounts.request = request
        capture_payment(CapturePayment(), accounts)
        database.execute("UPDATE payments_payment SET status = 'refunded'")
        accounts.save()
