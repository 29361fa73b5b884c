"""Sentences about orders: every refusal, every cause, every thing that happens beside."""

import msgspec
import pytest

from apps.contracts.base import Event, Refusal
from apps.contracts.inventory import StockReservationFailed
from apps.contracts.payments import CaptureFailed, DeclineCode, PaymentDeclined
from apps.contracts.pricing import PriceFreezeFailed
from apps.contracts.shipping import GiftWrapUnavailable, ShipmentRefused
from apps.contracts.values import PriceChange, Shortage
from apps.ops.story import (
    BESIDE,
    SENTENCES,
    Speech,
    answered,
    beside,
    cause_of,
    next_of,
    told,
    verdict,
)
from apps.processes import LIVE
from tests.admin.telling import answer, at, backward, event, forward
from tests.admin.telling import told as history

SPEECH = Speech("USD", {"1": "Tea cup"})
BEFORE = ("create_order", "reserve_stock", "freeze_price", "authorize_payment")


def said(message: Event) -> str:
    return told(type(message).__name__, msgspec.to_builtins(message), SPEECH)


def declined(code: DeclineCode) -> Refusal:
    return PaymentDeclined(code=code, wanted_cents=4500, available_cents=1000)


def test_every_refusal_has_a_sentence_of_its_own() -> None:
    short = (Shortage(product_id="1", wanted=5, available=2),)
    dearer = PriceChange(product_id="1", seen_cents=250, current_cents=295)
    gone = PriceChange(product_id="2", seen_cents=250, current_cents=None)

    assert said(StockReservationFailed(short=short)) == (
        "The stock did not suffice: 5 of Tea cup wanted, 2 left."
    )
    assert said(PriceFreezeFailed(changed=(dearer, gone))) == (
        "The prices had changed: Tea cup costs 2.95 USD now, the customer saw 2.50 USD;"
        " 2 is not on sale any more."
    )
    assert said(ShipmentRefused(pieces=100, most_pieces=60)) == (
        "The carrier refused: it takes at most 60 pieces, the order has 100."
    )
    assert said(GiftWrapUnavailable(pieces=9, most_pieces=5)) == (
        "The gift could not be wrapped: that takes at most 5 pieces, the order has 9."
    )
    assert said(CaptureFailed(code="expired")) == "The money could not be taken (expired)."


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (DeclineCode.INSUFFICIENT_CREDIT, "the store credit of 10.00 USD does not cover 45.00 USD"),
        (DeclineCode.NO_ACCOUNT, "the customer has no store credit"),
        (DeclineCode.CARD_DECLINED, "the customer's bank said no to the card"),
        (DeclineCode.METHOD_UNAVAILABLE, "the shop does not take that way of paying"),
    ],
)
def test_a_declined_payment_says_why(code: DeclineCode, why: str) -> None:
    assert said(declined(code)) == f"The payment was declined: {why}."


def test_every_answer_of_every_step_has_a_sentence() -> None:
    """A new step cannot be forgotten."""
    steps = [step for process in LIVE for step in process.steps]
    known = {step.success.__name__ for step in steps}
    known |= {step.refusal.__name__ for step in steps if step.refusal}
    known |= {step.compensation.answer.__name__ for step in steps if step.compensation}

    assert known - SENTENCES.keys() == set()


def test_a_message_of_another_shape_is_told_by_its_names() -> None:
    line = answer("create_shipment", 0, 1, type="ShipmentCreated", parcels=2)
    assert answered(line, SPEECH).text == "“create shipment” was done."


@pytest.mark.parametrize(
    ("outcome", "action", "text"),
    [
        ("nothing_to_undo", "undo", "Of “wrap gift” there was nothing to undo."),
        ("fenced", "fence", "“wrap gift” has not happened, and never will."),
        ("happened", "fence", "It was found that “wrap gift” had happened."),
    ],
)
def test_what_a_fence_or_an_empty_undo_found_is_told(outcome: str, action: str, text: str) -> None:
    line = answer("wrap_gift", 0, 1, outcome, action=action, type="Whatever")
    assert answered(line, SPEECH).text == text


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("sent_again", "Sending 2", "No answer from the carrier: it was asked again (sending 2)."),
        ("waits", "The bank asks", "The carrier needs more time: The bank asks."),
        ("stuck", "No answer after 5 sendings",
         "The carrier does not answer (no answer after 5 sendings): a person should look."),
        ("cancel_wished", "too slow", "The customer wished to cancel: too slow."),
        ("skipped", "", "The order went on without it."),
        ("something_new", "who knows", "Something new: who knows"),
    ],
)  # fmt: skip
def test_what_happens_beside_is_told(kind: str, text: str, sentence: str) -> None:
    assert beside(event(kind, "create_shipment", 1, text)).text == sentence


