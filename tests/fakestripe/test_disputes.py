"""Disputes: a bank takes the money back, tells of it, and decides."""

import pytest
import stripe

from tests.fakestripe.payments import hold, paid
from tests.fakestripe.shop import Shop
from tools.fakestripe.client import Control


def test_a_dispute_is_told_shown_and_decided(
    api: stripe.StripeClient, control: Control, shop: Shop
) -> None:
    intent = paid(api)
    name = control.dispute(intent.id, reason="product_not_received")
    dispute = api.v1.disputes.retrieve(name)
    assert (dispute.amount, dispute.reason, dispute.status) == (
        1200, "product_not_received", "needs_response",
    )  # fmt: skip
    assert (dispute.payment_intent, dispute.charge) == (intent.id, intent.latest_charge)
    assert api.v1.charges.retrieve(str(intent.latest_charge)).disputed

    control.close_dispute(name, won=True)
    assert api.v1.disputes.retrieve(name).status == "won"
    told = [each.type for each in shop.wait_for(9) if each.type.startswith("charge.dispute.")]
    assert told == [
        "charge.dispute.created", "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated", "charge.dispute.closed",
    ]  # fmt: skip


def test_what_the_bank_has_taken_back_is_not_refunded_besides(
    api: stripe.StripeClient, control: Control
) -> None:
    intent = paid(api)
    name = control.dispute(intent.id)
    for amount in ({}, {"amount": 1}):
        with pytest.raises(stripe.InvalidRequestError, match="charged back") as refused:
            api.v1.refunds.create({"payment_intent": intent.id, **amount})
        assert refused.value.code == "charge_disputed"

    control.close_dispute(name, won=True)
    assert api.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"


def test_what_cannot_be_disputed_or_decided_is_refused(
    api: stripe.StripeClient, control: Control
) -> None:
    with pytest.raises(ValueError, match="has not succeeded"):
        control.dispute(hold(api).id)
    intent = paid(api)
    name = control.dispute(intent.id)
    with pytest.raises(ValueError, match="is disputed already"):
        control.dispute(intent.id)
    control.close_dispute(name, won=False)
    with pytest.raises(ValueError, match="is decided"):
        control.close_dispute(name, won=True)
