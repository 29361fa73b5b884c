"""The watch over holds: a person knows of each that ends soon, once, before it does."""

from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest
from pytest_django import Settings

from apps.messaging.jobs import run_job
from apps.payments.expiry import watch
from tests.payments.outside import Card, Told
from tests.scraping import scraped
from tests.threads import at_once
from tools.fakestripe.client import Control

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def ends(card: Card) -> Callable[[str], Card]:
    """A hold that ends in such a time."""

    def held(when: str) -> Card:
        each = Card(card.owner, card.control).authorize()
        card.owner.execute(
            "UPDATE payments_payment SET expires_at = now() + %s::interval WHERE saga_id = %s",
            [when, each.saga_id],
        )
        return each

    return held


def test_a_hold_that_ends_within_a_day_is_told_once(
    ends: Callable[[str], Card], told: Told
) -> None:
    soon, later = ends("23 hours"), ends("25 hours")

    assert run_job("payments", "ending_holds")
    assert watch() == 0

    [(kind, about, why)] = told.needs()
    assert (kind, about) == ("hold_ends", soon.reference)
    assert "15.00 USD" in why
    assert "ends at" in why
    assert later.reference not in why


def test_a_hold_that_has_ended_is_told_as_such(ends: Callable[[str], Card], told: Told) -> None:
    ends("-1 hour")
    assert watch() == 1
    assert "has ended at" in told.needs()[0][2]


def test_what_is_taken_or_given_back_ends_no_more(ends: Callable[[str], Card], told: Told) -> None:
    ends("1 hour").capture()
    ends("1 hour").undo()
    assert watch() == 0
    assert told.needs() == []


def test_when_a_person_is_told_is_a_setting(
    ends: Callable[[str], Card], settings: Settings
) -> None:
    ends("25 hours")
    assert watch() == 0
    settings.HOLD_WARNING_HOURS = 48
    assert watch() == 1


def test_two_watches_at_once_tell_once(ends: Callable[[str], Card], told: Told) -> None:
    for _ in range(3):
        ends("1 hour")
    assert sum(at_once(*[watch] * 4)) == 3  # type: ignore[arg-type]
    assert len(told.needs()) == 3


def test_holds_that_end_soon_are_counted(ends: Callable[[str], Card]) -> None:
    assert scraped("payment_holds_ending") == 0
    ends("1 hour")
    ends("-1 hour")
    ends("25 hours")
    ends("1 hour").capture()
    assert scraped("payment_holds_ending") == 2


def test_store_credit_has_no_end(
    control: Control, databases: dict[str, psycopg.Connection], told: Told
) -> None:
    databases["payments"].execute(
        "INSERT INTO payments_payment (saga_id, order_id, customer_id, currency, method,"
        " amount_cents, status) VALUES (%s, %s, 1, 'USD', 'credit', 1, 'authorized')",
        [uuid4(), uuid4()],
    )
    assert watch() == 0
