"""What banks refuse, and that nothing that could be a card's number comes in."""

from pathlib import Path

import pytest
import requests
import stripe

from tests.fakestripe.conftest import KEY
from tests.fakestripe.payments import error_of, hold, refused
from tools.fakestripe.client import Control, Server

NUMBER = "4242424242424242"
DECLINES = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    (
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
        "card_declined",
        "card_velocity_exceeded",
    ),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
]


@pytest.mark.parametrize(("method", "code", "decline_code"), DECLINES)
def test_a_bank_declines(
    api: stripe.StripeClient, control: Control, method: str, code: str, decline_code: str
) -> None:
    declined = refused(lambda: hold(api, payment_method=method))
    assert isinstance(declined, stripe.CardError)
    assert (declined.http_status, declined.code) == (402, code)
    body = declined.json_body
    assert isinstance(body, dict)
    error = body["error"]
    assert (error["type"], error["decline_code"]) == ("card_error", decline_code)
    assert error["message"]
    assert error["payment_method"]["card"]["last4"]
    assert error["request_log_url"].endswith(f"#{declined.request_id}")

    intent = error["payment_intent"]
    assert (intent["status"], intent["payment_method"]) == ("requires_payment_method", None)
    assert intent["last_payment_error"]["decline_code"] == decline_code
    charge = api.v1.charges.retrieve(error["charge"])
    assert (charge.status, charge.failure_code, charge.payment_intent) == (
        "failed",
        code,
        intent["id"],
    )
    (payment,) = control.ledger()["payments"]
    assert (payment["held"], payment["captured"]) == (0, 0)


def test_after_a_decline_another_card_may_pay(api: stripe.StripeClient) -> None:
    declined = error_of(lambda: hold(api, payment_method="pm_card_visa_chargeDeclined"))
    intent = declined["payment_intent"]["id"]
    paying = api.v1.payment_intents.confirm(intent, {"payment_method": "pm_card_mastercard"})
    assert (paying.status, paying.last_payment_error) == ("requires_capture", None)
    assert paying.latest_charge != declined["charge"]


def test_a_payment_method_that_nobody_knows_is_refused(
    api: stripe.StripeClient, control: Control
) -> None:
    error = error_of(lambda: hold(api, payment_method="pm_card_of_nobody"))
    assert (error["code"], error["param"]) == ("resource_missing", "payment_method")
    assert control.ledger()["payments"] == []


def post(server: Server, path: str, form: dict[str, str], **headers: str) -> requests.Response:
    return requests.post(
        server.address + path,
        data=form,
        headers={"Authorization": f"Bearer {KEY}", **headers},
        timeout=60,
    )


@pytest.mark.parametrize(
    ("path", "form", "headers"),
    [
        (
            "/v1/payment_intents",
            {"amount": "1200", "currency": "eur", "payment_method_data[card][number]": NUMBER},
            {},
        ),
        ("/v1/payment_methods", {"type": "card", "card[number]": "1", "card[cvc]": "314"}, {}),
        ("/v1/payment_intents", {"amount": "1200", "currency": "eur", "description": NUMBER}, {}),
        (
            "/v1/payment_intents",
            {"amount": "1200", "currency": "eur", "metadata[note]": "4242-4242-4242-4242"},
            {},
        ),
        ("/v1/payment_intents", {f"metadata[{NUMBER}]": "x"}, {}),
        (f"/v1/payment_intents/{NUMBER}/confirm", {}, {}),
        ("/v1/payment_intents", {"amount": "1200", "currency": "eur"}, {"Idempotency-Key": NUMBER}),
    ],
)
def test_card_data_is_refused_and_kept_nowhere(
    server: Server, path: str, form: dict[str, str], headers: dict[str, str]
) -> None:
    answer = post(server, path, form, **headers)
    assert answer.status_code == 402
    assert "generally unsafe" in answer.json()["error"]["message"]
    assert NUMBER not in answer.text
    assert server.control.ledger()["payments"] == []
    assert server.control.calls() == []


def test_no_file_of_the_server_has_card_data(data: Path) -> None:
    with Server.start(data) as server:
        post(server, "/v1/payment_intents", {"description": NUMBER, "card[cvc]": "314"})
        files = list(data.parent.glob("stripe.sqlite3*"))
        assert len(files) > 1  # the write-ahead log too
        assert all(NUMBER.encode() not in file.read_bytes() for file in files)


def test_an_order_number_is_no_card_number(api: stripe.StripeClient) -> None:
    assert hold(api, metadata={"order_id": "4242424242424241"}).status == "requires_capture"
