"""`manage.py sagas`: every operation from a terminal."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from tests.sagas.listening import hear, news
from tests.sagas.scenarios import UNDONE
from tests.sagas.test_operations import audit, stuck_undo
from tests.sagas.test_watchdog import Desk

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection]) -> Desk:
    return Desk(databases["sagas"])


def sagas(*words: Any) -> str:
    out = StringIO()
    call_command("sagas", *map(str, words), stdout=out)
    return out.getvalue()


def act(what: str, *words: Any) -> str:
    return sagas(what, *words, "--reason", "The customer called", "--yes")


def test_a_list_and_one_saga(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")

    listed = sagas("list", "--status", "running")
    shown = sagas("show", saga_id)

    assert str(saga_id) in listed
    assert "freeze_price" in listed
    assert "it waits for freeze_price (do)" in shown
    assert "reserve_stock" in shown
    assert json.loads(sagas("list", "--json"))[0]["saga_id"] == str(saga_id)
    assert json.loads(sagas("show", saga_id, "--json"))["pending_step"] == "freeze_price"


def test_an_empty_desk(desk: Desk) -> None:
    assert sagas("cases") == "The desk is empty.\n"
    assert sagas("list") == "There are no such sagas.\n"


def test_compensating_shows_what_follows_and_does_it(desk: Desk) -> None:
    User.objects.create_user("opal", is_staff=True)
    saga_id = desk.saga_at("create_shipment")

    told = act("compensate", saga_id, "--as", "opal")

    assert "Undone in this order: create_shipment, authorize_payment, freeze_price" in told
    assert "Given back: 15.00 GBP; put back: 6 pieces." in told
    assert (
        "Done. The saga is compensating; the answer of shipping to create_shipment (undo) is "
        "awaited." in told
    )
    assert audit(desk)[0][2] == "opal"
    assert "compensate by opal" in sagas("show", saga_id)


def test_what_is_sent_has_left_when_the_command_ends(desk: Desk, topics: None) -> None:
    saga_id = desk.saga_at("freeze_price")
    desk.sent()
    words = ("sagas", "retry", str(saga_id), "freeze_price", "--reason", "It is mended", "--yes")
    ran = subprocess.run(
        [sys.executable, "manage.py", *words], check=True, capture_output=True, text=True
    )

    assert "Done." in ran.stdout
    assert desk.sent() == []


def test_an_order_names_its_saga(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    row = desk.owner.execute("SELECT order_id FROM sagas_saga").fetchone()
    assert row

    assert str(saga_id) in sagas("show", row[0])


def settle(saga_id: UUID, generation: int = 2) -> None:
    answer = UNDONE["authorize_payment"]
    hear(news(saga_id, "authorize_payment", answer, action=Action.UNDO, generation=generation))


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (("retry", "authorize_payment"), "RefundPayment"),
        (("resolve", "authorize_payment", "transfer 4711"), "ResolveOutside"),
        (("substitute", "authorize_payment", "CreditInstead"), "CreditInstead"),
    ],
)
def test_out_of_stuck_by_each_exit(desk: Desk, words: tuple[str, ...], sent: str) -> None:
    saga_id = stuck_undo(desk)
    assert "The card is closed" in sagas("cases")

    act(words[0], saga_id, *words[1:])
    assert desk.sent() == [(sent, "authorize_payment")]
    settle(saga_id)

    assert "undone" in sagas("show", saga_id)
    assert sagas("cases") == "The desk is empty.\n"


def test_pause_and_resume(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")

    act("pause", saga_id, "90m")
    assert "paused until" in sagas("show", saga_id)
    act("resume", saga_id)

    assert "paused until" not in sagas("show", saga_id)


def test_cases_are_assigned_and_noted(desk: Desk) -> None:
    User.objects.create_user("opal", is_staff=True)
    stuck_undo(desk)
    [case] = json.loads(sagas("cases", "--json"))

    act("assign", case["id"], "opal")
    act("note", case["id"])

    assert "opal" in sagas("cases")
    assert [each[0] for each in audit(desk)] == ["assign", "note"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "nonsense"), "is no id; `manage.py sagas list` shows ids"),
        (("note", "nonsense", "--reason", "x"), "is no id; `manage.py sagas cases` shows ids"),
        (("show", uuid7()), "There is no saga or order"),
        (("compensate", uuid7(), "--reason", "x", "--yes"), "There is no saga or order"),
        (("note", uuid7(), "--reason", "x"), "There is no open case"),
    ],
)
def test_what_is_not_there_is_told(desk: Desk, words: tuple[Any, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        sagas(*words)


def test_what_is_not_allowed_is_told_and_nothing_is_done(desk: Desk) -> None:
    saga_id = desk.saga_at("freeze_price")
    desk.sent()
    with pytest.raises(CommandError, match="does not say so"):
        act("skip", saga_id, "freeze_price")
    with pytest.raises(CommandError, match="neither like 90m"):
        act("pause", saga_id, "soon")
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        act("compensate", saga_id, "--as", "nobody")
    with pytest.raises(CommandError, match=r"proven: .*, a ticket\.$"):
        act("resolve", saga_id, "freeze_price", " ")
    with pytest.raises(CommandError, match="Give a reason"):
        sagas("compensate", saga_id, "--reason", "!", "--yes")

    assert (desk.sent(), audit(desk)) == ([], [])


def test_who_is_not_sure_does_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    saga_id = desk.saga_at("freeze_price")
    desk.sent()
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))

    with pytest.raises(CommandError, match="Nothing was done"):
        sagas("compensate", saga_id, "--reason", "The customer called")

    assert (desk.sent(), audit(desk)) == ([], [])


LIMITS = ("-1", "0", "1001", "99999999999999999999", "1" * 5000, "many", "1.5", "", "٣")


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("what", ["list", "cases"])
def test_a_limit_that_is_none_is_told(desk: Desk, what: str, limit: str) -> None:
    with pytest.raises(CommandError, match="--limit: a whole number from 1 to 1000"):
        sagas(what, f"--limit={limit}")


def test_a_list_says_when_there_are_more(desk: Desk) -> None:
    for _ in range(3):
        desk.saga_at("freeze_price")

    assert "There are more: see them with --limit" in sagas("list", "--limit", 2)
    assert len(json.loads(sagas("list", "--limit", 2, "--json"))) == 2
    assert "more" not in sagas("list", "--limit", 3)


def test_of_the_open_cases_the_oldest_are_shown_and_of_all_the_newest(desk: Desk) -> None:
    first, _, last = (stuck_undo(desk) for _ in range(3))

    opened = json.loads(sagas("cases", "--limit", 1, "--json"))
    every = json.loads(sagas("cases", "--all", "--limit", 1, "--json"))

    assert [each["saga_id"] for each in (*opened, *every)] == [str(first), str(last)]
    assert "There are more: see them with --limit" in sagas("cases", "--limit", 2)


@pytest.mark.parametrize(
    "until",
    ["99999999999999d", "999999999d", "2026-13-45T00:00", "9" * 5000 + "m", "-3d", "d", "",
     "12:00", "٣d"],
)  # fmt: skip
def test_an_end_of_a_pause_that_is_no_time_is_told(desk: Desk, until: str) -> None:
    saga_id = desk.saga_at("freeze_price")

    with pytest.raises(CommandError, match="neither like 90m, 4h, 2d nor a time"):
        sagas("pause", "--reason", "The bank is shut", "--yes", saga_id, "--", until)

    assert audit(desk) == []


@pytest.mark.parametrize("until", ["0001-01-01T00:00", "9999-12-31T23:59-12:00", "999999d", "8d"])
def test_an_end_of_a_pause_that_is_too_far_away_is_told(desk: Desk, until: str) -> None:
    saga_id = desk.saga_at("freeze_price")

    with pytest.raises(CommandError, match="within seven days"):
        act("pause", saga_id, until)

    assert audit(desk) == []


@pytest.mark.parametrize("option", ["--reason", "--as"])
def test_what_is_no_text_is_told(desk: Desk, option: str) -> None:
    stuck_undo(desk)
    [case] = json.loads(sagas("cases", "--json"))

    with pytest.raises(CommandError, match="has bytes that are no text"):
        sagas("note", case["id"], "--reason", "Why not", option, "what\udcff")

    assert audit(desk) == []


def test_days_are_shown_for_a_stuck_saga_lasts_days(desk: Desk) -> None:
    saga_id = stuck_undo(desk)

    shown = sagas("show", saga_id)

    day = f"{datetime.now(UTC):%Y-%m-%d}"
    assert re.search(rf"^started         {day} \d\d:\d\d:\d\d UTC$", shown, re.MULTILINE)
    assert re.search(r"^asked again     \S+ \S+ UTC$", shown, re.MULTILINE)
    assert re.search(r"^at \(UTC\) ", shown, re.MULTILINE)
    assert re.search(rf"^{day} \d\d:\d\d:\d\d\.\d\d\d ", shown, re.MULTILINE)
    assert "started (UTC)" in sagas("list")
    assert "since (UTC)" in sagas("cases")


def test_only_staff_acts_and_owns(desk: Desk) -> None:
    User.objects.create_user("carl")
    User.objects.create_user("gone", is_staff=True, is_active=False)
    saga_id = stuck_undo(desk)
    [case] = json.loads(sagas("cases", "--json"))

    for name in ("carl", "gone"):
        told = f"'{name}' is no active member of staff"
        with pytest.raises(CommandError, match=f"{told}: only who may .* acts; or leave out --as"):
            act("retry", saga_id, "authorize_payment", "--as", name)
        with pytest.raises(CommandError, match=f"{told}: only who may .* owns a case"):
            act("assign", case["id"], name)

    assert audit(desk) == []


def test_the_owner_of_a_case_is_named(desk: Desk) -> None:
    stuck_undo(desk)
    [case] = json.loads(sagas("cases", "--json"))

    with pytest.raises(CommandError, match="Say whose the case is"):
        act("assign", case["id"], "")
    with pytest.raises(CommandError, match=r"no user 'nobody'.*only who may .* owns a case\.$"):
        act("assign", case["id"], "nobody")

    assert audit(desk) == []
