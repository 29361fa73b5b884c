"""What Stripe tells of itself: who is believed, what is kept, and what follows from it once."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
import stripe
from django.test import Client
from pytest_django import Settings
from rest_framework.response import Response
from structlog.testing import capture_logs

from apps.contracts.payments import CapturePayment
from apps.contracts.values import RefundTo
from apps.messaging import dispatching
from apps.messaging.calls import work as make_calls
from apps.messaging.database import Database
from apps.messaging.handling import Call, StillWaiting
from apps.payments import stripe_events
from apps.payments.gateways import GatewayAnswer, gateway
from apps.payments.reconciliation import reconcile
from apps.payments.selectors import payments_unlike_ledger, payments_unlike_refunds
from apps.payments.stripe_api import client as stripe_client
from apps.payments.stripe_gateway import StripeGateway
from apps.payments.webhooks import LARGEST
from tests.payments.outside import SECRET, Card, Told, door, hold
from tests.scraping import Counted
from tests.threads import at_once
from tools.fakestripe.client import Control

pytestmark = pytest.mark.usefixtures("quiet", "asleep")
PATIENCE = 20  # seconds: a bound for a test that would hang, never what a test waits for


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Nobody is woken; what would have been."""
    woken: list[tuple[str, ...]] = []
    monkeypatch.setattr("apps.payments.stripe_events.wake", lambda *wanted: woken.append(wanted))
    return woken


@pytest.fixture
def webhooks(control: Control) -> Iterator[Control]:
    """Stripe sends its webhooks to this shop, over HTTP."""
    with door() as address:
        control.set(webhook_url=address)
        yield control
        control.set(webhook_url=None)


def until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.02)


def settled(told: Told, *wanted: str) -> None:
    """Look into events as they come, until these were told and nothing is left to do."""

    def all_done() -> bool:
        told.owner.execute("UPDATE payments_stripeevent SET due_at = now()")
        stripe_events.work()
        found = told.events()  # read once: another may come meanwhile
        done = all(status != "received" for _, status, _ in found)
        return done and set(wanted) <= {each for each, _, _ in found}

    until(all_done)


def types(told: Told) -> set[str]:
    return {each for each, _, _ in told.events()}


def of_payments(told: Told) -> set[tuple[str, str]]:
    """Status and reason of the events of PaymentIntents."""
    return {each[1:] for each in told.events() if each[0].startswith("payment_intent.")}


def event(kind: str = "payment_intent.succeeded", **changes: Any) -> dict[str, Any]:
    """As Stripe writes it, as far as it is read."""
    subject = {"id": "pi_1", "object": "payment_intent", "metadata": {"saga_id": str(uuid4())}}
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": kind,
        "created": 1,
        "data": {"object": subject},
        **changes,
    }


def post(body: bytes, signature: str | None = None, **headers: str) -> Response:
    """Send a webhook; signed as Stripe does, if nothing else is said."""
    if signature is None:
        signature = stripe.WebhookSignature.generate_signature_header(body.decode(), SECRET)
    given = {"Stripe-Signature": signature} if signature else {}
    found: Response = Client().post(
        "/webhooks/stripe", body, content_type="application/json", headers={**given, **headers}
    )  # type: ignore[assignment]
    return found


def signed_with(secret: str, at: int | None = None) -> Callable[[bytes], str]:
    return lambda body: stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, timestamp=at
    )


# --- the door


def test_what_is_signed_is_kept_as_far_as_it_names_an_object(
    control: Control, told: Told, asleep: list[tuple[str, ...]]
) -> None:
    given = event(secret="4242")
    answer = post(msgspec.json.encode(given))

    assert answer.status_code == 200
    kept = told.owner.execute(
        "SELECT id, type, object_id, saga_id::text, extract(epoch FROM happened_at)::int, status"
        " FROM payments_stripeevent"
    ).fetchall()
    saga_id = given["data"]["object"]["metadata"]["saga_id"]
    assert kept == [(given["id"], "payment_intent.succeeded", "pi_1", saga_id, 1, "received")]
    assert asleep == [("payments", "stripe_events")]


def test_an_event_that_is_told_twice_is_kept_once(control: Control, told: Told) -> None:
    body = msgspec.json.encode(event())
    assert [post(body).status_code for _ in range(3)] == [200, 200, 200]
    assert len(told.events()) == 1


def test_an_event_that_comes_twice_at_once_is_kept_once(control: Control, told: Told) -> None:
    body = msgspec.json.encode(event())
    assert at_once(*[lambda: post(body).status_code] * 4) == [200] * 4
    assert len(told.events()) == 1


