"""I10 in the conservation check: the gateway's books beside ours, where there is a gateway."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.ops.conservation.check import Proof, prove
from apps.ops.conservation.proof import Patience
from apps.payments.stripe_api import client
from tests.payments.outside import Card, hold
from tools.fakestripe.client import Control

pytestmark = pytest.mark.usefixtures("quiet")
NOW = timedelta(0)
AT_ONCE = Patience(NOW, NOW, gateway=NOW, second_look=0.0)


def of_gateway(proof: Proof) -> list[tuple[int, list[str]]]:
    """How many payments were compared, and what differs."""
    return [
        (each.checked, [text for _, text in each.faults])
        for each in proof.verdicts
        if each.law.id == "I10"
    ]


def test_books_that_agree_break_no_law(card: Card) -> None:
    card.authorize().capture()
    assert of_gateway(prove(AT_ONCE)) == [(1, [])]


def test_what_differs_breaks_the_law_and_is_named(card: Card) -> None:
    card.authorize()
    client().v1.payment_intents.capture(card.reference)
    extra = hold(card.saga_id)
    [(compared, texts)] = of_gateway(prove(AT_ONCE))
    assert compared == 2
    assert "captured are 15.00 USD at Stripe and 0.00 USD here" in texts[0]
    assert extra.id in texts[1]
    assert of_gateway(prove(Patience(NOW, NOW, second_look=0.0))) == [(0, [])]  # it is young


def test_without_a_gateway_nothing_is_said_of_it(card: Card, settings: Settings) -> None:
    settings.STRIPE_API_KEY = ""
    assert of_gateway(prove(AT_ONCE)) == []


def test_a_gateway_that_is_silent_leaves_it_unproved(card: Card, control: Control) -> None:
    control.fault("list", "error_before", times=2)  # the SDK asks twice
    with pytest.raises(CommandError, match="nothing is proved"):
        call_command("check_conservation")