def test_no_sentence_starts_small_or_lacks_its_end() -> None:
    for kind in BESIDE:
        text = beside(event(kind, "reserve_stock", 1, "Why")).text
        assert (text[0].isupper(), text[-1]) == (True, ".")


@pytest.mark.parametrize(
    ("type_name", "reason", "sentence"),
    [
        ("NoAnswer", "No answer after 5 sendings", "There was no answer from the carrier."),
        ("DeadlinePassed", "x", "The order took too long, waiting for the carrier."),
        ("CancelWished", "too slow", "The customer wished to cancel: too slow."),
        ("TurnedBack", "a test order.", "It was turned back by hand: a test order."),
        ("SkipFailed", "It could not be skipped: no", "It could not be skipped: no."),
    ],
)
def test_what_turned_it_back_is_told(type_name: str, reason: str, sentence: str) -> None:
    saga = history(
        now=1, cause_step="create_shipment", cause_type=type_name, cause={}, cause_reason=reason
    ).saga
    assert cause_of(saga, SPEECH) == sentence


def test_an_order_that_was_refused_at_once_had_nothing_to_give_back() -> None:
    cancelled = answer("create_order", 2, 3, action="undo", type="OrderCancelled")
    short = [{"product_id": "1", "wanted": 5, "available": 2}]
    ended = history(
        *forward("create_order"), answer("reserve_stock", 1, 2, "refused"), cancelled, now=9,
        ended=3, status="undone", cause_step="reserve_stock", cause_type="StockReservationFailed",
        cause={"short": short},
    )  # fmt: skip

    assert verdict(ended, SPEECH) == (
        "The stock did not suffice: 5 of Tea cup wanted, 2 left."
        " Nothing had been set aside or held, so there was nothing to give back."
    )


def test_what_was_given_back_so_far_is_told_while_it_is_undone() -> None:
    back = answer(
        "authorize_payment", 5, 6, action="undo", type="PaymentRefunded", amount_cents=4500
    )
    live = history(
        *forward(*BEFORE), answer("create_shipment", 4, 5, "refused"), back, now=7,
        status="compensating", cause_step="create_shipment", cause_type="NoAnswer", cause={},
        pending=("freeze_price", "undo", 6.0),
    )  # fmt: skip

    assert verdict(live, SPEECH) == (
        "There was no answer from the carrier. It is being undone: 45.00 USD given back so far."
    )
    assert list(next_of(live)) == [
        "It waits for the promised prices to be taken back, asked 1 time.",
        "After that it waits for the goods to be put back, then for the order to be cancelled.",
    ]


def test_past_the_pivots_first_sending_nothing_is_said_to_be_undone() -> None:
    done = (*BEFORE, "create_shipment")
    pivot = history(*forward(*done), now=7, pending=("capture_payment", "do", 5.0))
    behind = history(
        *forward(*done, "capture_payment"), now=8, pending=("confirm_order", "do", 6.0)
    )

    assert list(next_of(pivot))[-1] == (
        "The money may be taken already: nothing is undone before that is known."
    )
    assert list(next_of(behind))[-1] == (
        "The money is taken, so the order goes forward: it is asked until it is done."
    )


def test_a_pause_and_a_decision_say_until_when() -> None:
    paused = history(
        *forward("create_order"), now=3, pending=("reserve_stock", "do", 1.0), paused_until=at(60)
    )
    decision = history(
        *forward("create_order"), answer("reserve_stock", 1, 2, "refused"), now=3,
        status="awaiting_decision", cause_step="reserve_stock", due_at=at(600),
        pending=("reserve_stock", "do", 1.0),
    )  # fmt: skip

    assert "2026-01-02 03:05:05 UTC</time>: nothing is asked before." in next(next_of(paused))
    [until] = next_of(decision)
    assert "2026-01-02 03:14:05 UTC</time>; then everything is undone." in until


def test_what_was_undone_or_skipped_is_not_awaited_again() -> None:
    undone = backward(6, "authorize_payment", "freeze_price")
    live = history(
        *forward(*BEFORE), answer("create_shipment", 4, 5, "refused"), *undone, now=9,
        status="compensating", cause_step="create_shipment",
        pending=("reserve_stock", "undo", 8.0),
    )  # fmt: skip

    assert list(next_of(live))[-1] == "After that it waits for the order to be cancelled."
