"""Orders paid by Stripe, through the barrier, the intents and the customer's doors."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils.dateparse import parse_datetime

from apps.contracts.payments import (
    AuthorizePayment,
    CaptureFailed,
    DeclineCode,
    PaymentDeclined,
    PaymentRefunded,
)
from apps.contracts.steps import StepWaits
from apps.contracts.values import PaymentMethod
from apps.messaging import calls
from apps.messaging.calls import work
from apps.payments.stripe_talk import Stripe
from tests.api.customer import Customer
from tests.payments.stripe_calls import ASKS, GOOD, POOR
from tests.payments.test_cards import AUTHORIZED, CAPTURED, REFUNDED, Till
from tools.fakestripe.client import Control

pytestmark = pytest.mark.usefixtures("quiet")


class Killed(BaseException):
    """The worker is gone: nothing of what it had in hand is written."""


class Counter(Till):
    """A till at Stripe."""

    def __init__(self, databases: dict[str, psycopg.Connection], control: Control) -> None:
        self.owner, self.control = databases["payments"], control
        self.databases = databases
        self.ada = Customer("ada")
        super().__init__(self.owner, None)  # type: ignore[arg-type]  # it has no stand-in

    def authorize(self, card: str = GOOD, **request: Any) -> None:
        command = AuthorizePayment(
            order_id=self.saga_id, customer_id=self.ada.user.pk, currency="EUR", total_cents=1500,
            payment_method=PaymentMethod.CARD, card=card,
        )  # fmt: skip
        self.ask(command, "authorize_payment", **request)

    def pay(self, card: str = GOOD) -> None:
        self.authorize(card)
        work("payments")

    def wait_is_over(self) -> None:
        """So long the customer did nothing."""
        self.owner.execute(
            "UPDATE payments_cardattempt SET changed_at = changed_at - interval '901 seconds'"
        )
        self.time_passes()

    def money(self) -> tuple[int, int, int]:
        """Held, captured and refunded at Stripe, in cents."""
        ledger = self.control.ledger()
        assert ledger["double_charges"] == []
        order = ledger["orders"].get(str(self.saga_id), {})
        return order.get("held", 0), order.get("captured", 0), order.get("refunded", 0)

    def at_stripe(self) -> list[tuple[str, str]]:
        """Id and status of each payment."""
        return [(each["id"], each["status"]) for each in self.control.ledger()["payments"]]

    # --- as the customer

    def look(self, customer: Customer | None = None) -> dict[str, Any]:
        response = (customer or self.ada).get(f"/api/v1/payments/{self.saga_id}")
        assert response.headers.get("Cache-Control") == (
            "no-store" if response.status_code == 200 else None
        )
        answer: dict[str, Any] = response.json()
        return answer

    def give(self, card: object, customer: Customer | None = None) -> HttpResponse:
        giver = customer or self.ada
        return Client().post(
            f"/api/v1/payments/{self.saga_id}/cards", json.dumps({"card": card}),
            "application/json", headers={"Authorization": f"Token {giver.token}"},
        )  # fmt: skip

    def attempts(self) -> list[tuple[int, str, str]]:
        rows = self.owner.execute(
            "SELECT number, card, status FROM payments_cardattempt ORDER BY number"
        )
        return [tuple(row) for row in rows.fetchall()]


@pytest.fixture
def till(databases: dict[str, psycopg.Connection], control: Control) -> Counter:
    return Counter(databases, control)


def test_an_order_is_paid_by_stripe(till: Counter) -> None:
    till.pay()
    till.capture()
    work("payments")

    assert till.told() == [("do", AUTHORIZED), ("do", CAPTURED)]
    assert till.money() == (0, 1500, 0)
    [(reference, expires_at)] = till.owner.execute(
        "SELECT reference, expires_at FROM payments_payment"
    ).fetchall()
    assert till.at_stripe() == [(reference, "succeeded")]
    assert timedelta(days=6) < expires_at - datetime.now(UTC) <= timedelta(days=7)
    assert till.look() | {"links": None} == {
        "state": "captured", "amount_cents": 1500, "captured_cents": 1500, "refunded_cents": 0,
        "reason": None, "until": None, "client_secret": None, "action_url": None, "links": None,
    }  # fmt: skip


def test_what_is_held_is_let_go_by_an_undo_and_what_was_taken_is_given_back(till: Counter) -> None:
    till.pay()
    till.undo()
    work("payments")

    assert till.told()[1:] == [("undo", REFUNDED)]
    assert till.money() == (0, 0, 0)
    assert till.look()["state"] == "refunded"


def test_a_hold_that_lapsed_fails_the_capture_in_plain_words(till: Counter) -> None:
    till.pay()
    till.control.advance(8 * 24 * 3600)
    till.capture()
    work("payments")

    [failed] = [event for _, event in till.told()[1:]]
    assert failed == CaptureFailed(code="authorization_expired")
    assert failed.reason == (
        "The payment could not be completed: the amount was set aside for too long"
    )


@pytest.mark.parametrize("request_name", ["create", "confirm", "capture", "cancel", "refund"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_that_is_killed_costs_and_gives_nothing_twice(
    till: Counter, monkeypatch: pytest.MonkeyPatch, request_name: str, when: str
) -> None:
    steps = {"capture": [till.capture], "cancel": [till.undo], "refund": [till.capture, till.undo]}
    deaths = killed_at(monkeypatch, request_name, when)
    for step in (till.authorize, *steps.get(request_name, [])):
        step()  # type: ignore[operator]
        work_as_often_as_killed(till)

    assert deaths == []
    expected = {"capture": (0, 1500, 0), "cancel": (0, 0, 0), "refund": (0, 1500, 1500)}
    assert till.money() == expected.get(request_name, (1500, 0, 0))
    assert len(till.at_stripe()) == 1
    assert [status for _, status, _ in till.intents()] == ["settled"] * len(till.intents())


def test_a_worker_that_is_killed_before_it_writes_the_answer_asks_for_it_again(
    till: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.authorize()
    with monkeypatch.context() as patch:
        patch.setattr(calls, "record", killed)
        work("payments")
    assert [status for _, status, _ in till.intents()] == ["claimed"]
    till.time_passes()
    work("payments")

    assert till.told() == [("do", AUTHORIZED)]
    assert till.money() == (1500, 0, 0)


def killed(*args: object, **kwargs: object) -> None:
    raise Killed


def killed_at(monkeypatch: pytest.MonkeyPatch, name: str, when: str) -> list[str]:
    """The first worker that comes to this request of Stripe's dies before it, or right after: its
    thread ends. The deaths that are still to come."""
    real: Callable[..., Any] = getattr(Stripe, name)
    deaths = [when]

    def dying(self: Stripe, *args: Any) -> Any:
        if deaths == ["before"]:
            raise Killed(deaths.pop())
        answer = real(self, *args)
        if deaths:
            raise Killed(deaths.pop())
        return answer

    monkeypatch.setattr(Stripe, name, dying)
    return deaths


def work_as_often_as_killed(till: Counter) -> None:
    work("payments")
    if "claimed" in {status for _, status, _ in till.intents()}:  # and left so by who died
        till.time_passes()
        work("payments")


# --- another card


def test_a_declined_customer_gives_another_card(till: Counter) -> None:
    assert till.look()["type"] == "urn:sagaplatform:problem:payment_not_found"
    till.authorize(POOR)
    work("payments")

    [(_, waiting)] = till.told()
    assert isinstance(waiting, StepWaits)
    until = parse_datetime(till.look()["until"])
    assert until is not None
    assert waiting.reason == (
        "Your card was declined (there are insufficient funds): give another one until"
        f" {until:%H:%M} UTC"
    )
    assert abs(waiting.until - until) < timedelta(seconds=2)
    seen = till.look()
    assert (seen["state"], seen["reason"]) == (
        "card_needed", "Your card was declined: there are insufficient funds",
    )  # fmt: skip

    given = till.give(GOOD)
    assert (given.status_code, given.json()["state"]) == (202, "pending")
    assert till.give(GOOD).status_code == 202  # the same request again
    assert till.attempts() == [(1, POOR, "declined"), (2, GOOD, "given")]
    assert work("payments") == 1  # at once, not when the wait is over

    assert till.told()[1:] == [("do", AUTHORIZED)]
    assert till.look()["state"] == "authorized"
    assert till.money() == (1500, 0, 0)


def test_who_gives_no_other_card_is_declined_in_the_end(till: Counter) -> None:
    till.pay(POOR)
    till.wait_is_over()
    work("payments")

    [_, (_, declined)] = till.told()
    assert declined == PaymentDeclined(
        code=DeclineCode.CARD_DECLINED, wanted_cents=1500, decline_code="insufficient_funds"
    )
    assert declined.reason == "Your card was declined: there are insufficient funds"
    assert till.look()["state"] == "declined"
    assert problem(till.give(GOOD)) == (409, "payment_over")
    assert [status for _, status in till.at_stripe()] == ["canceled"]


def test_a_stolen_card_is_declined_at_once_and_nobody_learns_why(till: Counter) -> None:
    till.pay("pm_card_visa_chargeDeclinedStolenCard")

    [(_, declined)] = till.told()
    assert isinstance(declined, PaymentDeclined)
    assert (declined.decline_code, declined.reason) == ("stolen_card", "Your card was declined")
    assert till.look()["reason"] == "Your card was declined"
    assert problem(till.give(GOOD)) == (409, "payment_over")


def test_an_undo_ends_the_wait_for_another_card(till: Counter) -> None:
    till.pay(POOR)
    till.undo()
    assert problem(till.give(GOOD)) == (409, "payment_over")
    work("payments")

    assert till.told()[1:] == [("undo", PaymentRefunded(nothing_to_undo=True))]
    assert till.look()["state"] == "cancelled"
    assert [status for _, status in till.at_stripe()] == ["canceled"]


def problem(response: HttpResponse) -> tuple[int, str]:
    return response.status_code, response.json()["type"].rpartition(":")[2]


def test_a_card_is_refused_where_none_is_waited_for(till: Counter) -> None:
    bob = Customer("bob")
    assert problem(till.give(GOOD)) == (404, "payment_not_found")
    till.authorize(POOR)
    work("payments")
    assert problem(till.give(POOR)) == (409, "same_card")
    assert problem(till.give(GOOD, bob)) == (404, "payment_not_found")
    assert till.look(bob)["status"] == 404
    for wrong in ("4242424242424242", "tok_visa", 7, None):
        assert problem(till.give(wrong)) == (400, "invalid_request")
        assert "4242" not in till.give(wrong).content.decode()

    till.owner.execute(
        "UPDATE payments_intent SET status = 'claimed', lease = saga_id, leased_until = now()"
    )
    assert problem(till.give(GOOD)) == (409, "card_is_tried")
    assert till.attempts() == [(1, POOR, "declined")]


def test_a_card_whose_bank_could_not_be_asked_may_be_given_again(till: Counter) -> None:
    broken = "pm_card_chargeDeclinedProcessingError"
    till.pay(broken)

    assert till.give(broken).status_code == 202
    assert [status for _, _, status in till.attempts()] == ["declined", "given"]


# --- 3-D Secure


def test_the_customer_confirms_with_the_bank(till: Counter) -> None:
    till.pay(ASKS)

    seen = till.look()
    [(reference, status)] = till.at_stripe()
    assert (seen["state"], status) == ("customer_needed", "requires_action")
    assert seen["client_secret"].startswith(f"{reference}_secret_")
    assert seen["action_url"].startswith(f"{till.control.address}/authenticate/")
    assert problem(till.give(GOOD)) == (409, "customer_needed")
    assert kept_in(till.databases, seen["client_secret"]) == {"payments_cardattempt"}

    till.control.authenticate(reference, approved=True)
    till.time_passes()
    work("payments")
    assert till.told()[-1] == ("do", AUTHORIZED)
    assert kept_in(till.databases, seen["client_secret"]) == set()
    assert till.look()["client_secret"] is None


def test_who_does_not_confirm_is_declined_in_the_end(till: Counter) -> None:
    till.pay(ASKS)
    till.wait_is_over()
    work("payments")

    [_, (_, declined)] = till.told()
    assert isinstance(declined, PaymentDeclined)
    assert declined.reason == (
        "Your card was declined: it was not confirmed with your bank in time"
    )
    assert [status for _, status in till.at_stripe()] == ["canceled"]


def test_no_log_tells_what_the_customer_needs_for_it(
    till: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    till.pay(ASKS)
    secret = till.look()["client_secret"]

    assert secret not in caplog.text
    assert not logging.getLogger("stripe").isEnabledFor(logging.INFO)


def test_no_page_of_the_admin_shows_what_the_customer_needs_for_it(till: Counter) -> None:
    agent = Client()
    agent.force_login(User.objects.create_superuser("agent"))
    till.pay(ASKS)
    secret = till.look()["client_secret"]
    [(id,)] = till.owner.execute("SELECT id FROM payments_cardattempt").fetchall()

    for page in ("", f"{id}/change/"):
        text = agent.get(f"/admin/payments/cardattempt/{page}").content.decode()
        assert "action" in text
        assert secret not in text


def kept_in(databases: dict[str, psycopg.Connection], text: str) -> set[str]:
    """The tables of all databases in which a text stands."""
    found = set()
    for owner in databases.values():
        tables = owner.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for (table,) in tables:
            query = f'SELECT count(*) FROM "{table}" AS each WHERE each::text LIKE %s'
            [(rows,)] = owner.execute(query, [f"%{text}%"]).fetchall()  # type: ignore[arg-type]
            found |= {table} if rows else set()
    return found
