"""What staff change in the admin: not without a reason, and never unseen."""

import re
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Group, User
from django.core.management.sql import emit_post_migrate_signal
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from uuid_utils.compat import uuid7
from waffle import get_waffle_switch_model, switch_is_active

from apps.messaging.audit import Actor
from apps.messaging.errors import OutsideTransaction, ReasonMissing
from sagaplatform.models import StaffAction
from sagaplatform.roles import OPERATIONS
from sagaplatform.staff_actions import write_down
from tests.admin.people import PASSWORD, SUPERUSER, logged_in, user_of

Databases = dict[str, psycopg.Connection]
Switch = get_waffle_switch_model()
pytestmark = pytest.mark.usefixtures("databases")
WHY = "the ribbon machine is broken"


@pytest.fixture
def flag() -> Any:
    wanted = {"active": True, "note": "Boxes and ribbons."}
    return Switch.objects.update_or_create(name="gift_wrap", defaults=wanted)[0]


@pytest.fixture
def operator() -> Client:
    return logged_in(user_of(OPERATIONS, "olga"))


@pytest.fixture
def administrator() -> Client:
    return logged_in(user_of(SUPERUSER, "ada"))


def change(client: Client, row: Any, **fields: object) -> HttpResponse:
    """The answer to a form; what is None is not sent, as a box that is not ticked."""
    app, model = row._meta.app_label, row._meta.model_name
    given = {name: value for name, value in fields.items() if value is not None}
    return client.post(f"/admin/{app}/{model}/{row.pk}/change/", given)


def told() -> list[tuple[Any, ...]]:
    """The audit, oldest first."""
    return [
        (each.actor, each.operation, each.subject, each.before, each.after, each.reason)
        for each in StaffAction.objects.order_by("id")
    ]


def test_a_flag_is_turned_with_a_reason_by_who_may(flag: Any, operator: Client) -> None:
    answer = change(operator, flag, note=flag.note, reason=WHY)

    assert answer.status_code == 302
    assert switch_is_active("gift_wrap") is False
    assert told() == [
        ("olga", "change_flag", "gift_wrap", {"active": True}, {"active": False}, WHY)
    ]
    assert StaffAction.objects.get().actor_id == User.objects.get(username="olga").pk


@pytest.mark.parametrize("reason", [None, "", "   ", "...", "-"])
def test_without_a_reason_it_stays_as_it_was(
    flag: Any, operator: Client, reason: str | None
) -> None:
    answer = change(operator, flag, note=flag.note, reason=reason)

    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors.keys() == {"reason"}
    flag.refresh_from_db()
    assert (flag.active, told()) == (True, [])


def test_a_flags_page_tells_who_turned_it_and_why(flag: Any, operator: Client) -> None:
    change(operator, flag, note=flag.note, reason=WHY)
    change(operator, flag, active="on", note=flag.note, reason="mended")
    section = operator.get(f"/admin/waffle/switch/{flag.pk}/change/").context["staff_actions"]

    assert [row[1:] for row in section.rows] == [
        ("olga", "active off", "active on", "mended"),
        ("olga", "active on", "active off", WHY),
    ]


