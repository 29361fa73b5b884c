"""Events: signed, in order and at once by themselves; otherwise where that is switched on."""

import threading
from pathlib import Path

import pytest
import stripe

from tests.fakestripe.conftest import client
from tests.fakestripe.payments import error_of, hold, paid, until
from tests.fakestripe.shop import Shop
from tools.fakestripe.client import Control, Server
from tools.fakestripe.webhooks import pause_after

HELD = [
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.amount_capturable_updated",
]
WEEK = 7 * 24 * 60 * 60


def test_each_event_comes_once_signed_and_in_order(api: stripe.StripeClient, shop: Shop) -> None:
    intent = hold(api, "k")
    api.v1.payment_intents.capture(intent.id)
    events = shop.wait_for(5)
    assert [event.type for event in events] == [
        *HELD,
        "charge.captured",
        "payment_intent.succeeded",
    ]
    assert len({event.id for event in events}) == 5
    assert events[0].api_version == stripe.api_version
    assert events[0].data.object["id"] == intent.id
    assert events[-1].data.object["amount_received"] == 1200
    request = events[0].request
    assert request is not None
    assert request.idempotency_key == "k"
    assert intent.last_response is not None
    assert request.id == intent.last_response.request_id


FLOWS = {
    "decline": (
        lambda api, control: error_of(
            lambda: hold(api, payment_method="pm_card_visa_chargeDeclined")
        ),
        ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"],
    ),
    "3-D Secure, failed": (
        lambda api, control: control.authenticate(
            hold(api, payment_method="pm_card_authenticationRequired").id, approved=False
        ),
        [
            "payment_intent.created",
            "payment_intent.requires_action",
            "payment_intent.payment_failed",
        ],
    ),
    "paid at once": (
        lambda api, control: hold(api, capture_method="automatic"),
        ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"],
    ),
    "canceled": (
        lambda api, control: api.v1.payment_intents.cancel(hold(api).id),
        [*HELD, "payment_intent.canceled"],
    ),
    "expired": (
        lambda api, control: (hold(api), control.advance(WEEK)),
        [*HELD, "charge.expired", "payment_intent.canceled"],
    ),
    "refunded": (
        lambda api, control: api.v1.refunds.create(
            {"payment_intent": hold(api, capture_method="automatic").id}
        ),
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "refund.created",
            "charge.refunded",
        ],
    ),
    "a refund that pended": (
        lambda api, control: (
            api.v1.refunds.create(
                {"payment_intent": paid(api, payment_method="pm_card_pendingRefund").id}
            ),
            control.advance(60),
        ),
        [
            *HELD,
            "charge.captured",
            "payment_intent.succeeded",
            "refund.created",
            "charge.refunded",
            "refund.updated",
            "charge.refund.updated",
        ],
    ),
    "a refund that failed": (
        lambda api, control: (
            api.v1.refunds.create(
                {"payment_intent": paid(api, payment_method="pm_card_refundFail").id}
            ),
            control.advance(60),
        ),
        [
            *HELD,
            "charge.captured",
            "payment_intent.succeeded",
            "refund.created",
            "charge.refunded",
            "refund.failed",
            "refund.updated",
            "charge.refund.updated",
        ],
    ),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_what_happens_is_told(
    api: stripe.StripeClient, control: Control, shop: Shop, flow: str
) -> None:
    happen, types = FLOWS[flow]
    happen(api, control)
    shop.wait_for(len(types))
    assert shop.types() == types
    assert [event.type for event in api.v1.events.list().data[::-1]] == types


