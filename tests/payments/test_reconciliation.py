"""The gateway's books and ours: sound ones agree, and each way to differ is named, once."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
import stripe
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.contracts.catalogue import Action
from apps.contracts.payments import CapturePayment, CreditInstead, RefundPayment
from apps.contracts.steps import RecordHappened, ResolveOutside
from apps.contracts.values import RefundTo
from apps.messaging.calls import work as make_calls
from apps.messaging.jobs import run_job
from apps.payments import gateway_books, reconciliation
from apps.payments.gateways import GatewayAnswer
from apps.payments.reconciliation import GRACE, Outcome
from apps.payments.stripe_api import client
from apps.payments.stripe_gateway import StripeGateway
from tests.payments.outside import Card, Told, hold
from tests.threads import at_once
from tools.fakestripe.client import Control

pytestmark = pytest.mark.usefixtures("quiet")
DAY = timedelta(hours=24)


def reconcile(grace: timedelta = timedelta(0)) -> Outcome:
    return reconciliation.reconcile(DAY, grace, pause=0)


def what(outcome: Outcome) -> list[tuple[str, str]]:
    """In what each payment differs."""
    return sorted((each.what, each.payment_intent) for each in outcome.differences)


@pytest.fixture
def another(card: Card) -> Callable[[], Card]:
    return lambda: Card(card.owner, card.control)


# --- sound books


def test_books_that_agree_say_so(another: Callable[[], Card], told: Told) -> None:
    another().authorize()
    another().authorize().capture()
    another().authorize().undo()
    another().authorize().capture().undo()
    hold(uuid4(), metadata={})  # another shop's

    outcome = reconcile()

    assert (what(outcome), outcome.compared, outcome.not_ours) == ([], 4, 1)
    assert outcome.complete
    assert told.needs() == []


def test_what_came_back_as_store_credit_is_not_at_the_gateway(
    another: Callable[[], Card], told: Told
) -> None:
    another().authorize().capture().give_back(1).give_back(1, RefundTo.CREDIT)
    another().authorize().capture().give_back(3, RefundTo.CREDIT)
    another().authorize().capture().give_back(1).give_back(2)

    outcome = reconcile()

    assert (what(outcome), outcome.compared) == ([], 3)
    assert told.needs() == []


def test_a_part_that_is_not_given_back_at_the_gateway_is_named(card: Card, told: Told) -> None:
    card.authorize().capture().give_back(1).give_back(1, RefundTo.CREDIT)
    card.owner.execute("UPDATE payments_refund SET \"to\" = 'original'")

    assert what(reconcile()) == [("refunded", card.reference)]
    [(_, _, why)] = told.needs()
    assert "refunded are 5.00 USD at Stripe and 10.00 USD here" in why


def test_a_part_that_a_person_gave_back_is_no_difference(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    card.authorize().capture().give_back(1)
    monkeypatch.setattr(
        StripeGateway, "give_back", lambda self, call: GatewayAnswer(ok=False, code="x")
    )
    card.give_back(1)
    by_hand = RecordHappened(evidence="bank 4711")
    card.asked(by_hand, "refund_return", saga_id=card.returned_by)
    assert card.refunds == [(500, "accepted"), (500, "accepted")]
    assert what(reconcile()) == []


def test_a_page_is_not_all(another: Callable[[], Card], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_books, "PAGE", 2)
    for _ in range(5):
        another().authorize()
    assert reconcile().compared == 5


def test_of_too_many_the_newest_are_compared(
    another: Callable[[], Card], control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        another().authorize()
        control.advance(2)
    monkeypatch.setattr(gateway_books, "MOST", 2)
    outcome = reconcile()
    assert (outcome.complete, what(outcome)) == (False, [])


# --- each way to differ


def extra_hold(card: Card) -> str:
    return str(hold(card.saga_id).id)


def extra_hold_of_an_unknown_saga(card: Card) -> str:
    return str(hold(uuid4()).id)


def captured_there(card: Card) -> str:
    client().v1.payment_intents.capture(card.reference)
    return card.reference


def captured_in_part(card: Card) -> str:
    client().v1.payment_intents.capture(card.reference, {"amount_to_capture": 1400})
    card.owner.execute("UPDATE payments_payment SET status = 'captured', captured_cents = 1500")
    return card.reference


def captured_here(card: Card) -> str:
    card.owner.execute("UPDATE payments_payment SET status = 'captured', captured_cents = 1500")
    return card.reference


def let_go_there(card: Card) -> str:
    client().v1.payment_intents.cancel(card.reference)
    return card.reference


def let_go_here(card: Card) -> str:
    card.owner.execute("UPDATE payments_payment SET status = 'refunded'")
    return card.reference


def refunded_there(card: Card) -> str:
    card.capture()
    client().v1.refunds.create({"payment_intent": card.reference, "amount": 500})
    return card.reference


def refunded_here(card: Card) -> str:
    card.capture()
    card.owner.execute("UPDATE payments_payment SET status = 'refunded', refunded_cents = 1500")
    return card.reference


def another_amount(card: Card) -> str:
    card.owner.execute("UPDATE payments_payment SET amount_cents = 1400")
    return card.reference


def another_currency(card: Card) -> str:
    card.owner.execute("UPDATE payments_payment SET currency = 'EUR'")
    return card.reference


def unknown_there(card: Card) -> str:
    card.owner.execute("UPDATE payments_payment SET reference = 'pi_of_nobody'")
    return "pi_of_nobody"


def lost_here(card: Card) -> str:
    name = card.reference
    card.owner.execute("DELETE FROM payments_payment")
    return name


WAYS: list[tuple[Callable[[Card], str], str, str]] = [
    (extra_hold, "unknown_here", "15.00 USD held"),
    (extra_hold_of_an_unknown_saga, "unknown_here", "15.00 USD held"),
    (captured_there, "captured", "captured are 15.00 USD at Stripe and 0.00 USD here"),
    (captured_in_part, "captured", "captured are 14.00 USD at Stripe and 15.00 USD here"),
    (captured_here, "captured", "captured are 0.00 USD at Stripe and 15.00 USD here"),
    (let_go_there, "held", "held are 0.00 USD at Stripe and 15.00 USD here"),
    (let_go_here, "held", "held are 15.00 USD at Stripe and 0.00 USD here"),
    (refunded_there, "refunded", "refunded are 5.00 USD at Stripe and 0.00 USD here"),
    (refunded_here, "refunded", "refunded are 0.00 USD at Stripe and 15.00 USD here"),
    (another_amount, "held", "held are 15.00 USD at Stripe and 14.00 USD here"),
    (another_currency, "held", "held are 15.00 USD at Stripe and 15.00 EUR here"),
    (unknown_there, "unknown_there", "Stripe does not know the payment of 15.00 USD"),
    (lost_here, "unknown_here", "15.00 USD held"),
]


@pytest.mark.parametrize(("spoil", "differs", "says"), WAYS, ids=[w[0].__name__ for w in WAYS])
def test_each_way_to_differ_is_named_once(
    card: Card, told: Told, spoil: Callable[[Card], str], differs: str, says: str
) -> None:
    name = spoil(card.authorize())

    outcome = reconcile()

    assert (differs, name) in what(outcome)
    [(kind, _, why)] = [each for each in told.needs() if each[1] == name]
    assert kind == "gateway_differs"
    assert says in why
    needs = told.needs()
    assert what(reconcile()) == what(outcome)  # it is still there
    assert told.needs() == needs  # and told once


def test_two_captured_payments_of_one_order_are_named(card: Card, told: Told) -> None:
    card.authorize().capture()
    second = hold(card.saga_id)
    client().v1.payment_intents.capture(second.id)

    found = what(reconcile())

    assert ("paid_twice", min(card.reference, second.id)) in found
    assert ("unknown_here", second.id) in found
    assert len(found) == 2


# --- what is not judged


def test_what_is_young_is_not_judged(card: Card) -> None:
    captured_there(card.authorize())
    extra_hold(card)
    assert what(reconcile(GRACE)) == []

    card.as_of_an_hour_ago()
    assert [each for each, _ in what(reconcile(GRACE))] == ["captured"]


def test_what_has_a_call_under_way_is_not_judged(card: Card) -> None:
    card.authorize().asked(CapturePayment(), "capture_payment")
    card.control.fault("capture", "answer_lost", times=2)  # the SDK asks twice
    make_calls("payments")
    hold(card.saga_id)
    assert what(reconcile()) == []

    card.owner.execute("UPDATE payments_intent SET due_at = now()")
    make_calls("payments")  # it finds the capture made
    assert [each for each, _ in what(reconcile())] == ["unknown_here"]


def test_what_was_mended_before_the_second_reading_is_no_difference(
    card: Card, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    card.authorize()
    captured_there(card)

    def mend(seconds: float) -> None:
        captured_here(card)

    monkeypatch.setattr("apps.payments.reconciliation.time.sleep", mend)
    assert what(reconcile()) == []
    assert told.findings() == []


@pytest.mark.parametrize("instead", [CreditInstead(), ResolveOutside(evidence="bank 4711")])
def test_what_a_person_gave_back_another_way_is_no_difference(
    card: Card, instead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    card.authorize()
    monkeypatch.setattr(
        StripeGateway, "give_back", lambda self, call: GatewayAnswer(ok=False, code="x")
    )
    card.asked(RefundPayment(), "authorize_payment", Action.UNDO)
    make_calls("payments")
    card.asked(instead, "authorize_payment", Action.UNDO, generation=2)
    assert card.status == "refunded"
    assert what(reconcile()) == []


def test_a_refund_that_is_told_to_have_come_back_is_not_told_again(card: Card) -> None:
    refunded_here(card.authorize())
    card.owner.execute(
        "INSERT INTO payments_finding (id, key, kind, saga_id, reference, payment_intent, text)"
        " VALUES (gen_random_uuid(), 'x', 'refund_failed', %s, 're_1', %s, '')",
        [card.saga_id, card.reference],
    )
    assert what(reconcile()) == []


def test_a_declined_card_leaves_nothing_to_compare(card: Card) -> None:
    with pytest.raises(stripe.CardError):
        hold(card.saga_id, payment_method="pm_card_visa_chargeDeclined")
    outcome = reconcile()
    assert (what(outcome), outcome.compared) == ([], 1)


# --- what becomes of it


def test_a_difference_that_vanishes_is_noted_and_told_anew_if_it_comes_back(
    card: Card, told: Told
) -> None:
    captured_there(card.authorize())
    reconcile()
    key = f"gateway_differs:captured:{card.reference}"
    assert told.findings() == [(key, False)]

    captured_here(card)
    reconcile()
    assert told.findings() == [(key, True)]

    card.owner.execute("UPDATE payments_payment SET status = 'authorized', captured_cents = 0")
    reconcile()
    assert told.findings() == [(key, False)]
    assert len(told.needs()) == 2


def test_what_is_not_judged_now_is_not_noted_as_gone(card: Card, told: Told) -> None:
    captured_there(card.authorize())
    reconcile()
    card.asked(CapturePayment(), "capture_payment")  # a call is under way
    assert what(reconcile()) == []
    assert [gone for _, gone in told.findings()] == [False]


def test_an_extra_payment_that_was_refunded_as_advised_vanishes(card: Card, told: Told) -> None:
    card.authorize().capture()
    extra = extra_hold(card)
    client().v1.payment_intents.capture(extra)
    reconcile()
    assert [gone for _, gone in told.findings()] == [False, False]

    client().v1.refunds.create({"payment_intent": extra})
    assert what(reconcile()) == []
    assert [gone for _, gone in told.findings()] == [True, True]


def test_a_told_difference_is_compared_again_however_old(card: Card, told: Told) -> None:
    captured_there(card.authorize())
    reconcile()
    card.control.advance(30 * 86400)
    card.owner.execute("UPDATE payments_payment SET authorized_at = now() - interval '30 days'")
    captured_here(card)
    reconcile()
    assert [gone for _, gone in told.findings()] == [True]


def test_each_comparison_is_kept(card: Card) -> None:
    captured_there(card.authorize())
    reconcile()
    [(compared, differences, [example])] = card.owner.execute(
        "SELECT compared, differences, examples FROM payments_reconciliation"
    ).fetchall()
    assert (compared, differences) == (1, 1)
    assert "captured are 15.00 USD at Stripe" in example


# --- the job


def runs(card: Card) -> int:
    [(count,)] = card.owner.execute("SELECT count(*) FROM payments_reconciliation").fetchall()
    return int(count)


def test_the_job_compares_once_an_hour(card: Card) -> None:
    card.authorize()
    assert run_job("payments", "reconciliation")
    run_job("payments", "reconciliation")
    assert runs(card) == 1
    card.owner.execute(
        "UPDATE payments_reconciliation SET compared_at = compared_at - interval '1 hour'"
    )
    run_job("payments", "reconciliation")
    assert runs(card) == 2


def test_of_workers_that_are_woken_at_once_one_compares(card: Card) -> None:
    at_once(*[reconciliation.reconcile_if_due] * 4)
    assert runs(card) == 1


def test_a_gateway_that_is_silent_is_asked_at_the_next_turn(card: Card, control: Control) -> None:
    control.fault("list", "error_before", times=2)  # the SDK asks twice
    run_job("payments", "reconciliation")
    assert runs(card) == 0
    run_job("payments", "reconciliation")
    assert runs(card) == 1


def test_without_a_key_nothing_is_compared(card: Card, settings: Settings) -> None:
    settings.STRIPE_API_KEY = ""
    run_job("payments", "reconciliation")
    assert runs(card) == 0


# --- the command


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("reconcile_payments", "--grace", "0", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_that_all_agrees(card: Card) -> None:
    card.authorize()
    assert json.loads(command("--json"))["differences"] == []
    assert "1 payments since" in command("--since", "1")


def test_the_command_names_differences_and_fails(
    card: Card, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reconciliation, "SECOND_READING_SECONDS", 0.0)
    captured_there(card.authorize())
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile_payments", "--json", "--grace", "0", stdout=out)
    assert ended.value.code == 1
    [difference] = json.loads(out.getvalue())["differences"]
    assert difference["payment_intent"] == card.reference


@pytest.mark.parametrize("given", ["nan", "-1", "1e12", "a day"])
def test_the_command_takes_times_that_there_are(card: Card, given: str) -> None:
    for option in ("--since", "--grace"):
        with pytest.raises(CommandError, match=f"argument {option}: "):
            command(f"{option}={given}")


def test_the_command_says_that_there_is_no_gateway(card: Card, settings: Settings) -> None:
    settings.STRIPE_API_KEY = ""
    assert "No STRIPE_API_KEY is set" in command()
    assert json.loads(command("--json")) == {"compared": None}


def test_the_command_says_that_the_gateway_is_silent(card: Card, control: Control) -> None:
    control.fault("list", "error_before", times=2)
    with pytest.raises(CommandError, match="Stripe does not answer") as ended:
        command()
    assert ended.value.returncode == 2
