"""Who may ask, and with which parameters."""

from typing import Any

import pytest
import requests
import stripe

from tests.fakestripe.conftest import KEY, client
from tests.fakestripe.payments import error_of, hold, params, refused
from tools.fakestripe.client import Control, Server


def get(server: Server, **headers: str) -> requests.Response:
    return requests.get(f"{server.address}/v1/payment_intents", headers=headers, timeout=60)


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer pk_test_1", "Bearer sk_test_", "Basic !", "Digest sk_test_1"],
)
def test_without_a_test_key_nobody_is_answered(server: Server, authorization: str) -> None:
    answer = get(server, Authorization=authorization)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["Request-Id"].startswith("req_")


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1"])
def test_a_live_key_is_refused_and_not_repeated(server: Server, key: str) -> None:
    answer = get(server, Authorization=f"Bearer {key}")
    assert answer.status_code == 401
    assert "refuses live keys" in answer.json()["error"]["message"]
    assert key not in answer.text


def test_a_key_comes_as_a_bearers_or_as_the_name_of_a_login(server: Server) -> None:
    assert get(server, Authorization=f"Bearer {KEY}").status_code == 200
    url = f"{server.address}/v1/payment_intents"
    assert requests.get(url, auth=(KEY, ""), timeout=60).status_code == 200


def test_another_version_of_the_api_is_refused(server: Server) -> None:
    answer = get(server, Authorization=f"Bearer {KEY}", **{"Stripe-Version": "2020-08-27"})
    assert answer.status_code == 400
    assert "2026-10-28.endive" in answer.json()["error"]["message"]


def test_the_version_is_that_of_the_sdk(api: stripe.StripeClient) -> None:
    intent = hold(api)
    assert intent.last_response is not None
    assert intent.last_response.headers["Stripe-Version"] == stripe.api_version


@pytest.mark.parametrize(
    ("other", "code", "param"),
    [
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"metadata": {"a": {"b": "c"}}}, None, "metadata[a]"),
        (
            {"automatic_payment_methods": {"enabled": True, "now": True}},
            "parameter_unknown",
            "automatic_payment_methods[now]",
        ),
        (
            {"automatic_payment_methods": {"allow_redirects": "never"}},
            "parameter_missing",
            "automatic_payment_methods[enabled]",
        ),
        ({"amount": "much"}, "parameter_invalid_integer", "amount"),
        ({"amount": 12.5}, "parameter_invalid_integer", "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": -5}, "parameter_invalid_integer", "amount"),
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": {"value": 5}}, None, "amount"),
        ({"currency": "euros"}, None, "currency"),
        ({"currency": ""}, "parameter_invalid_empty", "currency"),
        ({"confirm": "maybe"}, None, "confirm"),
        ({"capture_method": "later"}, None, "capture_method"),
        ({"allowed_payment_method_types": "card"}, None, "allowed_payment_method_types"),
        ({"allowed_payment_method_types": ["paypal"]}, "fakestripe_unsupported", None),
        (
            {"payment_method_types": ["card"]},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
        ({"customer": "cus_1"}, "fakestripe_unsupported", "customer"),
        ({"setup_future_usage": "off_session"}, "fakestripe_unsupported", "setup_future_usage"),
        ({"return_url": "javascript:alert(1)"}, "url_invalid", "return_url"),
        ({"expand": ["colour"]}, None, "expand"),
        ({"expand": ["data.latest_charge"]}, None, "expand"),
        ({"metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
    ],
)
def test_a_parameter_that_stripe_would_not_take_is_refused(
    api: stripe.StripeClient,
    control: Control,
    other: dict[str, Any],
    code: str | None,
    param: str | None,
) -> None:
    error = refused(lambda: hold(api, **other))
    assert isinstance(error, stripe.InvalidRequestError)
    assert (error.http_status, error.code) == (400, code)
    if param is not None:
        assert error.param == param
    assert control.ledger()["payments"] == []


@pytest.mark.parametrize("name", ["amount", "currency"])
def test_what_is_missing_is_named(api: stripe.StripeClient, name: str) -> None:
    given = params()
    del given[name]
    error = error_of(lambda: api.v1.payment_intents.create(given))  # type: ignore[arg-type]
    assert (error["code"], error["param"]) == ("parameter_missing", name)
    assert error["message"] == f"Missing required param: {name}."
    assert error["doc_url"] == "https://stripe.com/docs/error-codes/parameter-missing"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda v1: v1.payment_intents.capture("pi_1", {"amount": 5}), "parameter_unknown"),
        (lambda v1: v1.payment_intents.cancel("pi_1", {"cancellation_reason": "no"}), None),
        (lambda v1: v1.payment_intents.confirm("pi_1", {"mandate": "m"}), "fakestripe_unsupported"),
        (lambda v1: v1.payment_intents.retrieve("pi_1", {"a": 1}), "parameter_unknown"),
        (lambda v1: v1.payment_intents.search({}), "parameter_missing"),
        (lambda v1: v1.payment_intents.list({"limit": 0}), "parameter_invalid_integer"),
        (lambda v1: v1.payment_intents.list({"limit": 101}), "parameter_invalid_integer"),
        (lambda v1: v1.payment_intents.list({"customer": "c"}), "fakestripe_unsupported"),
        (lambda v1: v1.refunds.create({}), None),
        (lambda v1: v1.refunds.create({"charge": "a", "payment_intent": "b"}), None),
        (lambda v1: v1.refunds.create({"payment_intent": "pi_1"}), "resource_missing"),
        (lambda v1: v1.refunds.create({"payment_intent": "pi_1", "reason": "no"}), None),
        (lambda v1: v1.events.list({"created": {"gte": "soon"}}), "parameter_invalid_integer"),
    ],
)
def test_every_operation_reads_its_parameters(
    api: stripe.StripeClient, call: Any, code: str | None
) -> None:
    error = refused(lambda: call(api.v1))
    assert isinstance(error, stripe.InvalidRequestError)
    assert error.code == code


