"""The states of a PaymentIntent, and the moves between them."""

import pytest
import stripe

from tests.fakestripe.payments import ORDER, error_of, hold, paid, params
from tools.fakestripe.client import Control

WEEK = 7 * 24 * 60 * 60


def payment(control: Control) -> dict[str, object]:
    """The only payment in the ledger."""
    (only,) = control.ledger()["payments"]
    return dict(only)


def test_a_payment_is_chosen_confirmed_held_and_captured(
    api: stripe.StripeClient, control: Control
) -> None:
    intents = api.v1.payment_intents
    intent = intents.create(
        {
            "amount": 1200,
            "currency": "EUR",
            "capture_method": "manual",
            "allowed_payment_method_types": ["card"],
            "metadata": {"order_id": ORDER},
        }
    )
    assert (intent.status, intent.currency) == ("requires_payment_method", "eur")

    held = intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert (held.status, held.amount_capturable, held.amount_received) == (
        "requires_capture",
        1200,
        0,
    )

    captured = intents.capture(intent.id)
    assert (captured.status, captured.amount_capturable, captured.amount_received) == (
        "succeeded",
        0,
        1200,
    )
    assert payment(control) == {
        "id": intent.id,
        "order_id": ORDER,
        "status": "succeeded",
        "currency": "eur",
        "amount": 1200,
        "held": 0,
        "captured": 1200,
        "refunded": 0,
    }


def test_a_payment_with_a_method_waits_for_its_confirmation(api: stripe.StripeClient) -> None:
    intent = hold(api, confirm=False)
    assert intent.status == "requires_confirmation"
    assert api.v1.payment_intents.confirm(intent.id).status == "requires_capture"


def test_without_manual_capture_the_money_is_taken_at_once(api: stripe.StripeClient) -> None:
    intent = hold(api, capture_method="automatic")
    assert (intent.status, intent.amount_received) == ("succeeded", 1200)


def test_a_part_is_captured_and_the_rest_let_go(api: stripe.StripeClient, control: Control) -> None:
    intent = api.v1.payment_intents.capture(hold(api).id, {"amount_to_capture": 700})
    assert (intent.amount_received, intent.amount_capturable) == (700, 0)
    charge = api.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.amount, charge.amount_captured, charge.amount_refunded) == (1200, 700, 0)
    assert (payment(control)["held"], payment(control)["captured"]) == (0, 700)


def test_more_than_what_is_held_is_not_captured(api: stripe.StripeClient, control: Control) -> None:
    intent = hold(api)
    error = error_of(lambda: api.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1201}))
    assert (error["code"], error["param"]) == ("amount_too_large", "amount_to_capture")
    assert (payment(control)["held"], payment(control)["captured"]) == (1200, 0)


def test_a_hold_is_let_go_and_that_is_no_refund(api: stripe.StripeClient, control: Control) -> None:
    intent = hold(api)
    canceled = api.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert (payment(control)["held"], payment(control)["refunded"]) == (0, 0)
    assert api.v1.refunds.list({"payment_intent": intent.id}).data == []


MOVES = {
    "confirm": lambda api, id: api.v1.payment_intents.confirm(id),
    "capture": lambda api, id: api.v1.payment_intents.capture(id),
    "cancel": lambda api, id: api.v1.payment_intents.cancel(id),
}
STATES = {
    "requires_payment_method": lambda api: hold(api, confirm=False, payment_method=None),
    "requires_confirmation": lambda api: hold(api, confirm=False),
    "requires_action": lambda api: hold(api, payment_method="pm_card_authenticationRequired"),
    "requires_capture": hold,
    "succeeded": paid,
    "canceled": lambda api: api.v1.payment_intents.cancel(hold(api).id),
}
ILLEGAL = [
    ("capture", "requires_payment_method"),
    ("capture", "requires_confirmation"),
    ("capture", "requires_action"),
    ("capture", "succeeded"),
    ("capture", "canceled"),
    ("confirm", "requires_payment_method"),  # there is no payment method to confirm it with
    ("confirm", "requires_capture"),
    ("confirm", "succeeded"),
    ("confirm", "canceled"),
    ("cancel", "succeeded"),
    ("cancel", "canceled"),
]


@pytest.mark.parametrize(("move", "state"), ILLEGAL)
def test_a_move_that_the_state_does_not_allow_is_refused(
    api: stripe.StripeClient, control: Control, move: str, state: str
) -> None:
    intent = STATES[state](api)
    assert intent.status == state
    before = control.ledger()
    error = error_of(lambda: MOVES[move](api, intent.id))
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "payment_intent_unexpected_state"
    assert error["payment_intent"]["status"] == state
    assert control.ledger() == before


