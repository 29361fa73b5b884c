"""Refunds: whole, in parts, never more than was captured; some pend, some fail later."""

import pytest
import stripe

from tests.fakestripe.payments import ORDER, error_of, hold, paid
from tools.fakestripe.client import Control


def test_the_whole_is_given_back(api: stripe.StripeClient, control: Control) -> None:
    intent = paid(api)
    refund = api.v1.refunds.create({"payment_intent": intent.id, "reason": "requested_by_customer"})
    assert (refund.status, refund.amount, refund.reason) == (
        "succeeded",
        1200,
        "requested_by_customer",
    )
    assert (refund.payment_intent, refund.charge) == (intent.id, intent.latest_charge)
    charge = api.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.refunded, charge.amount_refunded) == (True, 1200)
    assert control.ledger()["orders"][ORDER] == {"held": 0, "captured": 1200, "refunded": 1200}


def test_parts_are_given_back_until_nothing_is_left(
    api: stripe.StripeClient, control: Control
) -> None:
    intent = paid(api)
    for amount in (500, 700):
        api.v1.refunds.create({"payment_intent": intent.id, "amount": amount})
    error = error_of(lambda: api.v1.refunds.create({"payment_intent": intent.id}))
    assert error["code"] == "charge_already_refunded"
    listed = api.v1.refunds.list({"payment_intent": intent.id})
    assert [refund.amount for refund in listed.data] == [700, 500]
    assert control.ledger()["orders"][ORDER]["refunded"] == 1200


def test_more_than_what_is_left_is_not_given_back(
    api: stripe.StripeClient, control: Control
) -> None:
    intent = paid(api)
    api.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
    error = error_of(lambda: api.v1.refunds.create({"payment_intent": intent.id, "amount": 701}))
    assert (error["code"], error["param"]) == ("amount_too_large", "amount")
    assert control.ledger()["orders"][ORDER]["refunded"] == 500


def test_more_than_was_captured_is_not_given_back(api: stripe.StripeClient) -> None:
    intent = api.v1.payment_intents.capture(hold(api).id, {"amount_to_capture": 700})
    error = error_of(lambda: api.v1.refunds.create({"payment_intent": intent.id, "amount": 701}))
    assert error["code"] == "amount_too_large"
    assert api.v1.refunds.create({"payment_intent": intent.id}).amount == 700


@pytest.mark.parametrize("name", ["payment_intent", "charge"])
def test_what_is_only_held_is_not_given_back(
    api: stripe.StripeClient, control: Control, name: str
) -> None:
    intent = hold(api)
    subject = intent.id if name == "payment_intent" else str(intent.latest_charge)
    error = error_of(lambda: api.v1.refunds.create({name: subject}))  # type: ignore[misc]
    assert error["code"] == "payment_intent_unexpected_state"
    assert control.ledger()["orders"][ORDER] == {"held": 1200, "captured": 0, "refunded": 0}


def test_a_refund_of_a_charge_is_one_of_its_payment(api: stripe.StripeClient) -> None:
    intent = paid(api)
    refund = api.v1.refunds.create({"charge": str(intent.latest_charge)})
    assert refund.payment_intent == intent.id


def test_a_refund_pends_and_succeeds_later(api: stripe.StripeClient, control: Control) -> None:
    intent = paid(api, payment_method="pm_card_pendingRefund")
    refund = api.v1.refunds.create({"payment_intent": intent.id})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    control.advance(60)
    settled = api.v1.refunds.retrieve(refund.id)
    assert settled.status == "succeeded"
    assert "pending_reason" not in settled
    assert control.ledger()["orders"][ORDER]["refunded"] == 1200


def test_a_refund_fails_later_and_the_money_is_the_shops_again(
    api: stripe.StripeClient, control: Control
) -> None:
    control.set(refund_seconds=5)
    intent = paid(api, payment_method="pm_card_refundFail")
    refund = api.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    assert refund.status == "succeeded"
    assert control.ledger()["orders"][ORDER]["refunded"] == 400

    control.advance(5)
    failed = api.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert control.ledger()["orders"][ORDER]["refunded"] == 0
    assert api.v1.refunds.create({"payment_intent": intent.id}).amount == 1200