BODY = msgspec.json.encode(event())
Sign = Callable[[bytes], str]
REFUSED: list[tuple[str, bytes, Sign, int]] = [
    ("unsigned", BODY, lambda body: "", 400),
    ("forged", BODY, signed_with("whsec_of_somebody_else"), 400),
    ("forged", BODY, lambda body: signed_with(SECRET)(b"another body"), 400),
    ("forged", BODY, lambda body: "no signature at all", 400),
    ("forged", BODY, lambda body: f"t={int(time.time())},v1=\u00e9", 400),
    ("forged", BODY, lambda body: f"t={'9' * 5000},v1=00", 400),
    ("old", BODY, signed_with(SECRET, int(time.time()) - 301), 400),
    ("malformed", b"{", signed_with(SECRET), 400),
    ("malformed", b"[]", signed_with(SECRET), 400),
    ("malformed", msgspec.json.encode(event(object="v2.core.event")), signed_with(SECRET), 400),
    ("malformed", msgspec.json.encode(event(id="evt_\0")), signed_with(SECRET), 400),
    ("malformed", b"\xff", lambda body: signed_with(SECRET)(b"x"), 400),
    ("too_large", b" " * (LARGEST + 1), signed_with(SECRET), 413),
]


@pytest.mark.parametrize(("reason", "body", "sign", "status"), REFUSED)
def test_what_is_not_stripes_is_refused_and_counted(
    control: Control,
    told: Told,
    reason: str,
    body: bytes,
    sign: Callable[[bytes], str],
    status: int,
) -> None:
    counted = Counted()
    with capture_logs() as logs:
        answer = post(body, sign(body))

    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert counted.rise("stripe_webhooks_total", result=reason) == 1
    assert told.events() == []
    assert [each["reason"] for each in logs if each["event"] == "webhook_refused"] == [reason]
    assert "saga_id" not in str(logs)  # of the body nothing is told


def test_the_largest_webhook_that_is_taken(control: Control, told: Told) -> None:
    body = msgspec.json.encode(event())
    assert post(body + b" " * (LARGEST - len(body))).status_code == 200
    assert len(told.events()) == 1


def test_without_a_secret_nothing_is_believed_and_the_log_says_what_to_set(
    control: Control, told: Told, settings: Settings
) -> None:
    settings.STRIPE_WEBHOOK_SECRET = ""
    with capture_logs() as logs:
        assert post(BODY, signed_with("")(BODY)).status_code == 503
    assert "Set STRIPE_WEBHOOK_SECRET" in str(logs)
    assert told.events() == []


def test_only_posts_are_answered_and_nobody_has_to_log_in(control: Control) -> None:
    assert Client().get("/webhooks/stripe").status_code == 405
    answer = Client(enforce_csrf_checks=True).post("/webhooks/stripe", BODY, "application/json")
    assert (answer.status_code, answer.cookies) == (400, {})


# --- what follows


ASKS = "pm_card_authenticationRequired"


class Patient(StripeGateway):
    """A bank that wants its customer's word first: what the call says while that is missing."""

    def authorize(self, call: Call) -> GatewayAnswer:
        made = stripe_client().v1.payment_intents.list({"limit": 1}).data
        [known] = made or [hold(call.request.saga_id, payment_method=ASKS)]
        if known.status == "requires_action":
            raise StillWaiting("The bank asks its customer", call.called_at.replace(year=2100))
        return GatewayAnswer(ok=True, reference=known.id)


@pytest.fixture
def patient(settings: Settings, control: Control) -> None:
    settings.CARD_GATEWAY = "tests.payments.test_webhooks.Patient"
    gateway.cache_clear()


def test_a_customer_who_answers_the_bank_does_not_wait(
    webhooks: Control, card: Card, told: Told, patient: None, asleep: list[tuple[str, ...]]
) -> None:
    card.authorize()
    settled(told, "payment_intent.requires_action")
    assert make_calls("payments") == 1  # it was asked at once, and still waits
    assert make_calls("payments") == 0

    [intent] = stripe_client().v1.payment_intents.list().data
    webhooks.authenticate(intent.id, approved=True)
    settled(told, "payment_intent.amount_capturable_updated")

    assert ("payments",) in asleep
    assert make_calls("payments") == 1
    assert (card.reference, card.status) == (intent.id, "authorized")


def test_an_event_waits_for_a_call_that_a_worker_has_in_hand(
    webhooks: Control, card: Card, told: Told, patient: None
) -> None:
    card.authorize()
    settled(told, "payment_intent.requires_action")
    told.owner.execute(
        "UPDATE payments_intent SET status = 'claimed', lease = gen_random_uuid(),"
        " leased_until = now() + interval '1 minute'"
    )
    [intent] = stripe_client().v1.payment_intents.list().data
    webhooks.authenticate(intent.id, approved=True)
    until(lambda: "payment_intent.amount_capturable_updated" in types(told))
    stripe_events.work()
    waiting = [reason for _, status, reason in told.events() if status == "received"]
    assert set(waiting) == {"A call about this payment is under way"}

    told.owner.execute(
        "UPDATE payments_intent SET status = 'waiting', lease = NULL, leased_until = NULL,"
        " due_at = now() + interval '1 hour'"
    )
    settled(told, "payment_intent.amount_capturable_updated")
    assert make_calls("payments") == 1


