"""The desk in the admin: two buttons, each with its consequences, a reason, and an audit row."""

from typing import Any

import psycopg
import pytest
from django.http import HttpResponse
from django.test import Client

from apps.contracts.fraud import FraudCleared, FraudSuspected
from apps.contracts.numbers import number_of
from apps.messaging.calls import work
from sagaplatform.roles import AUDITOR, OPERATIONS, SUPPORT
from tests.admin.people import logged_in, user_of
from tests.fraud.desk import DEAR, Desk

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection]) -> Desk:
    """A dear order of which a person was asked."""
    desk = Desk(databases["fraud"])
    desk.check(DEAR)
    work("fraud")
    return desk


def page(desk: Desk, name: str = "change") -> str:
    return f"/admin/fraud/review/{desk.review_id()}/{name}/"


def act(client: Client, desk: Desk, name: str, **given: Any) -> HttpResponse:
    form = {"version": 0, "choice": "", "reason": "I phoned her", **given}
    return client.post(page(desk, name), form)


@pytest.mark.parametrize(
    ("name", "told", "outcome"),
    [
        ("clear", FraudCleared(by_person=True), "open -> cleared"),
        ("refuse", FraudSuspected(), "open -> refused"),
    ],
)
def test_operations_decide_and_the_saga_goes_on(
    desk: Desk, name: str, told: object, outcome: str
) -> None:
    client = logged_in(user_of(OPERATIONS))
    shown = client.get(page(desk, name))
    [against, happens] = shown.context["foreseen"].parts
    assert list(against.lines)[1:] == ["It is worth more than 2,000.00"]
    assert len(happens.lines) == 1

    assert act(client, desk, name).status_code == 302

    work("fraud")
    assert desk.told() == [told]
    assert desk.actions() == [("operations", name, "I phoned her", outcome)]


@pytest.mark.parametrize("role", [SUPPORT, AUDITOR])
@pytest.mark.parametrize("name", ["clear", "refuse"])
def test_who_may_only_look_decides_nothing(desk: Desk, role: str, name: str) -> None:
    client = logged_in(user_of(role))
    assert client.get(page(desk)).status_code == 200
    assert act(client, desk, name).status_code == 403
    assert (desk.reviews(), desk.actions()) == ([("open", "")], [])


def test_without_a_reason_nothing_is_decided(desk: Desk) -> None:
    answer = act(logged_in(user_of(OPERATIONS)), desk, "clear", reason="")
    assert answer.status_code == 400
    assert (desk.reviews(), desk.actions()) == ([("open", "")], [])


def test_who_comes_second_is_told_why_and_what_stands(desk: Desk) -> None:
    desk.decide(clear=False)
    client = logged_in(user_of(OPERATIONS))
    assert act(client, desk, "clear").status_code == 409
    shown = client.get(page(desk, "clear"))
    assert shown.context["foreseen"].why_not == "ada has decided already: it is refused."
    buttons = client.get(page(desk)).context["buttons"]
    assert [bool(each.off) for each in buttons] == [True, True]
    assert desk.reviews() == [("refused", "ada")]


def test_the_desk_names_orders_as_people_do_and_says_in_words_why_it_asks(desk: Desk) -> None:
    client = logged_in(user_of(SUPPORT))
    number = number_of(desk.order_id)

    assert number in client.get("/admin/fraud/review/").content.decode()

    shown = client.get(page(desk)).content.decode()
    assert f"Review of order {number}" in shown
    assert f"{number} ({desk.order_id})" in shown
    assert "<p>It is worth more than 2,000.00</p>" in shown


@pytest.mark.parametrize("name", ["clear", "refuse"])
def test_who_decides_says_first_who_they_are(desk: Desk, name: str) -> None:
    client = logged_in(user_of(OPERATIONS), confirmed=False)

    shown, answer = client.get(page(desk, name)), act(client, desk, name)

    assert answer["Location"] == shown.context["confirm"]
    assert answer["Location"].startswith("/admin/confirm/?next=")
    assert (desk.reviews(), desk.actions()) == ([("open", "")], [])
