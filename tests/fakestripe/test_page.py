"""The pages that a developer looks at."""

import pytest
import requests
import stripe

from tests.fakestripe.conftest import PATIENCE
from tests.fakestripe.payments import error_of, hold, paid
from tools.fakestripe.client import Control, Server


def page(server: Server) -> requests.Response:
    return requests.get(f"{server.address}/", timeout=PATIENCE)


def switch(server: Server, **form: str) -> requests.Response:
    return requests.post(
        f"{server.address}/faults", data=form, allow_redirects=False, timeout=PATIENCE
    )


def test_payments_refunds_events_calls_and_faults_are_shown(
    server: Server, api: stripe.StripeClient, control: Control
) -> None:
    intent = paid(api)
    refund = api.v1.refunds.create({"payment_intent": intent.id})
    control.fault("capture", "answer_lost", times=3)
    shown = page(server).text
    for piece in (
        intent.id,
        refund.id,
        "charge.refunded",
        "answer_lost",
        "/v1/refunds",
        "1200 EUR",
    ):
        assert piece in shown


def test_a_new_server_shows_that_nothing_has_happened(server: Server) -> None:
    assert page(server).status_code == 200


def test_double_charges_stand_out(server: Server, api: stripe.StripeClient) -> None:
    hold(api, metadata={"order_id": "o-7"})
    assert "Charged more than once" not in page(server).text
    hold(api, metadata={"order_id": "o-7"})
    assert "Charged more than once: o-7" in page(server).text


def test_what_came_in_is_escaped(server: Server, api: stripe.StripeClient) -> None:
    hold(api, metadata={"order_id": "<script>alert(1)</script>"})
    shown = page(server).text
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_nothing_is_loaded_from_elsewhere(server: Server) -> None:
    policy = page(server).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    style = requests.get(f"{server.address}/style.css", timeout=PATIENCE)
    assert style.headers["Content-Type"].startswith("text/css")
    assert "url(" not in style.text


def test_an_errors_log_is_on_the_page(server: Server, api: stripe.StripeClient) -> None:
    error = error_of(lambda: hold(api, payment_method="pm_card_visa_chargeDeclined"))
    address, _, request = error["request_log_url"].partition("#")
    assert address == f"{server.address}/"
    assert f'id="{request}"' in page(server).text


def test_faults_are_switched_on_the_page(server: Server, control: Control) -> None:
    on = switch(server, operation="capture", kind="slow", times="", percent="5", seconds="0.5")
    assert on.status_code == 303
    (rule,) = control.faults()
    assert (rule["side"], rule["target"], rule["kind"]) == ("api", "capture", "slow")
    assert (rule["percent"], rule["seconds"]) == (5, 0.5)
    switch(server, event="any", kind="twice", times="2")
    assert control.faults()[1]["times"] == 2
    switch(server, clear="yes")
    assert control.faults() == []


@pytest.mark.parametrize(
    "wrong", [{"kind": "slow"}, {"operation": "any", "kind": "slow", "times": "x"}]
)
def test_a_switch_that_makes_no_sense_is_told_on_the_page(
    server: Server, control: Control, wrong: dict[str, str]
) -> None:
    told = switch(server, **wrong)
    assert told.status_code == 400
    assert 'role="alert"' in told.text
    assert control.faults() == []


def test_another_sites_page_switches_nothing(server: Server, control: Control) -> None:
    for path, form in (("/faults", {"operation": "any", "kind": "slow"}), ("/_control/reset", {})):
        foreign = requests.post(
            server.address + path,
            data=form,
            headers={"Origin": "https://evil.example"},
            timeout=PATIENCE,
        )
        assert foreign.status_code == 403
    assert control.faults() == []
