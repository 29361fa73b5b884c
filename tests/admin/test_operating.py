"""Doing things to a saga: every act with its right, its reason, its version and its audit row."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import escape
from pytest_django import Settings
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.steps import UndoRefused
from apps.messaging.admin import acting
from apps.sagas import operations
from apps.sagas.admin import operating
from apps.sagas.admin.operating import ACTS
from apps.sagas.errors import UnknownSagaId
from apps.sagas.models import Case, Saga
from apps.sagas.watchdog import Watchdog
from tests.admin.sagas_world import act, audit, everything, messages_of, person, saga_page
from tests.sagas.listening import hear, news, order
from tests.sagas.scenarios import BY_EVENTS, REFUSALS, SUCCESSES, UNDONE, WRAPPED
from tests.sagas.test_operations import seen, stuck_undo
from tests.sagas.test_watchdog import Desk, Ears, loses_its_definition
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
VIEW = "view_saga"
BY_NAME = {each.name: each for each in ACTS}


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(acting, "confirm_address", lambda request: f"/confirm?{request.path}")
    return Desk(databases["sagas"])


def wrapped(desk: Desk) -> UUID:
    """A saga that waits for its gift to be wrapped."""
    saga_id, plan = uuid7(), WRAPPED.to_header()
    hear(news(saga_id, "create_order", order(saga_id), plan=plan))
    for step in WRAPPED.steps[1:4]:
        hear(news(saga_id, step, SUCCESSES[step], plan=plan))
    return saga_id


def paused(desk: Desk, step: str = "freeze_price") -> UUID:
    saga_id = desk.saga_at(step)
    row = desk.owner.execute("SELECT now() + interval '1 hour'").fetchone()
    assert row
    operations.pause_saga(until=row[0], **seen(desk, saga_id))
    desk.owner.execute("TRUNCATE sagas_operatoraction")
    return saga_id


def stuck_pivot(desk: Desk, step: str = "capture_payment") -> UUID:
    saga_id, dog = desk.saga_at(step), Watchdog(Ears())
    for _ in range(5):
        desk.time_passes()
        dog.turn()
    return saga_id


def running(desk: Desk) -> UUID:
    return desk.saga_at("create_shipment")


def two_on_desk(desk: Desk) -> UUID:
    saga_id = running(desk)
    hear(news(saga_id, "create_shipment", REFUSALS["create_shipment"]))
    refused = UndoRefused(reason="no")
    hear(news(saga_id, "authorize_payment", refused, action=Action.UNDO))
    hear(news(saga_id, "freeze_price", refused, action=Action.UNDO))
    for step in ("reserve_stock", "create_order"):
        hear(news(saga_id, step, UNDONE[step], action=Action.UNDO))
    desk.sent()
    return saga_id


# For each act: a saga that allows it, what is given beside the reason, what is sent for it, and the
# audit's operation and step.
CASES: dict[str, tuple[Callable[[Desk], UUID], dict[str, str], list[str], tuple[str, str]]] = {
    "retry": (running, {}, ["CreateShipment"], ("retry", "create_shipment")),
    "compensate": (running, {}, ["CancelShipment"], ("compensate", "")),
    "skip": (wrapped, {}, ["UnwrapGift"], ("skip", "wrap_gift")),
    "pause": (running, {"lasts": "4 hours"}, [], ("pause", "")),
    "resume": (paused, {}, ["FreezePrice"], ("resume", "")),
    "resolve": (
        stuck_undo, {"evidence": "transfer 4711"}, ["ResolveOutside"],
        ("resolve", "authorize_payment"),
    ),
    "substitute": (stuck_undo, {}, ["CreditInstead"], ("substitute", "authorize_payment")),
    "record": (
        stuck_pivot, {"evidence": "seen there"}, ["RecordHappened"],
        ("recordoutcome", "capture_payment"),
    ),
}  # fmt: skip
each_act = pytest.mark.parametrize("name", CASES)


def allowed(desk: Desk, name: str) -> tuple[UUID, dict[str, str]]:
    """A saga that allows the act, with nothing sent yet; and what the form wants."""
    make, given, _, _ = CASES[name]
    saga_id = make(desk)
    desk.sent()
    return saga_id, given


def test_every_act_is_tried_here() -> None:
    assert list(CASES) == [each.name for each in ACTS]


@each_act
def test_it_is_done_with_an_audit_row_of_the_user(desk: Desk, name: str) -> None:
    saga_id, given = allowed(desk, name)
    opal = person("opal", VIEW, BY_NAME[name].permission)

    answer = act(opal, saga_page(saga_id, name), **given)

    assert (answer.status_code, answer["Location"]) == (302, saga_page(saga_id))
    _, _, sent, (operation, step) = CASES[name]
    assert [kind for kind, _ in desk.sent()] == sent
    user = User.objects.get(username="opal")
    assert audit(desk) == [(operation, user.pk, "opal", "saga", step, "The customer called")]
    [told] = messages_of(answer)
    assert told.startswith(f"Done. The saga is {Saga.objects.get(pk=saga_id).status}")
    assert ("is awaited" in told) == (name not in ("pause", "resolve", "substitute"))


@each_act
def test_without_the_right_it_is_refused(desk: Desk, name: str) -> None:
    saga_id, given = allowed(desk, name)
    needed = BY_NAME[name].permission
    others = [each.permission for each in ACTS if each.permission != needed]
    before = everything(desk)

    for number, rights in enumerate(([VIEW, *others], [needed])):
        client = person(f"eve{number}", *rights)
        page = saga_page(saga_id, name)
        assert client.get(page).status_code == 403
        fields = {"version": 1, "reason": "The customer called", **given}
        assert client.post(page, fields).status_code == 403

    assert everything(desk) == before


@each_act
@pytest.mark.parametrize("reason", ["", "  ", "42 !"])
def test_without_a_reason_nothing_is_done(desk: Desk, name: str, reason: str) -> None:
    saga_id, given = allowed(desk, name)
    opal = person("opal", VIEW, BY_NAME[name].permission)
    before = everything(desk)

    answer = act(opal, saga_page(saga_id, name), **given, reason=reason)

    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == ["reason"]
    assert everything(desk) == before


@each_act
def test_on_a_saga_that_moved_nothing_is_done_and_it_is_told(desk: Desk, name: str) -> None:
    saga_id, given = allowed(desk, name)
    opal = person("opal", VIEW, BY_NAME[name].permission)
    version = Saga.objects.get(pk=saga_id).revision
    desk.owner.execute("UPDATE sagas_saga SET revision = revision + 1")
    before = everything(desk)

    answer = act(opal, saga_page(saga_id, name), **given, version=version)

    assert answer.status_code == 409
    text = " ".join(answer.content.decode().split())
    assert "Nothing was done." in text
    assert "It has changed since you looked: look again, then decide anew." in text
    form = answer.context["form"]
    assert (form["version"].value(), form["reason"].value()) == (
        str(version + 1), "The customer called",
    )  # fmt: skip
    assert everything(desk) == before


@each_act
def test_who_did_not_confirm_lately_is_asked_first_where_money_moves(desk: Desk, name: str) -> None:
    saga_id, given = allowed(desk, name)
    opal = person("opal", VIEW, BY_NAME[name].permission, confirmed=False)
    page = saga_page(saga_id, name)
    before = everything(desk)

    shown, answer = opal.get(page), act(opal, page, **given)

    if name in ("retry", "pause", "resume"):
        assert answer["Location"] == saga_page(saga_id)
        return
    assert shown.context["confirm"] == answer["Location"] == f"/confirm?{page}"
    assert "<textarea" not in shown.content.decode()  # what is typed would be lost
    assert everything(desk) == before


def at_the_capture(desk: Desk) -> UUID:
    return desk.saga_at("capture_payment")


def paused_at_the_capture(desk: Desk) -> UUID:
    return paused(desk, "capture_payment")


def late(desk: Desk) -> UUID:
    """Paused past its deadline: it turns back, and the hold is given back."""
    saga_id = paused(desk, "authorize_payment")
    desk.owner.execute("UPDATE sagas_saga SET deadline_at = now() - interval '1 s'")
    return saga_id


@pytest.mark.parametrize(
    ("name", "make", "choice", "asks"),
    [
        ("retry", running, "create_shipment", False),
        ("retry", at_the_capture, "capture_payment", True),
        ("retry", two_on_desk, "freeze_price", False),
        ("retry", two_on_desk, "authorize_payment", True),
        ("resume", paused, "", False),
        ("resume", paused_at_the_capture, "", True),
        ("resume", late, "", True),
    ],
)
def test_who_asks_a_step_of_payments_says_first_who_they_are(
    desk: Desk, name: str, make: Callable[[Desk], UUID], choice: str, asks: bool
) -> None:
    saga_id = make(desk)
    desk.sent()
    opal = person("opal", VIEW, BY_NAME[name].permission, confirmed=False)
    where = f"{saga_page(saga_id, name)}{f'?choice={choice}' * bool(choice)}"
    before = everything(desk)

    shown, answer = opal.get(where), act(opal, where, choice=choice)

    if asks:
        assert (
            shown.context["confirm"] == answer["Location"] == f"/confirm?{saga_page(saga_id, name)}"
        )
        assert everything(desk) == before
    else:
        assert answer["Location"] == saga_page(saga_id)
        assert len(desk.sent()) == 1


def test_a_blank_before_the_step_is_no_way_past_it(desk: Desk) -> None:
    saga_id = two_on_desk(desk)
    opal = person("opal", VIEW, BY_NAME["retry"].permission, confirmed=False)
    before = everything(desk)

    answer = act(opal, saga_page(saga_id, "retry"), choice=" authorize_payment")

    assert answer["Location"] == f"/confirm?{saga_page(saga_id, 'retry')}"
    assert everything(desk) == before


@each_act
def test_a_look_changes_nothing(desk: Desk, name: str) -> None:
    saga_id, _ = allowed(desk, name)
    opal = person("opal", VIEW, BY_NAME[name].permission)
    before = everything(desk)

    assert opal.get(saga_page(saga_id, name)).status_code == 200
    assert opal.get(saga_page(saga_id)).status_code == 200
    assert opal.put(saga_page(saga_id, name)).status_code == 405
    assert everything(desk) == before


def test_an_act_on_no_saga_leads_home(desk: Desk) -> None:
    opal = person("opal", VIEW, "retry_saga")

    for key in (str(uuid7()), "nonsense"):
        answer = opal.get(f"/admin/sagas/saga/{key}/retry/")
        assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_a_saga_whose_definition_is_not_in_this_code_is_shown_and_nothing_can_be_done(
    desk: Desk,
) -> None:
    saga_id = running(desk)
    loses_its_definition(desk, saga_id)
    desk.time_passes()
    Watchdog(Ears()).turn()
    [case] = Case.objects.all()
    opal = person("opal", VIEW, "retry_saga", "view_case")
    before = everything(desk)

    case_page = f"/admin/sagas/case/{case.id}/change/"
    for address in (saga_page(saga_id), saga_page(saga_id, "live"), case_page):
        assert opal.get(address).status_code == 200
    assert buttons(opal, saga_id) == {}
    answer = opal.post(saga_page(saga_id, "retry"), {"version": 1, "reason": "why"})
    assert answer["Location"] == saga_page(saga_id)
    assert messages_of(answer)[0].startswith("No definition that this code has fits")
    assert everything(desk) == before


def test_of_what_cannot_be_foreseen_the_page_shows_no_button(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga_id = running(desk)
    opal = person("opal", VIEW, "retry_saga")
    before = everything(desk)

    def unknown(saga_id: UUID) -> None:
        raise UnknownSagaId(saga=str(saga_id))

    monkeypatch.setattr(operating, "look", unknown)

    assert buttons(opal, saga_id) == {}
    answer = opal.post(saga_page(saga_id, "retry"), {"version": 1, "reason": "why"})
    assert answer["Location"] == saga_page(saga_id)
    assert messages_of(answer)[0].startswith("There is no saga of that id")
    assert everything(desk) == before


@pytest.mark.parametrize("field", ["evidence", "lasts"])
def test_what_a_form_wants_is_needed(desk: Desk, field: str) -> None:
    name = {"evidence": "resolve", "lasts": "pause"}[field]
    saga_id, _ = allowed(desk, name)
    opal = person("opal", VIEW, BY_NAME[name].permission)
    before = everything(desk)

    answer = act(opal, saga_page(saga_id, name))

    assert (answer.status_code, list(answer.context["form"].errors)) == (400, [field])
    assert everything(desk) == before


# --- what would follow


def parts(client: Client, page: str) -> dict[str, list[str]]:
    """The consequences as people read them."""
    shown = client.get(page)
    found = shown.context["foreseen"].parts
    plain = {
        each.title: [re.sub(r"<[^>]+>", "", str(line)) for line in each.lines] for each in found
    }
    return {title: lines for title, lines in plain.items() if lines}


def test_the_consequences_are_told_in_money_and_pieces(desk: Desk) -> None:
    opal = person("opal", VIEW, "compensate_saga")

    assert parts(opal, saga_page(running(desk), "compensate")) == {
        "Sent at once": ["CancelShipment"],
        "Undone in this order": [
            "create shipment: not known to have happened",
            "authorize payment: 15.00 GBP given back",
            "freeze price",
            "reserve stock: 6 pieces put back",
            "create order: the order is cancelled",
        ],
        "In all": ["15.00 GBP given back, 6 pieces put back"],
        "The customer reads": ["that 15.00 is given back", "that the order is cancelled"],
        "Cannot be undone": ["Not known to have happened, undone if it did: create shipment."],
    }


def test_at_the_pivot_the_order_of_undoing_is_a_condition(desk: Desk) -> None:
    opal = person("opal", VIEW, "compensate_saga")

    found = parts(opal, saga_page(desk.saga_at("capture_payment"), "compensate"))

    assert "Undone in this order, if the pivot has not happened" in found
    assert found["Sent at once"] == ["Fence"]


def test_a_substitute_gives_back_at_most_what_was_paid(desk: Desk) -> None:
    opal = person("opal", VIEW, "substitute_saga")

    found = parts(opal, saga_page(stuck_undo(desk), "substitute"))

    assert found["Undone in this order"] == [
        "authorize payment: by CreditInstead, up to 15.00 GBP given back"
    ]


# --- buttons


def buttons(client: Client, saga_id: UUID) -> dict[str, str]:
    """What is shown, and why it is off."""
    shown = client.get(saga_page(saga_id))
    for each in shown.context["buttons"]:
        assert escape(each.off or each.address) in shown.content.decode()
    return {each.act.name: each.off for each in shown.context["buttons"]}


RIGHTS = sorted({each.permission for each in ACTS})


def test_who_has_no_right_sees_no_button(desk: Desk) -> None:
    saga_id = running(desk)

    assert buttons(person("support", VIEW), saga_id) == {}
    assert buttons(person("clerk", VIEW, "pause_saga"), saga_id).keys() == {"pause", "resume"}


def test_what_is_off_says_why(desk: Desk) -> None:
    opal = person("opal", VIEW, *RIGHTS)

    assert buttons(opal, running(desk)) == {
        "retry": "",
        "compensate": "",
        "skip": "create shipment cannot be skipped: its definition does not say so.",
        "pause": "",
        "resume": "The saga is not paused.",
        "resolve": "No undoing stands on the desk, so there is none to settle.",
        "substitute": "No undoing stands on the desk that could be done in another way.",
        "record": "Only the outcome of a pivot, or of a step behind it, that is stuck can be "
        "recorded; create shipment is not.",
    }


def test_what_is_recorded_waits_for_the_services_answer(desk: Desk) -> None:
    opal = person("opal", VIEW, "record_saga")

    answer = act(opal, saga_page(stuck_pivot(desk), "record"), evidence="seen there")

    assert messages_of(answer) == [
        "Done. The saga is stuck; the answer of payments to capture payment (do) is awaited."
    ]


def test_what_happens_in_our_own_database_is_not_recorded_by_hand(desk: Desk) -> None:
    saga_id = stuck_pivot(desk, "confirm_order")

    assert buttons(person("opal", VIEW, "record_saga"), saga_id) == {
        "record": "confirm order happens in our own database, which knows whether it did: retry "
        "it, or replay its parked message."
    }


def by_events(desk: Desk) -> UUID:
    """A saga that events drive, and that waits for its price to be frozen."""
    saga_id, plan = uuid7(), BY_EVENTS.to_header()
    hear(news(saga_id, "create_order", order(saga_id), plan=plan))
    hear(news(saga_id, "reserve_stock", SUCCESSES["reserve_stock"], plan=plan))
    return saga_id


def test_of_a_saga_that_events_drive_only_what_takes_it_over_is_on(desk: Desk) -> None:
    found = buttons(person("opal", VIEW, *RIGHTS), by_events(desk))

    assert found == {
        "retry": "",
        "compensate": "",
        "skip": "Events drive this saga, or did, so that others may have undone their steps: "
        "nothing is skipped. Compensate turns it back if it still can.",
        "pause": "Events drive this saga, so that nothing holds it. Retry lets the engine take it "
        "over and ask the awaited step again, and what the engine asks can be paused; compensate "
        "takes it over and turns it back if it still can.",
        "resume": "The saga is not paused.",
        "resolve": "No undoing stands on the desk, so there is none to settle.",
        "substitute": "No undoing stands on the desk that could be done in another way.",
        "record": "Events drive this saga, so that nobody knows it to be stuck. Retry lets the "
        "engine take it over and ask the awaited step again; what gives no answer then can be "
        "recorded.",
    }


def test_the_page_tells_who_drives_and_when_the_engine_takes_over(desk: Desk) -> None:
    saga_id, opal = by_events(desk), person("opal", VIEW, *RIGHTS)

    def shown() -> tuple[dict[str, object], str]:
        answer = opal.get(saga_page(saga_id))
        assert driven(answer.context["saga"]) in answer.content.decode()
        return dict(answer.context["facts"]), driven(answer.context["saga"])

    facts, by = shown()
    assert by == "version 1, choreographed"
    assert facts["The engine takes over"]
    assert not {"Sending", "Next sending"} & facts.keys()

    act(opal, saga_page(saga_id, "retry"))

    facts, by = shown()
    assert by == "version 1, choreographed, taken over by the engine"
    assert facts["Sending"] == "1 of 4"
    assert "Next sending" in facts
    assert "The engine takes over" not in facts


def test_what_is_foreseen_of_a_saga_that_events_drive_is_as_last_heard(desk: Desk) -> None:
    saga_id, opal = by_events(desk), person("opal", VIEW, *RIGHTS)

    found = parts(opal, saga_page(saga_id, "compensate"))

    assert found["Sent at once"] == ["Fence"]
    assert [each.partition(":")[0] for each in found[UNDONE_IF]] == [
        "create shipment", "authorize payment", "freeze price", "reserve stock", "create order",
    ]  # fmt: skip
    assert found["Cannot be undone"][:2] == [
        AS_LAST_HEARD,
        "If the pivot has happened already, nothing is undone and the saga goes forward.",
    ]
    assert parts(opal, saga_page(saga_id, "retry"))["Cannot be undone"] == [AS_LAST_HEARD]


UNDONE_IF = "Undone in this order, if the pivot has not happened"
AS_LAST_HEARD = "The engine takes the saga over for good. What is known of it is as last heard."


def test_a_pause_after_a_take_over_tells_what_it_does_not_hold(desk: Desk) -> None:
    saga_id, opal = by_events(desk), person("opal", VIEW, *RIGHTS)
    act(opal, saga_page(saga_id, "retry"))

    found = parts(opal, saga_page(saga_id, "pause"))

    assert found["Cannot be undone"] == [
        "Services may go on by what they had told one another before the engine took over."
    ]
    assert "Cannot be undone" not in parts(opal, saga_page(running(desk), "pause"))


def driven(saga: Saga) -> str:
    """Who drives it, as the page says it."""
    return str(admin.site.get_model_admin(Saga).driven(saga))  # type: ignore[attr-defined]


def test_at_the_desk_the_ways_out_are_on(desk: Desk) -> None:
    found = buttons(person("opal", VIEW, *RIGHTS), stuck_undo(desk))

    on = [name for name, off in found.items() if not off]
    assert on == ["retry", "pause", "resolve", "substitute"]
    assert "which can be retried, resolved or substituted" in found["compensate"]


def test_at_its_end_every_button_is_off(desk: Desk) -> None:
    saga_id = running(desk)
    for step in ("create_shipment", "capture_payment", "confirm_order", "send_confirmation"):
        hear(news(saga_id, step, SUCCESSES[step]))

    found = buttons(person("opal", VIEW, *RIGHTS), saga_id)

    assert all(found.values())
    assert found["retry"] == "The saga has ended as confirmed; nothing can be retried."


def test_a_page_of_what_is_off_says_why_and_has_no_form(desk: Desk) -> None:
    saga_id = running(desk)
    opal = person("opal", VIEW, "resume_saga", "pause_saga")
    before = everything(desk)

    shown = opal.get(saga_page(saga_id, "resume"))
    answer = act(opal, saga_page(saga_id, "resume"))

    assert "The saga is not paused." in shown.content.decode()
    assert "<textarea" not in shown.content.decode()
    assert answer.status_code == 409
    assert answer.context["refusal"] == "The saga is not paused."
    assert everything(desk) == before


def test_with_several_on_the_desk_one_is_chosen_first(desk: Desk) -> None:
    saga_id = two_on_desk(desk)
    opal = person("opal", VIEW, "resolve_saga")
    page = saga_page(saga_id, "resolve")

    shown = opal.get(page)
    assert shown.context["to_choose"] == [
        ("?choice=authorize_payment", "undoing authorize payment"),
        ("?choice=freeze_price", "undoing freeze price"),
    ]
    assert "<textarea" not in shown.content.decode()

    answer = act(opal, f"{page}?choice=freeze_price", evidence="a ticket")

    assert answer.status_code == 302
    assert desk.sent() == [("ResolveOutside", "freeze_price")]


# --- two persons


def test_of_two_persons_one_wins_and_the_other_is_told_what_changed(desk: Desk) -> None:
    saga_id = running(desk)
    desk.sent()
    ada, opal = (person(name, VIEW, *RIGHTS) for name in ("ada", "opal"))
    given = {"version": Saga.objects.get(pk=saga_id).revision, "choice": "create_shipment"}

    def send(client: Client, name: str) -> Any:
        return client.post(saga_page(saga_id, name), given | {"reason": f"{name} it"})

    answers: list[Any] = at_once(lambda: send(ada, "compensate"), lambda: send(opal, "retry"))

    assert sorted(each.status_code for each in answers) == [302, 409]
    [row] = audit(desk)
    assert len(desk.sent()) == 1
    told = next(each for each in answers if each.status_code == 409)
    changes = " ".join(map(str, told.context["changes"]))
    assert f"{row[0]} by {row[2]} {row[0]} it: " in changes
    now = Saga.objects.get(pk=saga_id).revision
    assert told.context["foreseen"].version == now == given["version"] + 1


# --- four eyes


def test_above_the_limit_a_request_is_written_and_the_saga_stays(
    desk: Desk, settings: Settings
) -> None:
    settings.APPROVAL_LIMIT_CENTS = 1499
    saga_id = running(desk)
    desk.sent()
    opal = person("opal", VIEW, "compensate_saga", "view_approval")
    before = desk.saga(saga_id)
    page = saga_page(saga_id, "compensate")
    assert "This gives back 15.00 GBP, more than one person may." in opal.get(page).content.decode()

    answer = act(opal, page)

    assert answer["Location"] == saga_page(saga_id)
    [told] = messages_of(answer)
    assert told.startswith("Nothing is done yet: another person has to approve it by")
    assert (desk.saga(saga_id), desk.sent()) == (before, [])
    assert [each[:3] for each in audit(desk)] == [
        ("request", User.objects.get(username="opal").pk, "opal")
    ]
    assert buttons(opal, saga_id) == {
        "compensate": "opal has asked for this; it waits for another person's approval."
    }


def test_up_to_the_limit_one_person_suffices(desk: Desk, settings: Settings) -> None:
    settings.APPROVAL_LIMIT_CENTS = 1500
    saga_id = running(desk)

    act(person("opal", VIEW, "compensate_saga"), saga_page(saga_id, "compensate"))

    assert desk.saga(saga_id)[0] == "compensating"