def test_a_flag_keeps_its_name_and_is_not_made_or_deleted_by_operations(
    flag: Any, operator: Client
) -> None:
    change(operator, flag, name="other", active="on", note=flag.note, reason=WHY)
    made = operator.post("/admin/waffle/switch/add/", {"name": "other", "reason": WHY})
    gone = operator.post(f"/admin/waffle/switch/{flag.pk}/delete/", {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": str(flag.pk), "post": "yes"}
    operator.post("/admin/waffle/switch/", chosen)

    assert (made.status_code, gone.status_code) == (403, 403)
    assert [each.name for each in Switch.objects.all()] == ["gift_wrap"]
    assert told() == []


@pytest.mark.parametrize("action", ["enable_switches", "disable_switches", "delete_individually"])
def test_no_action_on_the_list_turns_flags_without_a_reason(
    flag: Any, operator: Client, action: str
) -> None:
    operator.post("/admin/waffle/switch/", {"action": action, "_selected_action": str(flag.pk)})

    flag.refresh_from_db()
    assert (flag.active, told()) == (True, [])


def test_a_form_that_changes_nothing_is_not_written_down(flag: Any, operator: Client) -> None:
    assert change(operator, flag, active="on", note=flag.note, reason=WHY).status_code == 302

    assert told() == []


def test_a_new_flag_is_written_down(administrator: Client) -> None:
    given = {"name": "fast_lane", "active": "on", "note": "", "reason": "we try it"}
    administrator.post("/admin/waffle/switch/add/", given)

    assert told() == [
        ("ada", "add_flag", "fast_lane", {}, {"name": "fast_lane", "active": True}, "we try it")
    ]


def test_the_schedule_is_changed_with_a_reason(operator: Client) -> None:
    slow = IntervalSchedule.objects.create(every=9, period=IntervalSchedule.SECONDS)
    fast = IntervalSchedule.objects.create(every=2, period=IntervalSchedule.SECONDS)
    task = PeriodicTask.objects.create(name="sweep", task="messaging.work_intents", interval=fast)
    assert change(operator, task, enabled="on", interval=slow.pk).status_code == 200
    assert change(operator, task, interval=slow.pk, reason="too much load").status_code == 302

    task.refresh_from_db()
    assert (task.interval, task.enabled) == (slow, False)
    [(actor, operation, _, before, after, reason)] = told()
    assert (actor, operation, reason) == ("olga", "change_periodic_task", "too much load")
    assert before == {"enabled": True, "interval": "every 2 seconds"}
    assert after == {"enabled": False, "interval": "every 9 seconds"}


def user_form(user: User, **changed: object) -> dict[str, object]:
    """What a browser sends of a user's page."""
    joined = {"date_joined_0": "2026-01-02", "date_joined_1": "03:04:05"}
    return {"username": user.username, "is_active": "on", "reason": WHY, **joined, **changed}


def test_a_new_role_is_written_down(administrator: Client) -> None:
    bob = User.objects.create_user("bob", date_joined="2026-01-02T03:04:05Z")
    support = Group.objects.get(name="support")
    answer = change(administrator, bob, **user_form(bob, is_staff="on", groups=[support.pk]))

    assert answer.status_code == 302
    assert list(bob.groups.all()) == [support]
    assert told() == [
        ("ada", "change_user", "bob", {"is_staff": False, "groups": []},
         {"is_staff": True, "groups": ["support"]}, WHY)
    ]  # fmt: skip


def test_a_user_is_not_changed_without_a_reason(administrator: Client) -> None:
    bob = User.objects.create_user("bob")
    answer = change(administrator, bob, **user_form(bob, is_superuser="on", reason="?"))

    assert answer.status_code == 200
    bob.refresh_from_db()
    assert (bob.is_superuser, told()) == (False, [])


def test_a_new_user_is_written_down_without_the_password(administrator: Client) -> None:
    given = {
        "username": "bob", "usable_password": "true", "password1": PASSWORD,
        "password2": PASSWORD, "reason": "joins support",
    }  # fmt: skip
    assert administrator.post("/admin/auth/user/add/", given).status_code == 302

    assert User.objects.get(username="bob").check_password(PASSWORD)
    assert told() == [("ada", "add_user", "bob", {}, {"username": "bob"}, "joins support")]


def test_a_new_password_needs_a_reason_and_is_written_down(administrator: Client) -> None:
    bob = User.objects.create_user("bob", password="old")
    page = f"/admin/auth/user/{bob.pk}/password/"
    given = {"password1": PASSWORD, "password2": PASSWORD}
    assert administrator.post(page, given).status_code == 200
    bob.refresh_from_db()
    assert (bob.check_password("old"), told()) == (True, [])

    administrator.post(page, {**given, "reason": "forgotten"})

    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)
    assert told() == [("ada", "change_user", "bob", {}, {"password": "set"}, "forgotten")]


def test_the_rights_of_a_role_are_not_changed_here(administrator: Client) -> None:
    support = Group.objects.get(name="support")
    before = set(support.permissions.all())
    answer = change(administrator, support, name="support", permissions=[], reason=WHY)

    assert answer.status_code == 403
    assert set(support.permissions.all()) == before


def test_a_group_of_ones_own_is_written_down(administrator: Client) -> None:
    given = {"name": "interns", "permissions": [], "reason": "summer"}
    administrator.post("/admin/auth/group/add/", given)

    assert told() == [("ada", "add_group", "interns", {}, {"name": "interns"}, "summer")]


def test_what_is_written_down_stays(databases: Databases) -> None:
    """Not even by mistake: the run-time role has no right to."""
    with transaction.atomic():
        write_down(**written())
    for statement in (
        "UPDATE sagaplatform_staffaction SET reason = 'another'",
        "DELETE FROM sagaplatform_staffaction",
        "TRUNCATE sagaplatform_staffaction",
    ):
        with pytest.raises(DatabaseError, match="permission denied"), connection.cursor() as cursor:
            cursor.execute(statement)
    assert StaffAction.objects.get().reason == WHY


def written(**changed: object) -> Any:
    return {
        "actor": Actor(None, "terminal:ada"), "operation": "change_flag", "subject_kind": "flag",
        "subject": "x", "before": {}, "after": {}, "reason": WHY, **changed,
    }  # fmt: skip


def test_nothing_is_written_down_apart_from_what_it_tells_of(databases: Databases) -> None:
    with pytest.raises(OutsideTransaction):
        write_down(**written())
    with pytest.raises(ReasonMissing), transaction.atomic():
        write_down(**written(reason="!"))

    assert StaffAction.objects.count() == 0


@pytest.mark.parametrize("column", ["reason", "actor"])
def test_the_database_itself_wants_a_reason_and_an_actor(databases: Databases, column: str) -> None:
    row = {"reason": WHY, "actor": "ada", column: ""}
    statement = """
    INSERT INTO sagaplatform_staffaction
      (id, at, actor, operation, subject_kind, subject, before, after, reason)
    VALUES (%s, now(), %s, 'x', 'x', 'x', '{}', '{}', %s)
    """
    with pytest.raises(psycopg.errors.CheckViolation):
        databases["default"].execute(statement, [uuid7(), row["actor"], row["reason"]])


def test_each_optional_step_has_a_switch_after_a_migration_and_it_is_off(
    databases: Databases, operator: Client
) -> None:
    Switch.objects.all().delete()

    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")

    found = dict(Switch.objects.values_list("name", "active"))
    assert found == {"check_fraud": False, "gift_wrap": False}
    assert "check_fraud" in operator.get("/admin/waffle/switch/").content.decode()


def test_pages_call_them_flags(flag: Any, operator: Client, administrator: Client) -> None:
    pages = ("", f"{flag.pk}/change/")
    texts = [operator.get(f"/admin/waffle/switch/{each}").content.decode() for each in pages]
    texts.append(administrator.get("/admin/waffle/switch/add/").content.decode())
    for text in texts:
        shown = re.sub(r"<script.*?</script>|<[^>]*>", " ", text, flags=re.DOTALL)
        assert re.search(r"\bflag", shown, re.IGNORECASE)
        assert not re.search(r"\b(waffle|switch(es)?)\b", shown, re.IGNORECASE)


def test_a_migration_leaves_switches_as_somebody_left_them(databases: Databases, flag: Any) -> None:
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")

    flag.refresh_from_db()
    assert (flag.active, flag.note) == (True, "Boxes and ribbons.")
