"""Stripe behind the gateway: whatever goes wrong on the way, the money moves once or not at all."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import stripe
from msgspec.structs import replace

from apps.messaging.errors import RivalMovedFirst
from apps.messaging.handling import StillWaiting
from apps.payments import stripe_api
from apps.payments.card_attempts import Attempts
from apps.payments.errors import BankHasMoney, GatewayKeepsMoney
from apps.payments.gateways import GatewayAnswer, return_taken
from tests.payments.stripe_calls import (
    ASKS,
    GOOD,
    POOR,
    Shop,
    again,
    begun,
    earlier,
    make,
    until_definite,
)  # fmt: skip
from tools.fakestripe.client import Control

pytestmark = pytest.mark.usefixtures("quick")
MONEY = {  # held, captured, refunded after each operation
    "authorize": (1500, 0, 0),
    "capture": (0, 1500, 0),
    "cancel": (0, 0, 0),
    "refund": (0, 1500, 1500),
}
FAULTS = (
    "refused", "error_before", "conflict", "rate_limited", "hang_before", "slow", "answer_lost",
    "answer_cut", "hang_after", "error_after",
)  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds, and the SDK does not repeat what is to be seen going wrong."""
    monkeypatch.setattr(stripe_api, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(stripe_api, "RETRIES", 0)
    stripe_api._client.cache_clear()


@pytest.fixture
def shop(control: Control, databases: dict[str, psycopg.Connection]) -> Any:
    yield Shop(control, databases["payments"])
    control.release()
    stripe_api._client.cache_clear()


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize(
    ("operation", "before"),
    [("authorize", 0), ("authorize", 1), ("capture", 0), ("cancel", 0), ("refund", 0)],
    ids=["create", "confirm", "capture", "cancel", "refund"],
)
def test_whatever_goes_wrong_the_money_moves_once(
    shop: Shop, operation: str, before: int, kind: str
) -> None:
    shop.before(operation)
    if before:
        shop.control.fault(operation, "none", times=before)
    shop.control.fault(operation, kind)
    call = shop.call(operation)
    with pytest.raises(stripe.StripeError):
        make(call)
    shop.control.release()

    assert until_definite(again(call)).ok
    assert shop.money() == MONEY[operation]
    assert until_definite(again(call)).ok  # killed before it was written down: once more
    assert shop.money() == MONEY[operation]


def waits(call: Any, because: str) -> StillWaiting:
    """The call waits, and says why."""
    with pytest.raises(StillWaiting, match=because) as waiting:
        make(call)
    return waiting.value


@pytest.mark.parametrize(
    ("operation", "before", "charge"),
    [
        ("authorize", 0, {}), ("authorize", 1, {}), ("capture", 0, {}), ("cancel", 0, {}),
        ("refund", 0, {"refund_cents": 400}),
    ],
    ids=["create", "confirm", "capture", "cancel", "refund"],
)  # fmt: skip
def test_what_is_still_under_way_is_not_done_beside_it(
    shop: Shop, operation: str, before: int, charge: dict[str, int]
) -> None:
    shop.before(operation)
    if before:
        shop.control.fault(operation, "none", times=before)
    shop.control.fault(operation, "slow", seconds=3600)
    call = shop.call(operation, **charge)
    with pytest.raises(stripe.StripeError):
        make(call)
    with suppress(stripe.StripeError):  # its key is in use; or the state says that it may be done
        make(again(call))
    shop.control.release()

    assert until_definite(again(again(call))).ok
    assert len(shop.payments()) == 1
    assert shop.money() == (MONEY[operation] if not charge else (0, 1500, 400))


# --- the bank says no


def test_a_hold_lapses_when_the_bank_says(shop: Shop) -> None:
    shop.control.set(hold_seconds=3600)
    answer = shop.do("authorize")

    assert answer.reference == shop.reference
    assert answer.expires_at is not None
    assert timedelta(minutes=59) < answer.expires_at - datetime.now(UTC) < timedelta(minutes=61)


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("pm_card_visa_chargeDeclinedLostCard", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "stolen_card"),
        ("", "no_card"),
    ],
)
def test_after_some_nos_no_other_card_is_tried(shop: Shop, card: str, code: str) -> None:
    answer = shop.do("authorize", card)

    assert answer == GatewayAnswer(ok=False, code=code)
    assert shop.money() == (0, 0, 0)
    assert [each["status"] for each in shop.payments()] == (["canceled"] if card else [])


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (POOR, r"declined \(there are insufficient funds\): give another one until \d\d:\d\d UTC"),
        ("pm_card_chargeDeclinedExpiredCard", r"declined \(the card has expired\): give another"),
        ("pm_card_chargeDeclinedIncorrectCvc", r"declined \(the security code is wrong\): give"),
        ("pm_card_chargeDeclinedProcessingError", r"declined \(the bank could not be asked\): "),
        ("pm_card_visa_chargeDeclined", "declined: give another one"),
        ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", r"\(its limit is reached\)"),
        ("pm_nobody_knows_it", r"declined \(this card cannot be used again\)"),
    ],
)
def test_after_other_nos_another_card_is_waited_for(shop: Shop, card: str, words: str) -> None:
    call = shop.call("authorize", card)
    waiting = waits(call, words)
    assert timedelta(minutes=14) < waiting.until - datetime.now(UTC) <= timedelta(minutes=15)
    waits(again(call), words)  # to look once more asks no bank

    shop.another_card(GOOD)
    assert make(again(call)).ok
    assert [number for number, *_ in shop.cards()] == [1, 2]
    assert shop.money() == (1500, 0, 0)
    assert len(shop.payments()) == 1