@pytest.mark.parametrize(
    "state",
    [
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "requires_capture",
    ],
)
def test_until_it_has_succeeded_a_payment_can_be_canceled(
    api: stripe.StripeClient, state: str
) -> None:
    intent = STATES[state](api)
    assert api.v1.payment_intents.cancel(intent.id).status == "canceled"


def test_a_slow_bank_leaves_a_payment_processing(
    api: stripe.StripeClient, control: Control
) -> None:
    control.set(processing_seconds=600)
    intent = hold(api)
    assert intent.status == "processing"
    control.advance(500)
    assert api.v1.payment_intents.retrieve(intent.id).status == "processing"
    control.advance(100)
    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_capture"


def test_a_payment_that_is_processing_can_still_be_canceled(
    api: stripe.StripeClient, control: Control
) -> None:
    control.set(processing_seconds=60)
    intent = hold(api)
    api.v1.payment_intents.cancel(intent.id)
    control.advance(60)
    assert api.v1.payment_intents.retrieve(intent.id).status == "canceled"


def test_a_hold_expires_after_a_week(api: stripe.StripeClient, control: Control) -> None:
    intent = hold(api, expand=["latest_charge"])
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    details = charge.payment_method_details
    assert details is not None
    assert details.card is not None
    assert details.card.capture_before == pytest.approx(charge.created + WEEK, abs=1)

    control.advance(WEEK - 60)
    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_capture"
    control.advance(60)
    expired = api.v1.payment_intents.retrieve(intent.id)
    assert (expired.status, expired.cancellation_reason) == ("canceled", "expired")
    assert payment(control)["held"] == 0
    error = error_of(lambda: api.v1.payment_intents.capture(intent.id))
    assert error["code"] == "payment_intent_unexpected_state"


def test_what_was_captured_does_not_expire(api: stripe.StripeClient, control: Control) -> None:
    intent = paid(api)
    control.advance(2 * WEEK)
    assert api.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_how_long_a_hold_lasts_can_be_set(api: stripe.StripeClient, control: Control) -> None:
    control.set(hold_seconds=10)
    intent = hold(api)
    control.advance(10)
    assert api.v1.payment_intents.retrieve(intent.id).status == "canceled"


def test_metadata_is_merged_and_an_empty_value_takes_a_key_away(api: stripe.StripeClient) -> None:
    intent = hold(api, metadata={"order_id": ORDER, "basket": "7"})
    changed = api.v1.payment_intents.update(
        intent.id, {"metadata": {"basket": "", "shelf": "3"}, "description": "Tea"}
    )
    assert changed.metadata.to_dict() == {"order_id": ORDER, "shelf": "3"}
    assert changed.description == "Tea"


def test_a_payment_method_pays_once(api: stripe.StripeClient) -> None:
    used = hold(api).payment_method
    error = error_of(lambda: hold(api, payment_method=used))
    assert (error["code"], error["param"]) == ("payment_method_unexpected_state", "payment_method")


def test_what_is_not_there_is_not_found(api: stripe.StripeClient) -> None:
    error = error_of(lambda: api.v1.payment_intents.retrieve("pi_of_nobody"))
    assert error["code"] == "resource_missing"
    assert error["message"] == "No such payment_intent: 'pi_of_nobody'"


def test_the_same_order_held_twice_is_a_double_charge(
    api: stripe.StripeClient, control: Control
) -> None:
    hold(api)
    assert control.ledger()["double_charges"] == []
    api.v1.payment_intents.cancel(hold(api).id)
    assert control.ledger()["double_charges"] == []
    paid(api)
    ledger = control.ledger()
    assert ledger["double_charges"] == [ORDER]
    assert ledger["orders"] == {ORDER: {"held": 1200, "captured": 1200, "refunded": 0}}


def test_stripe_wants_a_way_back_where_a_customer_may_be_sent_away(
    api: stripe.StripeClient, control: Control
) -> None:
    automatic = params(automatic_payment_methods={"enabled": True})
    del automatic["allowed_payment_method_types"]
    error = error_of(lambda: api.v1.payment_intents.create(automatic))  # type: ignore[arg-type]
    assert error["param"] == "return_url"
    assert control.ledger()["payments"] == []
    automatic["automatic_payment_methods"]["allow_redirects"] = "never"
    intent = api.v1.payment_intents.create(automatic)  # type: ignore[arg-type]
    assert intent.status == "requires_capture"
