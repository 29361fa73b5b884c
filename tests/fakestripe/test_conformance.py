"""Both sides against Stripe's specification: what a shop asks here, and what it is answered.

The requests are sent to stripe-mock, which refuses what Stripe would not take. The answers are
compared with the schemas in the specification, and with the SDK's own classes, whose version of the
API is exactly ours.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe
from jsonschema import Draft7Validator

from tests.fakestripe import mock
from tests.fakestripe.conftest import client
from tests.fakestripe.payments import error_of, hold, paid, params
from tools.fakestripe.client import Control

Call = Callable[[stripe.StripeClient, str, str], Any]
OPTIONS: Any = {"idempotency_key": "order-1-authorize"}
# A payment and a refund that are there; the answers of stripe-mock are about others.
CALLS: dict[str, Call] = {
    "create and confirm": lambda api, payment, refund: api.v1.payment_intents.create(
        params(description="Tea", return_url="https://shop.example/back"),  # type: ignore[arg-type]
        OPTIONS,
    ),
    "create": lambda api, payment, refund: api.v1.payment_intents.create(
        {
            "amount": 1200,
            "currency": "eur",
            "capture_method": "manual",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    ),
    "confirm": lambda api, payment, refund: api.v1.payment_intents.confirm(
        hold(api, confirm=False).id, {"payment_method": "pm_card_visa", "expand": ["latest_charge"]}
    ),
    "capture": lambda api, payment, refund: api.v1.payment_intents.capture(
        hold(api).id, {"amount_to_capture": 700, "metadata": {"step": "capture"}}
    ),
    "cancel": lambda api, payment, refund: api.v1.payment_intents.cancel(
        hold(api).id, {"cancellation_reason": "requested_by_customer"}
    ),
    "update": lambda api, payment, refund: api.v1.payment_intents.update(
        payment, {"metadata": {"step": "one"}, "description": "Tea"}
    ),
    "retrieve": lambda api, payment, refund: api.v1.payment_intents.retrieve(
        payment, {"expand": ["latest_charge", "payment_method"]}
    ),
    "list": lambda api, payment, refund: api.v1.payment_intents.list(
        {"limit": 3, "created": {"gte": 1700000000}}
    ),
    "search": lambda api, payment, refund: api.v1.payment_intents.search(
        {"query": "metadata['order_id']:'7' AND status:'succeeded'", "limit": 10}
    ),
    "refund": lambda api, payment, refund: api.v1.refunds.create(
        {
            "payment_intent": payment,
            "amount": 100,
            "reason": "requested_by_customer",
            "metadata": {"order_id": "7"},
        }
    ),
    "retrieve a refund": lambda api, payment, refund: api.v1.refunds.retrieve(
        refund, {"expand": ["charge", "payment_intent"]}
    ),
    "list refunds": lambda api, payment, refund: api.v1.refunds.list({"payment_intent": payment}),
    "list charges": lambda api, payment, refund: api.v1.charges.list({"payment_intent": payment}),
    "list events": lambda api, payment, refund: api.v1.events.list(
        {"types": ["charge.refunded"], "limit": 5}
    ),
}


@pytest.fixture(scope="module")
def validator() -> Iterator[stripe.StripeClient]:
    """stripe-mock, as an API."""
    with mock.running() as address:
        yield client(address)


@pytest.mark.parametrize("name", CALLS)
def test_stripe_would_take_what_is_asked_here(
    api: stripe.StripeClient, validator: stripe.StripeClient, name: str
) -> None:
    payment = paid(api)
    refund = api.v1.refunds.create({"payment_intent": payment.id, "amount": 1})
    ours = CALLS[name](api, payment.id, refund.id)
    theirs = CALLS[name](validator, "pi_1", "re_1")
    assert ours.object == theirs.object


def test_both_refuse_what_stripe_would_not_take(
    api: stripe.StripeClient, validator: stripe.StripeClient
) -> None:
    for wrong in ({"colour": "red"}, {"amount": "much"}, {"confirm": "maybe"}):
        for gateway in (api, validator):
            with pytest.raises(stripe.InvalidRequestError):
                hold(gateway, **wrong)


# --- what is answered


def objects(api: stripe.StripeClient, control: Control) -> Iterator[dict[str, Any]]:
    """Each kind of object in each of its states."""
    declined = error_of(lambda: hold(api, payment_method="pm_card_visa_chargeDeclined"))
    yield declined["payment_intent"]
    yield hold(api, confirm=False).to_dict()
    yield hold(api, payment_method="pm_card_authenticationRequired").to_dict()
    yield hold(
        api, payment_method="pm_card_authenticationRequired", return_url="https://shop.example"
    ).to_dict()
    yield hold(api, expand=["latest_charge.refunds", "payment_method"]).to_dict()
    yield api.v1.payment_intents.cancel(hold(api).id).to_dict()
    payment = paid(api)
    yield payment.to_dict()
    refund = api.v1.refunds.create({"payment_intent": payment.id, "amount": 100})
    yield refund.to_dict()
    for method in ("pm_card_pendingRefund", "pm_card_refundFail"):
        other = api.v1.refunds.create({"payment_intent": paid(api, payment_method=method).id})
        yield other.to_dict()
        control.advance(60)
        yield api.v1.refunds.retrieve(other.id).to_dict()
    yield api.v1.disputes.retrieve(control.dispute(paid(api).id)).to_dict()
    control.set(processing_seconds=60)
    yield hold(api).to_dict()
    for charge in api.v1.charges.list().data:
        yield charge.to_dict()
    for event in api.v1.events.list({"limit": 100}).data:
        yield event.to_dict()
        yield (
            event.data.object.to_dict()
            if hasattr(event.data.object, "to_dict")
            else dict(event.data.object)
        )


def test_every_answer_has_the_shape_of_stripes_own(
    api: stripe.StripeClient, control: Control
) -> None:
    checks: dict[str, Draft7Validator] = {}
    seen = set()
    for body in objects(api, control):
        kind = body["object"]
        if kind not in checks:
            at = {"$ref": f"#/components/schemas/{kind}"}
            checks[kind] = Draft7Validator({**at, **mock.schemas()})
        wrong = [
            f"{kind} {'.'.join(map(str, error.path))}: {error.message[:200]}"
            for error in checks[kind].iter_errors(body)
        ]
        assert wrong == []
        seen.add(kind)
    assert seen == {"payment_intent", "charge", "refund", "dispute", "event"}


def test_an_error_has_the_shape_of_stripes_own(api: stripe.StripeClient) -> None:
    check = Draft7Validator({"$ref": "#/components/schemas/error", **mock.schemas()})
    for call in (
        lambda: hold(api, colour="red"),
        lambda: hold(api, payment_method="pm_card_visa_chargeDeclined"),
        lambda: api.v1.payment_intents.retrieve("pi_of_nobody"),
        lambda: api.v1.payment_intents.capture(hold(api, confirm=False).id),
    ):
        body = {"error": error_of(call)}
        assert [error.message for error in check.iter_errors(body)] == []


CLASSES: dict[str, type[stripe.StripeObject]] = {
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "payment_method": stripe.PaymentMethod,
}


def test_no_answer_has_a_field_that_this_version_of_the_api_does_not_know(
    api: stripe.StripeClient, control: Control
) -> None:
    bodies = list(objects(api, control))
    methods = [body.get("payment_method") for body in bodies]
    bodies += [method for method in methods if isinstance(method, dict)]
    assert {body["object"] for body in bodies} == set(CLASSES)
    for body in bodies:
        known = CLASSES[body["object"]].__annotations__
        assert set(body) - set(known) == set()


def test_what_the_sdk_says_is_always_there_is_there(
    api: stripe.StripeClient, control: Control
) -> None:
    """What is not `Optional` in the SDK's class."""
    for body in objects(api, control):
        hints = CLASSES[body["object"]].__annotations__
        always = {name for name, hint in hints.items() if hint in (str, int, bool)}
        assert {"id", "created"} <= always
        assert always - set(body) == set(), body["object"]