def test_what_nobody_asked_for_was_caused_by_no_request(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    hold(api, "k")
    control.advance(WEEK)
    expired = shop.wait_for(5)[-1]
    assert expired.request is not None
    assert (expired.request.id, expired.request.idempotency_key) == (None, None)


def test_a_repeated_request_makes_no_events(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    hold(api, "k")
    hold(api, "k")
    shop.wait_for(3)
    assert [delivery["status"] for delivery in control.deliveries()] == ["sent"] * 3


def test_what_is_not_taken_comes_again_later_and_others_pass_it(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    shop.says.append(500)
    hold(api)
    shop.wait_for(2)
    control.advance(60)
    shop.wait_for(3)
    assert sorted(shop.types()) == sorted(HELD)
    until(lambda: {each["status"] for each in control.deliveries()} == {"sent"})
    assert [each["attempts"] for each in control.deliveries()] == [2, 1, 1]


def test_pauses_between_attempts_grow_up_to_an_hour() -> None:
    assert [pause_after(attempts) for attempts in (1, 2, 3, 4, 12, 13, 99)] == [
        *(1, 2, 4, 8),
        *(2048, 3600, 3600),
    ]


def test_after_three_days_nobody_tries_any_more(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    shop.says.extend([503] * 1000)
    hold(api)
    shop.wait_until_refused(3)
    control.advance(3 * 24 * 60 * 60)
    until(lambda: {each["status"] for each in control.deliveries()} == {"given_up"})
    shop.says.clear()
    control.advance(3 * 24 * 60 * 60)
    assert shop.taken == []


def test_an_endpoint_that_is_away_gets_its_events_when_it_is_back(
    api: stripe.StripeClient, control: Control
) -> None:
    with Shop() as away:
        port = away.port
    control.set(webhook_url=away.url, webhook_secret=Shop.secret)
    hold(api)
    until(lambda: all(delivery["attempts"] for delivery in control.deliveries()))
    with Shop(port) as back:
        control.advance(60)
        back.wait_for(3)


# --- faults


def test_twice_is_the_same_event_twice(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    control.webhook_fault("charge.succeeded", "twice")
    hold(api)
    events = shop.wait_for(4)
    assert [event.type for event in events] == [HELD[0], HELD[1], HELD[1], HELD[2]]
    assert events[1].id == events[2].id


def test_out_of_order_is_after_the_next_one(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    control.webhook_fault("payment_intent.created", "out_of_order", seconds=600)
    hold(api)
    shop.wait_for(3)
    assert shop.types()[0] == HELD[1]
    assert sorted(shop.types()) == sorted(HELD)


def test_out_of_order_with_nothing_after_it_comes_in_the_end(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    control.webhook_fault(HELD[2], "out_of_order", seconds=600)
    hold(api)
    shop.wait_for(2)
    assert shop.types() == HELD[:2]
    control.advance(600)
    shop.wait_for(3)


def test_late_is_late_by_the_clock(api: stripe.StripeClient, control: Control, shop: Shop) -> None:
    control.webhook_fault("payment_intent.created", "late", seconds=600)
    hold(api)
    shop.wait_for(2)
    assert shop.types() == HELD[1:]
    control.advance(600)
    shop.wait_for(3)
    assert shop.types() == [*HELD[1:], HELD[0]]


def test_never_is_never_and_the_event_can_still_be_fetched(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    control.webhook_fault("any", "never", times=2)
    hold(api)
    shop.wait_for(1)
    assert shop.types() == HELD[2:]
    statuses = [delivery["status"] for delivery in control.deliveries()]
    assert statuses[:2] == ["withheld"] * 2
    assert [event.type for event in api.v1.events.list().data[::-1]] == HELD


def test_a_webhook_before_the_answer(
    server: Server, api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    control.webhook_fault(HELD[2], "before_answer")
    came_first: list[bool] = []
    answered = threading.Event()
    take = shop.take

    def note(body: bytes, signature: str) -> int:
        if shop.read(body, signature).type == HELD[2]:
            came_first.append(not answered.is_set())
        return take(body, signature)

    shop.take = note  # type: ignore[method-assign]
    hold(api)
    answered.set()
    assert came_first == [True]
    shop.wait_for(3)


def test_what_no_answer_can_wait_for_comes_all_the_same(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    intent = hold(api, payment_method="pm_card_authenticationRequired")
    control.webhook_fault("any", "before_answer", times=2)
    control.authenticate(intent.id, approved=True)
    assert shop.wait_for(4)[-1].type == HELD[2]


def test_a_shop_that_never_got_its_answer_still_hears_of_the_payment(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    control.fault("authorize", "answer_lost")
    with pytest.raises(stripe.APIConnectionError):
        hold(api, "k")
    assert [event.type for event in shop.wait_for(3)] == HELD


def test_a_share_of_webhooks_comes_twice(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    control.webhook_chance("any", "twice", 100)
    hold(api)
    assert len(shop.wait_for(6)) == 6


# --- over restarts


def test_pending_webhooks_outlive_a_crash(data: Path) -> None:
    with Shop() as shop:
        shop.says.extend([500] * 1000)
        told = ["--webhook", shop.url, "--webhook-secret", shop.secret]
        with Server.start(data, *told) as before:
            intent = hold(client(before.address))
            shop.wait_until_refused(3)
            before.kill()
        shop.says.clear()
        with Server.start(data) as after:
            after.control.advance(60)
            events = shop.wait_for(3)
            assert {event.data.object["object"] for event in events} == {
                "payment_intent",
                "charge",
            }
            assert sorted(shop.types()) == sorted(HELD)
            assert client(after.address).v1.payment_intents.retrieve(intent.id).status == (
                "requires_capture"
            )
