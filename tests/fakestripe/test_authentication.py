"""3-D Secure: the bank asks its customer on a page of the server's."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import stripe

from tests.fakestripe.payments import error_of, hold, refused
from tools.fakestripe.client import Control

BACK = "http://127.0.0.1:9/back?order=7"
ASKING = ["pm_card_threeDSecure2Required", "pm_card_authenticationRequired"]


def ask(api: stripe.StripeClient, **other: object) -> tuple[stripe.PaymentIntent, str]:
    """A payment whose customer is asked, and the page where."""
    intent = hold(api, payment_method=ASKING[0], return_url=BACK, **other)
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    assert intent.next_action.redirect_to_url.return_url == BACK
    return intent, str(intent.next_action.redirect_to_url.url)


def answer(page: str, word: str) -> requests.Response:
    return requests.post(page, data={"answer": word}, allow_redirects=False, timeout=60)


@pytest.mark.parametrize("method", ASKING)
def test_nothing_is_held_before_the_customer_has_answered(
    api: stripe.StripeClient, control: Control, method: str
) -> None:
    intent = hold(api, payment_method=method, return_url=BACK)
    assert (intent.status, intent.latest_charge) == ("requires_action", None)
    assert control.ledger()["payments"][0]["held"] == 0


def test_a_customer_approves_on_the_page_and_goes_back_to_the_shop(
    api: stripe.StripeClient,
) -> None:
    intent, page = ask(api)
    shown = requests.get(page, timeout=60)
    assert "Approve" in shown.text
    assert "1200 EUR" in shown.text

    back = answer(page, "approve")
    assert back.status_code == 303
    query = parse_qs(urlsplit(back.headers["Location"]).query)
    assert query["order"] == ["7"]
    assert query["payment_intent"] == [intent.id]
    assert query["redirect_status"] == ["succeeded"]
    approved = api.v1.payment_intents.retrieve(intent.id)
    assert (approved.status, approved.next_action) == ("requires_capture", None)


def test_a_customer_fails_and_another_card_pays(api: stripe.StripeClient, control: Control) -> None:
    intent, page = ask(api)
    back = answer(page, "fail")
    assert "redirect_status=failed" in back.headers["Location"]
    failed = api.v1.payment_intents.retrieve(intent.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error is not None
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    assert control.ledger()["payments"][0]["held"] == 0
    paying = api.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert paying.status == "requires_capture"


def test_a_question_is_answered_once(api: stripe.StripeClient) -> None:
    intent, page = ask(api)
    answer(page, "approve")
    assert answer(page, "fail").status_code == 404
    assert requests.get(page, timeout=60).status_code == 404
    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_capture"


def test_the_page_of_a_canceled_payment_asks_nobody(api: stripe.StripeClient) -> None:
    intent, page = ask(api)
    api.v1.payment_intents.cancel(intent.id)
    assert answer(page, "approve").status_code == 404
    assert api.v1.payment_intents.retrieve(intent.id).status == "canceled"


def test_without_a_way_back_it_is_for_the_script_in_the_browser(api: stripe.StripeClient) -> None:
    intent = hold(api, payment_method=ASKING[0])
    action = intent.next_action
    assert action is not None
    assert action.type == "use_stripe_sdk"
    page = action.to_dict()["use_stripe_sdk"]["stripe_js"]
    told = answer(page, "approve")
    assert (told.status_code, "is now" in told.text) == (200, True)
    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_capture"


@pytest.mark.parametrize(
    ("approved", "status"), [(True, "requires_capture"), (False, "requires_payment_method")]
)
def test_a_test_answers_for_the_customer(
    api: stripe.StripeClient, control: Control, approved: bool, status: str
) -> None:
    intent, _ = ask(api)
    assert control.authenticate(intent.id, approved=approved) == status
    assert api.v1.payment_intents.retrieve(intent.id).status == status


def test_a_bank_may_decline_after_the_customer_approved(api: stripe.StripeClient) -> None:
    intent = hold(
        api,
        payment_method="pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        return_url=BACK,
    )
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    back = answer(str(intent.next_action.redirect_to_url.url), "approve")
    assert "redirect_status=failed" in back.headers["Location"]
    declined = api.v1.payment_intents.retrieve(intent.id)
    assert declined.status == "requires_payment_method"
    assert declined.last_payment_error is not None
    assert declined.last_payment_error.decline_code == "insufficient_funds"


@pytest.mark.parametrize("how", ["off_session", "error_on_requires_action"])
def test_a_customer_who_cannot_be_asked_is_declined(api: stripe.StripeClient, how: str) -> None:
    declined = refused(lambda: hold(api, payment_method=ASKING[1], **{how: True}))
    assert isinstance(declined, stripe.CardError)
    assert declined.code == "authentication_required"


def test_a_form_of_another_site_answers_nothing(api: stripe.StripeClient) -> None:
    intent, page = ask(api)
    foreign = requests.post(
        page, data={"answer": "approve"}, headers={"Origin": "https://evil.example"}, timeout=60
    )
    assert foreign.status_code == 403
    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_action"


def test_only_who_confirms_can_say_how(api: stripe.StripeClient) -> None:
    error = error_of(lambda: hold(api, confirm=False, return_url=BACK))
    assert error["param"] == "return_url"
