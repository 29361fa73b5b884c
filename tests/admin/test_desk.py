"""The stuck desk: what is open, whose it is, what was said about it, and the ways out."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.numbers import number_of
from apps.contracts.steps import PersonNeeded
from apps.messaging.audit import Actor
from apps.sagas import operations
from apps.sagas.models import Case, Saga
from tests.admin.sagas_world import act, audit, everything, messages_of, person, saga_page
from tests.sagas.listening import hear, news
from tests.sagas.scenarios import UNDONE
from tests.sagas.test_operations import stuck_undo
from tests.sagas.test_watchdog import Desk
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
LIST = "/admin/sagas/case/"
RIGHTS = ("view_case", "assign_case", "note_case")


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection]) -> Desk:
    return Desk(databases["sagas"])


@pytest.fixture
def case(desk: Desk) -> Case:
    return case_of(stuck_undo(desk))


def case_of(saga_id: UUID) -> Case:
    return Case.objects.get(saga_id=saga_id)


def page(case: Case, name: str = "change") -> str:
    return f"{LIST}{case.id}/{name}/"


def settle(case: Case) -> None:
    """A late answer from outside."""
    undone = UNDONE["authorize_payment"]
    hear(news(case.saga_id, "authorize_payment", undone, action=Action.UNDO))


def listed(client: Client, **asked: str) -> list[UUID]:
    shown = client.get(LIST, asked)
    assert shown.status_code == 200
    return [each.saga_id for each in shown.context["cl"].result_list]


def owner(case: Case) -> tuple[int | None, str]:
    case.refresh_from_db()
    return case.owner_id, case.owner


def test_the_open_ones_are_listed_first_and_the_oldest_first(desk: Desk) -> None:
    old, new, settled = (stuck_undo(desk) for _ in range(3))
    settle(case_of(settled))
    opal = person("opal", *RIGHTS)

    assert listed(opal) == listed(opal, standing="open") == [old, new]
    assert listed(opal, standing="settled") == [settled]
    closed_by = "column-closed_by"
    assert closed_by not in opal.get(LIST).content.decode()
    for told in ({"standing": "settled"}, {"q": str(settled)}):
        assert closed_by in opal.get(LIST, told).content.decode()
    tabs = opal.get(LIST, {"standing": "settled"}).context["standing_tabs"]
    assert tabs == [("Open", "?standing=open", False), ("Settled", "?standing=settled", True)]


def test_a_person_finds_their_own_cases_and_nobodys(desk: Desk) -> None:
    mine, others, nobodys = (stuck_undo(desk) for _ in range(3))
    opal = person("opal", *RIGHTS)
    me = User.objects.get(username="opal")
    for saga_id, who in ((mine, Actor(me.pk, "opal")), (others, Actor(me.pk + 1, "ada"))):
        operations.assign_case(
            case_id=case_of(saga_id).id, owner=who, version=1, actor=who, reason="I look into it"
        )

    assert listed(opal, whose="mine") == [mine]
    assert listed(opal, whose="nobody") == [nobodys]


def test_a_case_is_taken(desk: Desk, case: Case) -> None:
    opal = person("opal", *RIGHTS)
    me = User.objects.get(username="opal")

    answer = act(opal, page(case, "take"))

    assert answer["Location"] == page(case)
    assert messages_of(answer) == ["Done. The case is opal's."]
    assert owner(case) == (me.pk, "opal")
    assert audit(desk) == [
        ("assign", me.pk, "opal", "case", "authorize_payment", "The customer called")
    ]
    why = {each.act.name: each.off for each in opal.get(page(case)).context["buttons"]}
    assert why == {"take": "It is yours already.", "assign": "", "note": ""}


def test_a_case_is_given_to_somebody_of_the_staff(desk: Desk, case: Case) -> None:
    opal = person("opal", *RIGHTS)
    person("ada")
    User.objects.create_user("customer")
    User.objects.create_user("gone", is_staff=True, is_active=False)
    ada = User.objects.get(username="ada")
    form = opal.get(page(case, "assign")).context["form"]
    assert form.fields["owner"].choices == [(ada.pk, "ada")]

    act(opal, page(case, "assign"), owner=str(ada.pk))

    assert owner(case) == (ada.pk, "ada")
    assert [each[:3] for each in audit(desk)] == [
        ("assign", User.objects.get(username="opal").pk, "opal")
    ]


def test_a_case_is_given_to_no_customer(desk: Desk, case: Case) -> None:
    opal = person("opal", *RIGHTS)
    customer = User.objects.create_user("customer")
    before = everything(desk)

    answer = act(opal, page(case, "assign"), owner=str(customer.pk))

    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["owner"])
    assert everything(desk) == before


def test_a_note_is_kept_with_the_case_even_a_settled_one(desk: Desk, case: Case) -> None:
    settle(case)
    opal = person("opal", *RIGHTS)

    answer = act(opal, page(case, "note"), reason="The bank says <b>tomorrow</b>")

    assert messages_of(answer) == ["Done. The note is kept with the case."]
    shown = opal.get(page(case))
    [note] = shown.context["acted"]
    assert (note.actor, note.did, note.reason, note.outcome) == (
        "opal", "note authorize payment", "The bank says <b>tomorrow</b>", "noted",
    )  # fmt: skip
    assert "The bank says &lt;b&gt;tomorrow&lt;/b&gt;" in shown.content.decode()


@pytest.mark.parametrize("name", ["take", "assign", "note"])
def test_without_the_right_or_a_reason_nothing_is_done(desk: Desk, case: Case, name: str) -> None:
    other = {"take": "note_case", "assign": "note_case", "note": "assign_case"}[name]
    person("ada")
    given = {"owner": str(User.objects.get(username="ada").pk)} if name == "assign" else {}
    before = everything(desk)

    eve = person("eve", "view_case", other)
    assert eve.get(page(case, name)).status_code == 403
    assert eve.post(page(case, name), given | {"version": 1, "reason": "x"}).status_code == 403
    assert act(person("opal", *RIGHTS), page(case, name), **given, reason=" ").status_code == 400

    assert everything(desk) == before


def test_a_case_that_was_settled_meanwhile_is_given_to_nobody(desk: Desk, case: Case) -> None:
    opal = person("opal", *RIGHTS)
    settle(case)
    before = everything(desk)

    answer = opal.post(page(case, "take"), {"version": 1, "reason": "I look into it"})

    assert answer.status_code == 409
    assert answer.context["foreseen"].why_not == "It is settled: undone."
    assert [str(each).rpartition("> ")[2] for each in answer.context["changes"]] == [
        "settled: undone"
    ]
    assert everything(desk) == before


def test_of_two_who_take_a_case_one_has_it_and_the_other_is_told(desk: Desk, case: Case) -> None:
    ada, opal = (person(name, *RIGHTS) for name in ("ada", "opal"))

    def take(client: Client) -> Any:
        return client.post(page(case, "take"), {"version": 1, "reason": "I look into it"})

    answers: list[Any] = at_once(lambda: take(ada), lambda: take(opal))

    assert sorted(each.status_code for each in answers) == [302, 409]
    _, winner = owner(case)
    told = next(each for each in answers if each.status_code == 409)
    assert f"assign by {winner}: it is {winner}&#x27;s" in str(told.context["changes"][0])
    assert len(audit(desk)) == 1


# --- the ways out


def exits(client: Client, case: Case) -> dict[str, tuple[str, str]]:
    shown = client.get(page(case))
    return {each.act.name: (each.address, each.off) for each in shown.context["exits"]}


MOVES = ("retry_saga", "resolve_saga", "substitute_saga", "record_saga", "compensate_saga")


def test_a_case_leads_to_the_sagas_own_ways_out_of_it(desk: Desk, case: Case) -> None:
    found = exits(person("opal", "view_saga", *RIGHTS, *MOVES), case)

    on = {name: address for name, (address, off) in found.items() if not off}
    step = "?choice=authorize_payment"
    assert on == {
        "retry": saga_page(case.saga_id, "retry") + step,
        "resolve": saga_page(case.saga_id, "resolve") + step,
        "substitute": saga_page(case.saga_id, "substitute") + f"{step}%2FCreditInstead",
    }
    assert found.keys() == {"retry", "resolve", "substitute", "record", "compensate"}


def test_ways_out_need_their_rights_and_an_open_case(desk: Desk, case: Case) -> None:
    assert exits(person("support", "view_saga", *RIGHTS), case) == {}
    assert exits(person("blind", *RIGHTS, *MOVES), case) == {}  # who may not look at sagas

    settle(case)
    assert exits(person("opal", "view_saga", *RIGHTS, *MOVES), case) == {}


def test_what_was_done_to_the_saga_is_in_the_history_of_its_case(desk: Desk, case: Case) -> None:
    opal = person("opal", "view_saga", *RIGHTS, *MOVES)
    address, _ = exits(opal, case)["substitute"]

    act(opal, address)

    assert desk.sent() == [("CreditInstead", "authorize_payment")]
    acted = [(each.actor, each.did) for each in opal.get(page(case)).context["acted"]]
    assert acted == [("opal", "substitute authorize payment")]


def test_a_case_that_nothing_else_closes_is_closed_with_a_reason(desk: Desk) -> None:
    missed = PersonNeeded(kind="start_lost", context="orders", reason="Nobody takes it on")
    saga_id = uuid7()
    hear(news(saga_id, "create_order", missed))
    case = case_of(saga_id)
    opal = person("opal", *RIGHTS, "close_case")
    assert opal.get(LIST).status_code == 200  # of a saga that never started there is no order

    answer = act(opal, page(case, "close"))

    assert messages_of(answer) == ["Done. The case is closed."]
    case.refresh_from_db()
    assert case.closed_by == "hand"
    assert [each[0] for each in audit(desk)] == ["close"]
    off = {each.act.name: each.off for each in opal.get(page(case)).context["buttons"]}
    assert off["close"] == "It is settled: hand."


def test_what_is_outside_keeps_the_name_that_it_has_there(desk: Desk) -> None:
    disputed = PersonNeeded(kind="dispute", context="payments", reason="The bank disputes it")
    saga_id = uuid7()
    hear(news(saga_id, "dp_1A", disputed))
    opal = person("opal", *RIGHTS)

    shown = opal.get(page(case_of(saga_id))).content.decode()
    assert "Dispute: dp_1A" in shown
    assert "dp 1A" not in shown


def test_what_a_saga_has_on_the_desk_is_not_closed_there(desk: Desk, case: Case) -> None:
    opal = person("opal", *RIGHTS, "close_case")
    before = everything(desk)

    assert act(opal, page(case, "close")).status_code == 409

    assert everything(desk) == before
    off = {each.act.name: each.off for each in opal.get(page(case)).context["buttons"]}
    assert off["close"].startswith("It leaves the desk when what it is about is settled")


def test_a_case_tells_the_number_of_its_order(desk: Desk, case: Case) -> None:
    opal = person("opal", *RIGHTS, "view_saga")
    number = number_of(Saga.objects.get(saga_id=case.saga_id).order_id)

    assert number in opal.get(LIST).content.decode()
    assert number in opal.get(page(case)).content.decode()