FAULTS = ["none", "twice", "out_of_order", "late", "before_answer"]


@pytest.mark.parametrize("fault", FAULTS)
def test_however_webhooks_come_a_refund_that_comes_back_is_told_once(
    webhooks: Control, card: Card, told: Told, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault != "none":
        seconds = 0.3 if fault in ("late", "out_of_order") else None
        webhooks.webhook_chance("any", fault, 100, seconds=seconds)
    paid_by("pm_card_refundFail", monkeypatch)
    card.authorize().capture().undo()
    webhooks.advance(61)
    settled(told, "refund.created", "refund.failed", "refund.updated", "charge.refund.updated")

    [refund] = stripe_client().v1.refunds.list().data
    [(kind, about, why)] = told.needs()
    assert (kind, about) == ("refund_failed", refund.id)
    assert "15.00 USD" in why
    assert card.reference in why
    assert "expired_or_canceled_card" in why
    assert card.status == "refunded"  # the saga is not opened again
    assert told.findings() == [(f"refund_failed:{refund.id}", False)]


def test_a_return_says_that_its_refund_came_back(
    webhooks: Control, card: Card, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_by("pm_card_refundFail", monkeypatch)
    card.authorize().capture().give_back(1).give_back(1, RefundTo.CREDIT)
    assert card.refunds == [(500, "accepted"), (500, "accepted")]
    webhooks.advance(61)
    settled(told, "refund.created", "refund.failed", "refund.updated", "charge.refund.updated")

    assert card.refunds == [(500, "failed"), (500, "accepted")]
    [(kind, _, why)] = told.needs()
    assert kind == "refund_failed"
    assert "5.00 USD" in why
    assert (payments_unlike_refunds(), payments_unlike_ledger()) == ([], [])
    told.owner.execute("DELETE FROM payments_finding")  # which would excuse a difference
    assert reconcile(timedelta(days=1), timedelta(0), pause=0).differences == ()


def paid_by(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards of this kind from now on."""
    monkeypatch.setattr(
        StripeGateway,
        "authorize",
        lambda self, call: GatewayAnswer(
            ok=True, reference=hold(call.request.saga_id, payment_method=method).id
        ),
    )


def test_a_refund_that_is_through_is_no_case(webhooks: Control, card: Card, told: Told) -> None:
    card.authorize().capture().undo()
    settled(told, "refund.created", "charge.refunded")
    assert told.needs() == []
    assert {each for each in told.events() if each[0] == "charge.refunded"} == {
        ("charge.refunded", "ignored", "Nothing follows")
    }


def test_a_hold_that_the_bank_lets_go_is_told_once(
    webhooks: Control, card: Card, told: Told
) -> None:
    card.authorize()
    webhooks.advance(8 * 86400)
    settled(told, "payment_intent.canceled")

    [(kind, about, why)] = told.needs()
    assert (kind, about) == ("hold_lost", card.reference)
    assert "expired" in why


def test_a_hold_that_the_shop_lets_go_is_no_case(webhooks: Control, card: Card, told: Told) -> None:
    card.authorize().undo()
    settled(told, "payment_intent.canceled")
    assert told.needs() == []
    assert of_payments(told) == {("handled", "")}


def test_a_hold_that_a_person_cancels_at_stripe_is_left_to_the_comparison(
    webhooks: Control, card: Card, told: Told
) -> None:
    stripe_client().v1.payment_intents.cancel(card.authorize().reference)
    settled(told, "payment_intent.canceled")
    assert (told.needs(), card.status) == ([], "authorized")


def test_a_lost_hold_waits_for_the_capture_that_is_under_way(
    webhooks: Control, card: Card, told: Told
) -> None:
    card.authorize().asked(CapturePayment(), "capture_payment")
    webhooks.advance(8 * 86400)
    until(lambda: "payment_intent.canceled" in types(told))
    stripe_events.work()
    assert told.needs() == []
    assert ("payment_intent.canceled", "received", "A call about this payment is under way") in (
        told.events()
    )


def test_a_dispute_is_told_once_however_often_it_moves(
    webhooks: Control, card: Card, told: Told
) -> None:
    card.authorize().capture()
    dispute = webhooks.dispute(card.reference, reason="fraudulent")
    settled(told, "charge.dispute.created")
    webhooks.close_dispute(dispute, won=False)
    settled(told, "charge.dispute.closed")

    [(kind, about, why)] = told.needs()
    assert (kind, about) == ("dispute", dispute)
    assert "15.00 USD" in why
    assert "fraudulent" in why


def test_what_is_of_another_shop_is_noted_as_not_ours(
    webhooks: Control, card: Card, told: Told
) -> None:
    hold(uuid4(), metadata={})
    hold(uuid4())
    until(lambda: {each["status"] for each in webhooks.deliveries()} == {"sent"})
    settled(told)
    assert of_payments(told) == {("ignored", "Not ours: no saga here made this payment")}
    assert {each["operation"] for each in webhooks.calls()} == {"authorize"}  # nobody was asked


def test_a_stripe_that_is_silent_is_asked_again(webhooks: Control, card: Card, told: Told) -> None:
    card.authorize()
    webhooks.advance(8 * 86400)
    until(lambda: "payment_intent.canceled" in types(told))
    webhooks.fault("retrieve", "error_before", times=2)  # the SDK asks twice
    stripe_events.work()
    [(status, reason)] = [each[1:] for each in told.events() if each[0].endswith(".canceled")]
    assert status == "received"
    assert reason.startswith("APIError")

    settled(told)
    assert [each[0] for each in told.needs()] == ["hold_lost"]


def test_what_cannot_be_looked_into_is_given_up_in_the_end(
    control: Control, told: Told, card: Card
) -> None:
    card.authorize().capture()
    post(msgspec.json.encode(event("refund.failed", data={"object": {"id": "re_unknown"}})))
    told.owner.execute(
        "UPDATE payments_stripeevent SET attempt = %s", [stripe_events.MOST_ATTEMPTS - 1]
    )
    counted = Counted()
    stripe_events.work()
    [(_, status, reason)] = told.events()
    assert status == "failed"
    assert "re_unknown" in reason
    assert counted.rise("stripe_events_total", status="failed") == 1


def test_a_worker_that_is_asked_to_stop_looks_into_no_further_event(
    control: Control, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_and_see(claimed: stripe_events.Claimed) -> stripe_events.Seen:
        dispatching.stop()
        raise stripe_events.NotOurs("Nothing follows")

    monkeypatch.setattr(dispatching, "_stopping", threading.Event())
    monkeypatch.setattr(stripe_events, "see", stop_and_see)
    for _ in range(3):
        assert post(msgspec.json.encode(event())).status_code == 200
    stripe_events.work()
    assert sorted(status for _, status, _ in told.events()) == ["ignored", "received", "received"]


def test_two_workers_do_not_look_into_the_same_event(
    control: Control, told: Told, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    see = stripe_events.see

    def noted(claimed: stripe_events.Claimed) -> stripe_events.Seen:
        looked.append(claimed.id)
        return see(claimed)

    monkeypatch.setattr(stripe_events, "see", noted)
    for _ in range(10):
        post(msgspec.json.encode(event()))
    at_once(*[stripe_events.work] * 4)
    assert len(looked) == len(set(looked)) == 10


def test_an_event_that_another_worker_is_claiming_is_passed_over(
    control: Control, told: Told, card: Card
) -> None:
    for _ in range(2):
        post(msgspec.json.encode(event()))
    Database("payments").execute("SET lock_timeout = '2s'")  # rather than to wait for ever
    try:
        with told.owner.transaction():
            told.owner.execute(
                "SELECT FROM payments_stripeevent ORDER BY due_at LIMIT 1 FOR UPDATE"
            )
            stripe_events.work()
    finally:
        Database("payments").execute("RESET lock_timeout")
    assert [status for _, status, _ in told.events()] == ["received", "ignored"]


def test_a_worker_that_was_too_slow_changes_nothing(
    webhooks: Control, card: Card, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    card.authorize()
    webhooks.advance(8 * 86400)
    until(lambda: "payment_intent.canceled" in types(told))
    act = stripe_events.act

    def slow(claimed: stripe_events.Claimed, seen: stripe_events.Seen) -> None:
        told.owner.execute("UPDATE payments_stripeevent SET lease = gen_random_uuid()")
        act(claimed, seen)

    monkeypatch.setattr(stripe_events, "act", slow)
    stripe_events.work()
    assert told.needs() == []
    assert {status for status, _ in of_payments(told)} == {"received"}


def test_without_a_key_nobody_is_asked_and_events_stay(
    control: Control, told: Told, settings: Settings
) -> None:
    settings.STRIPE_API_KEY = ""
    post(BODY)
    stripe_events.work()
    assert [status for _, status, _ in told.events()] == ["received"]


# --- rights


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM payments_stripeevent",
        "UPDATE payments_stripeevent SET object_id = 'pi_2'",
        "DELETE FROM payments_finding",
        "UPDATE payments_finding SET text = ''",
        "UPDATE payments_reconciliation SET differences = 0",
        "DELETE FROM payments_reconciliation",
    ],
)
def test_what_was_told_cannot_be_changed_at_run_time(control: Control, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        Database("payments").execute(statement)
