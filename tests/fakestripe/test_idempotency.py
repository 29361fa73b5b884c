"""The same key is the same request, for a day: one effect, one answer."""

import threading
from typing import Any

import pytest
import stripe

from tests.fakestripe.conftest import client
from tests.fakestripe.payments import error_of, hold, paid, refused, until
from tools.fakestripe.client import Control, Server

DAY = 24 * 60 * 60


def headers(answer: stripe.StripeObject) -> dict[str, str]:
    assert answer.last_response is not None
    return {name.lower(): value for name, value in answer.last_response.headers.items()}


def test_the_same_key_has_one_effect_and_one_answer(
    api: stripe.StripeClient, control: Control
) -> None:
    first, again = hold(api, "order-1"), hold(api, "order-1")
    assert again.to_dict() == first.to_dict()
    assert "idempotent-replayed" not in headers(first)
    assert headers(again)["idempotent-replayed"] == "true"
    assert headers(again)["original-request"] == headers(first)["request-id"]
    assert headers(again)["request-id"] != headers(first)["request-id"]
    assert headers(again)["idempotency-key"] == "order-1"
    assert len(control.ledger()["payments"]) == 1
    assert [call["replayed"] for call in control.calls()] == [0, 1]


def test_the_first_answer_is_given_again_though_the_payment_went_on(
    api: stripe.StripeClient,
) -> None:
    intent = hold(api, "order-1")
    api.v1.payment_intents.capture(intent.id)
    assert hold(api, "order-1").status == "requires_capture"


@pytest.mark.parametrize(
    "operation",
    [
        lambda api, intent, options: api.v1.payment_intents.capture(intent, {}, options),
        lambda api, intent, options: api.v1.payment_intents.cancel(intent, {}, options),
        lambda api, intent, options: api.v1.payment_intents.update(
            intent, {"description": "Tea"}, options
        ),
    ],
    ids=["capture", "cancel", "update"],
)
def test_every_operation_on_a_payment_has_keys(api: stripe.StripeClient, operation: Any) -> None:
    intent = hold(api).id
    answers = [operation(api, intent, {"idempotency_key": "k"}) for _ in range(2)]
    assert answers[0].to_dict() == answers[1].to_dict()
    assert headers(answers[1])["idempotent-replayed"] == "true"


def test_a_refund_is_made_once(api: stripe.StripeClient) -> None:
    intent = paid(api).id
    made = {
        api.v1.refunds.create(
            {"payment_intent": intent, "amount": 100}, {"idempotency_key": "k"}
        ).id
        for _ in range(3)
    }
    assert len(made) == 1
    assert len(api.v1.refunds.list({"payment_intent": intent}).data) == 1


def test_a_decline_is_repeated_too(api: stripe.StripeClient, control: Control) -> None:
    declines = [
        error_of(lambda: hold(api, "k", payment_method="pm_card_visa_chargeDeclined"))
        for _ in range(2)
    ]
    assert declines[0] == declines[1]
    assert len(control.ledger()["payments"]) == 1


def test_other_parameters_under_the_same_key_are_refused(
    api: stripe.StripeClient, control: Control
) -> None:
    hold(api, "k")
    other = refused(lambda: hold(api, "k", amount=1300))
    assert isinstance(other, stripe.IdempotencyError)
    assert other.http_status == 400
    assert len(control.ledger()["payments"]) == 1


def test_another_path_under_the_same_key_is_refused(api: stripe.StripeClient) -> None:
    first, second = hold(api), hold(api)
    api.v1.payment_intents.capture(first.id, {}, {"idempotency_key": "k"})
    other = refused(lambda: api.v1.payment_intents.capture(second.id, {}, {"idempotency_key": "k"}))
    assert isinstance(other, stripe.IdempotencyError)
    assert api.v1.payment_intents.retrieve(second.id).status == "requires_capture"


def test_a_key_whose_parameters_were_wrong_is_still_free(api: stripe.StripeClient) -> None:
    assert error_of(lambda: hold(api, "k", amount="much"))["code"] == "parameter_invalid_integer"
    assert error_of(lambda: hold(api, "k", amount=1))["code"] == "amount_too_small"
    assert hold(api, "k").status == "requires_capture"


def test_a_refusal_by_the_state_is_kept_under_its_key(api: stripe.StripeClient) -> None:
    intent = hold(api, confirm=False).id
    first = error_of(lambda: api.v1.payment_intents.capture(intent, {}, {"idempotency_key": "k"}))
    api.v1.payment_intents.confirm(intent)
    again = error_of(lambda: api.v1.payment_intents.capture(intent, {}, {"idempotency_key": "k"}))
    assert again == first


def test_a_key_in_use_is_refused_and_disturbs_nothing(
    server: Server, api: stripe.StripeClient, control: Control
) -> None:
    control.fault("authorize", "slow", seconds=600)
    first: list[stripe.PaymentIntent] = []
    caller = threading.Thread(target=lambda: first.append(hold(client(server.address), "k")))
    caller.start()
    until(control.calls)
    meanwhile = refused(lambda: hold(api, "k"))
    assert meanwhile.http_status == 409
    assert meanwhile.error is not None  # the SDK gives a 409 no `code` of its own
    assert meanwhile.error.code == "idempotency_key_in_use"
    assert hold(api, "another").status == "requires_capture"

    control.release()
    caller.join()
    assert hold(api, "k").id == first[0].id
    assert len(control.ledger()["payments"]) == 2


def test_many_at_once_with_one_key_make_one_payment(server: Server, control: Control) -> None:
    start = threading.Barrier(8)
    outcomes: list[object] = []

    def ask() -> None:
        own = client(server.address)
        start.wait()
        try:
            outcomes.append(hold(own, "k").id)
        except stripe.StripeError as error:
            outcomes.append(error.http_status)

    callers = [threading.Thread(target=ask) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    (payment,) = control.ledger()["payments"]
    assert set(outcomes) - {409} == {payment["id"]}
    assert len(outcomes) == 8


def test_after_a_day_a_key_is_a_new_one(api: stripe.StripeClient, control: Control) -> None:
    first = hold(api, "k")
    control.advance(DAY - 60)
    assert hold(api, "k").id == first.id
    control.advance(120)
    assert hold(api, "k").id != first.id


def test_keys_belong_to_the_account_that_used_them(
    server: Server, api: stripe.StripeClient
) -> None:
    other = client(server.address, key="sk_test_of_another_account")
    assert hold(api, "k").id != hold(other, "k").id


def test_a_key_that_is_too_long_is_refused(api: stripe.StripeClient) -> None:
    assert hold(api, "k" * 255).status == "requires_capture"
    assert "255" in error_of(lambda: hold(api, "k" * 256))["message"]
