"""The mode in the admin: seen by who may look, changed by operations with a reason."""

from typing import Any

import psycopg
import pytest
from django.http import HttpResponse
from django.test import Client

from apps.messaging.audit import Actor
from apps.orders.modes import set_share, share_of
from sagaplatform.roles import AUDITOR, OPERATIONS, SUPPORT
from tests.admin.people import logged_in, user_of

Databases = dict[str, psycopg.Connection]
PAGE = "/admin/orders/modeshare/place_5Forder/"  # an underscore, as addresses of rows have it
WHY = "the engine is updated tonight"
ACTIONS = "SELECT actor, operation, version, reason, outcome FROM orders_operatoraction ORDER BY id"


@pytest.fixture
def orders(databases: Databases) -> psycopg.Connection:
    """The modes as they come: the engine drives all."""
    databases["orders"].execute(
        "INSERT INTO orders_modeshare (process, choreographed_percent)"
        " VALUES ('place_order', 0), ('cancel_order', 0)"
    )
    return databases["orders"]


@pytest.fixture
def operator(orders: psycopg.Connection) -> Client:
    return logged_in(user_of(OPERATIONS, "olga"))


def change(client: Client, **given: Any) -> HttpResponse:
    form = {"version": 1, "choice": "", "percent": 30, "reason": WHY, **given}
    return client.post(f"{PAGE}set/", form)


def by_somebody_else(percent: int) -> None:
    actor, version = Actor(2, "ada"), share_of("place_order")[1]
    set_share(
        process="place_order", percent=percent, version=version, actor=actor, reason="we try it"
    )


def test_operations_change_the_mode_and_it_is_written_down(
    orders: psycopg.Connection, operator: Client
) -> None:
    shown = operator.get(f"{PAGE}set/")
    [now, happens] = shown.context["foreseen"].parts
    assert now.lines == ["Events drive 0 % of new sagas of place order, the engine the others."]
    assert len(happens.lines) == 2

    answer = change(operator)

    assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}change/")
    assert share_of("place_order") == (30, 2)
    assert share_of("cancel_order") == (0, 1)
    assert orders.execute(ACTIONS).fetchall() == [
        ("olga", "set_mode", 1, WHY, "0 % -> 30 % by events")
    ]


def test_the_list_tells_the_share_since_when_by_whom_and_why(operator: Client) -> None:
    by_somebody_else(30)

    text = operator.get("/admin/orders/modeshare/").content.decode()

    assert [each in text for each in ("place_order", "30 %", "ada", "we try it")] == [True] * 4
    assert [each in text for each in ("cancel_order", "0 %")] == [True] * 2


def test_the_page_tells_who_changed_it_before(operator: Client) -> None:
    by_somebody_else(30)
    by_somebody_else(100)

    section = operator.get(f"{PAGE}change/").context["staff_actions"]

    assert [row[1:] for row in section.rows] == [
        ("ada", "30 % -> 100 % by events", "we try it"),
        ("ada", "0 % -> 30 % by events", "we try it"),
    ]


@pytest.mark.parametrize("role", [SUPPORT, AUDITOR])
def test_who_may_only_look_changes_nothing(orders: psycopg.Connection, role: str) -> None:
    client = logged_in(user_of(role))

    assert client.get("/admin/orders/modeshare/").status_code == 200
    assert list(client.get(f"{PAGE}change/").context["buttons"]) == []
    assert client.get(f"{PAGE}set/").status_code == 403
    assert change(client).status_code == 403

    assert share_of("place_order") == (0, 1)
    assert orders.execute(ACTIONS).fetchall() == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "..."}, "reason"),
        ({"percent": ""}, "percent"),
        ({"percent": 101}, "percent"),
        ({"percent": -1}, "percent"),
        ({"percent": "half"}, "percent"),
    ],
)
def test_a_form_that_is_not_right_changes_nothing(
    orders: psycopg.Connection, operator: Client, given: dict[str, Any], field: str
) -> None:
    answer = change(operator, **given)

    assert answer.status_code == 400
    assert answer.context["form"].errors.keys() == {field}
    assert share_of("place_order") == (0, 1)
    assert orders.execute(ACTIONS).fetchall() == []


def test_who_comes_second_changes_nothing_and_is_told_what_happened(operator: Client) -> None:
    by_somebody_else(100)

    answer = change(operator)

    assert answer.status_code == 409
    assert answer.context["refusal"] == (
        "Somebody has changed the mode since you looked: look again, then decide anew."
    )
    assert list(answer.context["changes"]) == ["ada: 0 % -> 100 % by events (we try it)"]
    assert answer.context["form"]["percent"].value() == "30"
    assert share_of("place_order") == (100, 2)


def test_a_process_that_is_not_there_leads_home(operator: Client) -> None:
    assert operator.get("/admin/orders/modeshare/no_such/set/").status_code == 302
