"""Trouble at the stand-in for Stripe, as the demonstration makes it."""

from collections import Counter

import pytest
import stripe

from sagaplatform.shop.trouble import OF_CALLS, OF_WEBHOOKS, Gateway
from tools.fakestripe.client import Server
from tools.fakestripe.faults import ApiFault, WebhookFault


@pytest.fixture
def server(tmp_path):
    with Server.start(tmp_path / "gateway.sqlite3") as server:
        yield server


def hold(server, key="one"):
    api = stripe.StripeClient(
        "sk_test_local", base_addresses={"api": server.address}, max_network_retries=0
    )
    asked = {
        "amount": 1200,
        "currency": "usd",
        "capture_method": "manual",
        "confirm": True,
        "allowed_payment_method_types": ["card"],
        "payment_method": "pm_card_visa",
        "metadata": {"order_id": "42"},
    }
    return api.v1.payment_intents.create(asked, {"idempotency_key": key})


def test_each_kind_of_fault_is_switched_on_and_off_again(server):
    gateway = Gateway(server.address)
    with gateway.trouble(5):
        on = server.control.faults()
        assert {each["kind"] for each in on} == set(OF_CALLS) | set(OF_WEBHOOKS)
        assert {each["percent"] for each in on} == {5}
    assert server.control.faults() == []


def test_no_kind_of_fault_is_forgotten():
    assert set(OF_CALLS) == set(ApiFault) - {ApiFault.NONE}
    assert set(OF_WEBHOOKS) == set(WebhookFault) - {WebhookFault.NONE}


def test_calls_and_faults_of_this_run_are_counted(server):
    hold(server, "of an earlier run")
    gateway = Gateway(server.address)
    server.control.fault("authorize", "answer_lost")
    with pytest.raises(stripe.APIConnectionError):
        hold(server, "two")
    hold(server, "two")
    account = gateway.account()
    assert account.calls == Counter(authorize=2)
    assert account.faults == Counter(answer_lost=1)


def test_an_order_that_is_charged_twice_is_counted(server):
    gateway = Gateway(server.address)
    assert gateway.account().double_charges == 0
    hold(server, "one")
    hold(server, "two")
    assert gateway.account().double_charges == 1


def test_a_webhook_that_comes_twice_is_one_fault(server):
    server.control.set(webhook_url="http://127.0.0.1:9/", webhook_secret="whsec_x")
    gateway = Gateway(server.address)
    server.control.webhook_fault("payment_intent.created", "twice")
    hold(server)
    assert gateway.account().faults == Counter({"webhook twice": 1})