def test_the_customer_has_so_long_and_no_longer(shop: Shop) -> None:
    call = shop.call("authorize", POOR)
    waits(call, "give another one")
    shop.time_passes(899)
    waits(again(call), "give another one")
    shop.time_passes(2)

    assert make(again(call)) == GatewayAnswer(ok=False, code="insufficient_funds")
    assert [each["status"] for each in shop.payments()] == ["canceled"]
    assert make(again(call)) == GatewayAnswer(ok=False, code="insufficient_funds")


def test_nobody_is_waited_for_beyond_the_orders_own_time(shop: Shop) -> None:
    shop.saga_id = begun(shop.saga_id, minutes_ago=50)
    waiting = waits(shop.call("authorize", POOR), "give another one")

    assert timedelta(minutes=8) < waiting.until - datetime.now(UTC) < timedelta(minutes=10)


def test_four_cards_are_tried_at_most(shop: Shop) -> None:
    call = shop.call("authorize", POOR)
    for _ in range(3):
        waits(call, "give another one")
        shop.another_card("pm_card_visa_chargeDeclined")
        call = again(call)

    assert make(call) == GatewayAnswer(ok=False, code="generic_decline")
    assert [status for _, status, _ in shop.cards()] == ["declined"] * 4


def test_what_no_card_pays_is_declined_and_asks_no_bank(shop: Shop) -> None:
    call = shop.call("authorize", amount_cents=10)

    assert make(call) == GatewayAnswer(ok=False, code="amount_too_small")
    assert make(again(call)) == GatewayAnswer(ok=False, code="amount_too_small")
    assert shop.payments() == []


@pytest.mark.parametrize(
    ("setting", "wrong"), [("STRIPE_API_KEY", "sk_live_wrong"), ("CARD_RETURN_URL", "nowhere")]
)
def test_a_wrong_setting_is_no_fault_of_the_customers(
    shop: Shop, settings: Any, setting: str, wrong: str
) -> None:
    right = getattr(settings, setting)
    setattr(settings, setting, wrong)
    call = shop.call("authorize")
    with pytest.raises(stripe.StripeError):
        make(call)
    assert shop.cards() == [(1, "asked", "")]

    setattr(settings, setting, right)
    assert until_definite(again(call)).ok
    assert shop.money() == (1500, 0, 0)


@pytest.mark.parametrize("kind", ["answer_lost", "error_after"])
def test_a_no_that_nobody_heard_is_a_no(shop: Shop, kind: str) -> None:
    shop.control.fault("authorize", "none")
    shop.control.fault("authorize", kind)
    call = shop.call("authorize", POOR)
    with pytest.raises(StillWaiting, match="insufficient funds"):
        until_definite(call)

    declined = [status for _, status, _ in shop.cards() if status == "declined"]
    assert declined == ["declined"]
    assert shop.money() == (0, 0, 0)


# --- the bank asks its customer


def test_the_customer_is_told_what_the_bank_wants_and_then_it_goes_on(shop: Shop) -> None:
    call = shop.call("authorize", ASKS)
    waiting = waits(call, r"Your bank asks you to confirm the payment until \d\d:\d\d UTC")
    assert waiting.until - datetime.now(UTC) < timedelta(seconds=11)
    [(secret, url)] = shop.owner.execute(
        "SELECT client_secret, action_url FROM payments_cardattempt"
    ).fetchall()
    assert secret.startswith(f"{shop.reference}_secret_")
    assert url.startswith(shop.control.address)
    waits(again(call), "Your bank asks you")

    shop.control.authenticate(shop.reference, approved=True)
    assert make(again(call)).ok
    assert shop.money() == (1500, 0, 0)
    assert shop.cards() == [(1, "held", "")]


