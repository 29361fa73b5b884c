"""Requests for approval in the admin: another person decides, whatever rights there are."""

import time
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from apps.messaging.admin import acting
from apps.sagas.models import Approval
from tests.admin.sagas_world import act, audit, everything, messages_of, person, saga_page
from tests.sagas.listening import hear, news
from tests.sagas.scenarios import SUCCESSES
from tests.sagas.test_approvals import a_day_passes, requests
from tests.sagas.test_watchdog import Desk
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
LIST = "/admin/sagas/approval/"
DECIDE = ("view_saga", "view_approval", "decide_approval")


@pytest.fixture
def desk(
    databases: dict[str, psycopg.Connection], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Desk:
    settings.APPROVAL_LIMIT_CENTS = 1499
    monkeypatch.setattr(acting, "confirm_address", lambda request: f"/confirm?{request.path}")
    return Desk(databases["sagas"])


@pytest.fixture
def opal(desk: Desk) -> Client:
    """Who asks, and has all rights."""
    return person("opal", superuser=True)


@pytest.fixture
def request_(desk: Desk, opal: Client) -> Approval:
    saga_id = desk.saga_at("create_shipment")
    desk.sent()
    act(opal, saga_page(saga_id, "compensate"))
    return Approval.objects.get()


def page(request: Approval, name: str = "change") -> str:
    return f"{LIST}{request.id}/{name}/"


def buttons(client: Client, request: Approval) -> dict[str, str]:
    return {each.act.name: each.off for each in client.get(page(request)).context["buttons"]}


def listed(client: Client, **asked: str) -> list[UUID]:
    shown = client.get(LIST, asked)
    assert shown.status_code == 200
    return [each.id for each in shown.context["cl"].result_list]


def test_another_person_approves_and_follows_the_saga(desk: Desk, request_: Approval) -> None:
    ada = person("ada", *DECIDE)
    asked = audit(desk)

    answer = act(ada, page(request_, "approve"), reason="Looked at it")

    assert answer["Location"] == page(request_)
    [told] = messages_of(answer)
    assert told.startswith(
        "Done. The saga is compensating; the answer of shipping to create shipment (undo) is "
        "awaited. <a"
    )
    assert desk.sent() == [("CancelShipment", "create_shipment")]
    opal, ada_id = (User.objects.get(username=each).pk for each in ("opal", "ada"))
    assert audit(desk) == [
        *asked,
        ("compensate", opal, "opal", "saga", "", "The customer called"),
        ("approve", ada_id, "ada", "approval", "", "Looked at it"),
    ]


def test_the_page_shows_what_was_asked_and_what_would_follow(request_: Approval) -> None:
    foreseen = person("ada", *DECIDE).get(page(request_, "approve")).context["foreseen"]

    titles = [each.title for each in foreseen.parts]
    assert titles[:3] == ["Asked for", "Sent at once", "Undone in this order"]
    assert foreseen.parts[0].lines[0] == "compensate"
    assert foreseen.parts[3].lines == ["15.00 GBP given back, 6 pieces put back"]


def test_another_person_declines(desk: Desk, request_: Approval) -> None:
    before = desk.saga(request_.saga_id)

    answer = act(person("ada", *DECIDE), page(request_, "decline"), reason="Too much")

    assert messages_of(answer) == ["Done. It is declined."]
    assert [(each[0], each[6], each[7]) for each in requests(desk)] == [
        ("declined", "ada", "Too much")
    ]
    assert (desk.saga(request_.saga_id), desk.sent()) == (before, [])


@pytest.mark.parametrize("name", ["approve", "decline"])
def test_not_even_a_superuser_decides_what_they_asked_for(
    desk: Desk, opal: Client, request_: Approval, name: str
) -> None:
    before = everything(desk)
    own = "You asked for this yourself: another person has to decide it."
    assert buttons(opal, request_)[name] == own

    answer = act(opal, page(request_, name))

    assert (answer.status_code, answer.context["refusal"]) == (409, own)
    assert everything(desk) == before


def test_who_asked_withdraws_and_nobody_else(desk: Desk, opal: Client, request_: Approval) -> None:
    ada = person("ada", *DECIDE)
    assert buttons(ada, request_)["withdraw"] == "Only opal, who asked for it, withdraws it."
    assert act(ada, page(request_, "withdraw")).status_code == 409
    assert requests(desk)[0][0] == "open"

    assert messages_of(act(opal, page(request_, "withdraw"))) == ["Done. It is withdrawn."]

    assert requests(desk)[0][0] == "withdrawn"
    assert buttons(opal, request_)["withdraw"] == "It was withdrawn already."


@pytest.mark.parametrize("name", ["approve", "decline"])
def test_without_the_right_or_a_reason_or_step_up_nothing_is_decided(
    desk: Desk, request_: Approval, name: str
) -> None:
    before = everything(desk)
    where = page(request_, name)

    eve = person("eve", "view_saga", "view_approval", "change_approval")
    assert eve.get(where).status_code == 403
    assert eve.post(where, {"version": 1, "reason": "why"}).status_code == 403
    assert act(person("ada", *DECIDE), where, reason="42").status_code == 400
    late = act(person("late", *DECIDE, confirmed=False), where)
    assert late["Location"] == f"/confirm?{where}"

    assert everything(desk) == before


def test_ten_minutes_after_confirming_it_is_asked_again(desk: Desk, request_: Approval) -> None:
    ada = person("ada", *DECIDE)
    session = ada.session
    session["confirmed_at"] = time.time() - 601
    session.save()

    assert act(ada, page(request_, "approve"))["Location"].startswith("/confirm?")
    assert requests(desk)[0][0] == "open"


def test_on_a_saga_that_moved_nothing_is_approved(desk: Desk, request_: Approval) -> None:
    ada = person("ada", *DECIDE)
    where = page(request_, "approve")
    seen = ada.get(where).context["foreseen"].version
    hear(news(request_.saga_id, "create_shipment", SUCCESSES["create_shipment"]))
    before = everything(desk)

    for version in (seen, seen + 1):
        answer = ada.post(where, {"version": version, "reason": "Looked at it"})
        assert answer.status_code == 409
        assert answer.context["refusal"].startswith("It has changed since you looked")
    assert answer.context["foreseen"].why_not.startswith("The saga has moved since")

    assert everything(desk) == before


def test_what_expired_is_off_and_listed_among_the_settled(desk: Desk, request_: Approval) -> None:
    ada = person("ada", *DECIDE)
    assert (listed(ada), listed(ada, standing="settled")) == ([request_.id], [])
    a_day_passes(desk)
    before = everything(desk)

    assert (listed(ada), listed(ada, standing="settled")) == ([], [request_.id])
    over = "Its 24 hours are over. What is still wanted has to be asked for anew."
    assert buttons(ada, request_) == {"approve": over, "decline": over, "withdraw": over}
    assert act(ada, page(request_, "approve")).status_code == 409
    assert "expired" in ada.get(page(request_)).content.decode()
    assert everything(desk) == before


def test_of_two_approvers_one_wins_and_the_other_is_told(desk: Desk, request_: Approval) -> None:
    ada, eve = (person(name, *DECIDE) for name in ("ada", "eve"))
    version = ada.get(page(request_, "approve")).context["foreseen"].version

    def approve(client: Client) -> Any:
        given = {"version": version, "reason": "Looked at it"}
        return client.post(page(request_, "approve"), given)

    answers: list[Any] = at_once(lambda: approve(ada), lambda: approve(eve))

    assert sorted(each.status_code for each in answers) == [302, 409]
    assert len(desk.sent()) == 1
    told = next(each for each in answers if each.status_code == 409)
    winner = Approval.objects.get().decided_by
    assert told.context["foreseen"].why_not == f"It was approved by {winner} already."