def test_what_is_not_built_is_not_there(server: Server, api: stripe.StripeClient) -> None:
    error = refused(lambda: api.v1.customers.create({}))
    assert error.http_status == 404
    assert "Unrecognized request URL" in str(error.user_message)


def test_json_is_no_form(server: Server) -> None:
    answer = requests.post(
        f"{server.address}/v1/payment_intents",
        json={"amount": 1200},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
    )
    assert answer.status_code == 400
    assert "x-www-form-urlencoded" in answer.json()["error"]["message"]


def test_objects_are_put_in_place_of_their_ids(api: stripe.StripeClient) -> None:
    intent = hold(api, expand=["latest_charge.refunds", "payment_method"])
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert charge.payment_intent == intent.id
    assert charge.refunds is not None
    assert charge.refunds.data == []
    assert isinstance(intent.payment_method, stripe.PaymentMethod)
    assert intent.payment_method.card is not None
    assert intent.payment_method.card.last4 == "4242"

    api.v1.payment_intents.capture(intent.id)
    refund = api.v1.refunds.create(
        {"payment_intent": intent.id, "expand": ["payment_intent.latest_charge"]}
    )
    assert isinstance(refund.payment_intent, stripe.PaymentIntent)
    assert isinstance(refund.payment_intent.latest_charge, stripe.Charge)
    assert refund.payment_intent.latest_charge.amount_refunded == 1200
    (listed,) = api.v1.payment_intents.list({"expand": ["data.latest_charge"]}).data
    assert isinstance(listed.latest_charge, stripe.Charge)


def test_keys_of_one_server_see_the_same_payments(server: Server, api: stripe.StripeClient) -> None:
    intent = hold(api)
    other = client(server.address, key="rk_test_of_another")
    assert other.v1.payment_intents.retrieve(intent.id).id == intent.id
