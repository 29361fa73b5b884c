"""What people did by hand, in every database, in one list."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import psycopg
import pytest
from django.db import transaction
from django.test import Client
from uuid_utils.compat import uuid7

from apps.messaging.audit import Actor, write_down
from apps.messaging.database import Database
from apps.messaging.models import SubjectKind
from apps.ops.audit import Wanted, actions, operations
from sagaplatform import staff_actions
from sagaplatform.env import CONTEXTS
from sagaplatform.roles import AUDITOR, OPERATIONS
from tests.admin.people import logged_in, user_of
from tests.admin.test_saga_page import words

Databases = dict[str, psycopg.Connection]
SAGA = UUID("01a209f2-36ce-718b-90fe-f123a27b85d2")
ALL = len(CONTEXTS) + 2  # that `acted` does


def act(context: str, *, actor: str = "olga", operation: str = "retry", reason: str = "") -> None:
    """Somebody does something to a saga."""
    database = Database(context)
    with database.transaction():
        write_down(
            database, actor=Actor(1, actor), operation=operation, subject_kind=SubjectKind.SAGA,
            subject_id=SAGA, saga_id=SAGA, step="reserve_stock", version=1,
            reason=reason or f"because of {context}", parameters={}, outcome="asked again",
        )  # fmt: skip


def turn_flag(reason: str = "it is broken") -> None:
    with transaction.atomic():
        staff_actions.write_down(
            actor=Actor(2, "ada"), operation="change_flag", subject_kind="flag",
            subject="gift_wrap", before={"active": True}, after={"active": False}, reason=reason,
        )  # fmt: skip


@pytest.fixture
def acted(databases: Databases) -> None:
    """One action in each context, a flag, and one more in the first context: in this order."""
    for context in CONTEXTS:
        act(context)
    turn_flag()
    act("orders", actor="otto", operation="pause", reason="wait for the carrier")


@pytest.fixture
def auditor(shop: Databases) -> Client:
    return logged_in(user_of(AUDITOR))


def test_all_databases_are_one_list_newest_first(acted: None) -> None:
    found = actions(Wanted(), limit=50)

    assert [(each.context, each.actor, each.operation) for each in found] == [
        ("orders", "otto", "pause"),
        ("", "ada", "change_flag"),
        *((context, "olga", "retry") for context in reversed(CONTEXTS)),
    ]
    assert operations() == ["change_flag", "pause", "retry"]


def test_pages_begin_behind_the_last_of_the_one_before(acted: None) -> None:
    everything = actions(Wanted(), limit=50)
    pages: list[Any] = []
    behind = Wanted()
    for _ in range(3):
        pages.append(actions(behind, limit=4))
        behind = Wanted(before=pages[-1][-1].id)

    assert [len(page) for page in pages] == [4, 4, ALL - 8]
    assert [each for page in pages for each in page] == everything
    assert actions(behind, limit=4) == []


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(actor="olga"), len(CONTEXTS)),
        (Wanted(actor="olg"), 0),
        (Wanted(operation="pause"), 1),
        (Wanted(operation="change_flag"), 1),
        (Wanted(saga_id=SAGA), len(CONTEXTS) + 1),
        (Wanted(saga_id=UUID(int=1)), 0),
        (Wanted(actor="otto", operation="retry"), 0),
        (Wanted(since=datetime(2020, 1, 1, tzinfo=UTC)), ALL),
        (Wanted(since=datetime(2120, 1, 1, tzinfo=UTC)), 0),
        (Wanted(until=datetime(2020, 1, 1, tzinfo=UTC)), 0),
        (Wanted(until=datetime(2120, 1, 1, tzinfo=UTC)), ALL),
    ],
)
def test_what_is_wanted_is_found_and_nothing_else(acted: None, wanted: Wanted, count: int) -> None:
    assert len(actions(wanted, limit=50)) == count


def rows(client: Client, query: str = "") -> list[list[str]]:
    shown = client.get(f"/admin/audit/{query}")
    assert shown.status_code == 200
    return [[words(cell) for cell in row] for row in shown.context["section"].rows]


def test_the_page_tells_it_in_words(auditor: Client) -> None:
    act("sagas")
    turn_flag()

    assert rows(auditor) == [
        ["TIME", "ada", "change flag", "flag gift_wrap", "", "it is broken",
         "active on → active off"],
        ["TIME", "olga", "retry", "saga …f123a27b85d2", "reserve stock", "because of sagas",
         "asked again"],
    ]  # fmt: skip
    link = f'href="/admin/sagas/saga/{SAGA}/change/"'
    assert link in auditor.get("/admin/audit/").content.decode()


def test_the_page_takes_what_is_asked_for_from_its_address(auditor: Client) -> None:
    act("sagas")
    act("orders", actor="otto")
    turn_flag()
    now = datetime.now(UTC)
    ago, soon = ((now + timedelta(hours=hours)).isoformat() for hours in (-1, 1))

    assert [row[1] for row in rows(auditor, "?actor=otto")] == ["otto"]
    assert [row[1] for row in rows(auditor, "?operation=change_flag")] == ["ada"]
    assert [row[1] for row in rows(auditor, f"?saga={SAGA}")] == ["otto", "olga"]
    assert len(rows(auditor, f"?since={quote(ago)}&until={quote(soon)}")) == 3
    assert rows(auditor, f"?until={quote(ago)}") == rows(auditor, f"?since={quote(soon)}") == []
    assert rows(auditor, f"?until={now:%Y-%m-%d}T00:00") == []  # in UTC, where no zone is said
    assert rows(auditor, "?until=2020-01-01") == []
    assert (
        "Nobody did anything of the kind." in auditor.get("/admin/audit/?actor=x").content.decode()
    )


@pytest.mark.parametrize("query", ["?saga=x", "?since=yesterday", "?before=1", "?operation=dance"])
def test_what_makes_no_sense_is_refused_in_words(auditor: Client, query: str) -> None:
    answer = auditor.get(f"/admin/audit/{query}")

    assert answer.status_code == 400
    assert answer.context["form"].errors


def test_a_long_list_has_pages_that_keep_the_question(auditor: Client) -> None:
    for _ in range(51):
        act("sagas")
    act("sagas", actor="otto")
    first = auditor.get("/admin/audit/?actor=olga")
    second = auditor.get(f"/admin/audit/{first.context['older']}")

    assert len(first.context["section"].rows) == 50
    assert first.context["older"].startswith("?actor=olga&before=")
    assert (len(second.context["section"].rows), second.context["older"]) == (1, "")
    assert second.context["newer"] == "?actor=olga"


def test_text_of_others_is_no_markup(auditor: Client) -> None:
    act("sagas", actor="<b>eve</b>", reason="<script>alert(1)</script>")
    shown = auditor.get("/admin/audit/").content.decode()

    assert "<script>alert(1)" not in shown
    assert "&lt;b&gt;eve&lt;/b&gt;" in shown


def test_operations_do_not_see_the_page_and_have_no_link_to_it(shop: Databases) -> None:
    operator = logged_in(user_of(OPERATIONS))

    assert operator.get("/admin/audit/").status_code == 403
    home = operator.get("/admin/")
    assert 'href="/admin/audit/"' not in home.content.decode()
    assert 'href="/admin/audit/"' in logged_in(user_of(AUDITOR)).get("/admin/").content.decode()


def test_an_id_is_a_place_in_time() -> None:
    """What the order of the list rests on."""
    ids = [uuid7() for _ in range(1000)]
    assert ids == sorted(ids)