def test_who_fails_at_the_bank_may_try_again(shop: Shop) -> None:
    call = shop.call("authorize", ASKS)
    waits(call, "Your bank asks you")
    shop.control.authenticate(shop.reference, approved=False)
    waits(again(call), r"declined \(your bank could not confirm that it was you\): give another")

    shop.another_card(ASKS)
    waits(again(call), "Your bank asks you")
    shop.control.authenticate(shop.reference, approved=True)
    assert make(again(call)).ok
    assert shop.cards() == [(1, "declined", "authentication_failed"), (2, "held", "")]


def test_a_no_behind_the_banks_question_is_a_no(shop: Shop) -> None:
    call = shop.call("authorize", "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    waits(call, "Your bank asks you")
    shop.control.authenticate(shop.reference, approved=True)
    waits(again(call), "insufficient funds")


def test_who_does_not_go_to_the_bank_is_not_waited_for(shop: Shop) -> None:
    call = shop.call("authorize", ASKS)
    waits(call, "Your bank asks you")
    shop.time_passes(901)

    assert make(again(call)) == GatewayAnswer(ok=False, code="authentication_timeout")
    assert [each["status"] for each in shop.payments()] == ["canceled"]
    assert make(again(call)) == GatewayAnswer(ok=False, code="authentication_timeout")


def test_a_bank_that_takes_its_time_is_waited_for(shop: Shop) -> None:
    shop.control.set(processing_seconds=30)
    call = shop.call("authorize")
    waits(call, "Your bank takes its time")
    shop.control.advance(31)
    shop.control.set(processing_seconds=0)

    assert make(again(call)).ok


# --- nobody wants it any more


@pytest.mark.parametrize("card", [GOOD, POOR, ASKS])
@pytest.mark.parametrize("kind", ["none", "answer_lost", "refused", "error_after"])
def test_what_is_not_wanted_any_more_is_closed(shop: Shop, card: str, kind: str) -> None:
    shop.control.fault("authorize", "none")
    shop.control.fault("authorize", kind)
    call = shop.call("authorize", card)
    with suppress(StillWaiting, stripe.StripeError):
        make(call)

    assert make(again(call, unwanted=True)) == GatewayAnswer(ok=False, code="closed")
    assert shop.money() == (0, 0, 0)
    assert {each["status"] for each in shop.payments()} <= {"canceled"}
    with pytest.raises(RivalMovedFirst):  # a worker that is still at it
        Attempts.of(call).asking()


def test_a_payment_that_was_never_made_is_closed_for_a_worker_that_is_late(shop: Shop) -> None:
    call = shop.call("authorize")
    late = Attempts.of(call)

    assert make(again(call, unwanted=True)) == GatewayAnswer(ok=False, code="closed")
    with pytest.raises(psycopg.errors.UniqueViolation):
        late.begin(GOOD)
    assert shop.payments() == []


def test_a_capture_that_is_not_wanted_can_never_happen(shop: Shop) -> None:
    shop.before("capture")
    shop.control.fault("capture", "refused")
    call = shop.call("capture")
    with pytest.raises(stripe.StripeError):
        make(call)

    assert make(again(call, unwanted=True)).code == "closed"
    assert make(again(call)).ok is False
    assert shop.money() == (0, 0, 0)


def test_a_capture_that_happened_is_told_to_who_does_not_want_it(shop: Shop) -> None:
    shop.before("capture")
    shop.control.fault("capture", "answer_lost")
    call = shop.call("capture")
    with pytest.raises(stripe.StripeError):
        make(call)

    assert make(again(call, unwanted=True)).ok
    assert shop.money() == (0, 1500, 0)


# --- time


def test_a_hold_that_has_lapsed_cannot_be_captured(shop: Shop) -> None:
    shop.before("capture")
    shop.control.advance(8 * 24 * 3600)

    assert shop.do("capture").code == "authorization_expired"
    assert shop.do("cancel").ok
    assert shop.money() == (0, 0, 0)


@pytest.mark.parametrize("operation", ["create", "confirm"])
@pytest.mark.parametrize("kind", ["answer_lost", "refused"])
def test_after_a_day_no_old_key_is_used_and_nothing_is_held_twice(
    shop: Shop, operation: str, kind: str
) -> None:
    if operation == "confirm":
        shop.control.fault("authorize", "none")
    shop.control.fault("authorize", kind)
    call = shop.call("authorize")
    with pytest.raises(stripe.StripeError):
        make(call)
    shop.time_passes(25 * 3600)
    shop.control.advance(25 * 3600)
    keys = {each["key"] for each in shop.control.calls() if each["key"]}
    shop.saga_id = begun(shop.saga_id, minutes_ago=0)

    assert make(again(call)).ok
    calls = [each for each in shop.control.calls() if each["key"]][len(keys) :]
    assert not keys & {each["key"] for each in calls}
    assert sum(each["held"] for each in shop.control.ledger()["payments"]) == 1500
    assert len(shop.control.ledger()["payments"]) == 1


@pytest.mark.parametrize("operation", ["capture", "cancel", "refund"])
@pytest.mark.parametrize("kind", ["answer_lost", "refused"])
def test_after_a_day_what_was_done_is_seen(shop: Shop, operation: str, kind: str) -> None:
    shop.before(operation)
    shop.control.fault(operation, kind)
    call = shop.call(operation)
    with pytest.raises(stripe.StripeError):
        make(call)
    shop.control.advance(25 * 3600)

    assert make(again(earlier(call, 25))).ok
    assert shop.money() == MONEY[operation]


def test_a_refund_is_not_asked_for_while_its_key_may_be_forgotten(shop: Shop) -> None:
    shop.before("refund")
    call = shop.call("refund")
    waits(again(earlier(call, 23.5)), "The refund is looked for")
    assert shop.money() == (0, 1500, 0)

    assert make(again(earlier(call, 24.5))).ok
    assert shop.money() == (0, 1500, 1500)


# --- refunds


def test_a_part_is_given_back_and_then_the_rest(shop: Shop) -> None:
    shop.before("refund")
    first = shop.call("refund", refund_cents=400)
    assert make(first).ok
    second = replace(
        first, key=f"{first.key}-other", details=replace(first.details, refund_cents=1100)
    )
    assert make(second).ok
    assert make(again(first)).ok
    assert make(again(second)).ok

    assert shop.money() == (0, 1500, 1500)


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("hours", [0, 25])
def test_a_part_is_given_back_once_whatever_goes_wrong(shop: Shop, kind: str, hours: int) -> None:
    shop.before("refund")
    shop.control.fault("refund", kind)
    call = shop.call("refund", refund_cents=400)
    with pytest.raises(stripe.StripeError):
        make(call)
    shop.control.release()
    shop.control.advance(hours * 3600)

    assert until_definite(again(earlier(call, hours))).ok
    assert until_definite(again(again(earlier(call, hours)))).ok
    assert shop.money() == (0, 1500, 400)


def test_more_than_was_taken_is_not_given_back(shop: Shop) -> None:
    shop.before("refund")

    answer = shop.do("refund", refund_cents=1501)
    assert (answer.ok, answer.code) == (False, "amount_too_large")
    assert shop.money() == (0, 1500, 0)


@pytest.mark.usefixtures("quiet")
def test_a_refund_that_is_owed_and_refused_is_told_to_a_person_once(shop: Shop) -> None:
    shop.before("refund")
    call = shop.call("refund", refund_cents=1501)
    for asked in (call, again(call)):
        with pytest.raises(GatewayKeepsMoney, match="amount_too_large"):
            return_taken(asked)
    told = shop.owner.execute("SELECT kind, saga_id, reference, text FROM payments_finding")
    [(kind, saga_id, reference, text)] = told.fetchall()
    assert (kind, saga_id, reference) == ("refund_refused", shop.saga_id, shop.reference)
    assert text.startswith("The gateway will not give back 15.01 EUR of order ")
    assert shop.owner.execute("SELECT count(*) FROM payments_outboxmessage").fetchone() == (1,)


def test_what_the_bank_has_taken_back_is_not_given_back_besides(shop: Shop) -> None:
    shop.before("refund")
    shop.control.dispute(shop.reference)

    answer = shop.do("refund")
    assert (answer.ok, answer.code) == (False, "charge_disputed")
    with pytest.raises(BankHasMoney):
        return_taken(shop.call("refund"))
    assert shop.owner.execute("SELECT FROM payments_finding").fetchall() == []
    assert shop.money() == (0, 1500, 0)


def test_what_a_person_gave_back_at_stripe_is_given_back(shop: Shop) -> None:
    shop.before("refund")
    stripe_api.client().v1.refunds.create({"payment_intent": shop.reference})

    assert shop.do("refund").ok
    assert shop.money() == (0, 1500, 1500)


def test_a_refund_that_stripe_has_failed_is_told(shop: Shop) -> None:
    assert shop.do("authorize", "pm_card_refundFail").ok
    assert shop.do("capture").ok
    call = shop.call("refund")
    assert make(call).ok
    shop.control.advance(61)

    assert make(again(call)).code == "expired_or_canceled_card"


def test_what_was_captured_after_all_is_given_back_and_not_let_go(shop: Shop) -> None:
    shop.before("refund")

    assert make(shop.call("cancel")).ok
    assert shop.money() == (0, 1500, 1500)


def test_a_hold_that_a_person_recorded_is_found_at_stripe(shop: Shop) -> None:
    shop.before("capture")

    assert shop.do("capture", reference="seen in Stripe's dashboard").ok
    assert shop.money() == (0, 1500, 0)
