"""The users of a demonstration."""

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command

from sagaplatform.roles import ROLES

Databases = dict[str, psycopg.Connection]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(settings: Any, tmp_path: Path, databases: Databases) -> None:
    settings.BASE_DIR = tmp_path
    settings.DEBUG = True


def run() -> str:
    out = StringIO()
    call_command("create_demo_users", stdout=out)
    return out.getvalue()


def test_a_customer_a_user_of_each_role_and_an_administrator(tmp_path: Path) -> None:
    printed = run()

    file = tmp_path / ".local" / "demo-users.json"
    passwords = json.loads(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert printed == "".join(f"{name:<12}{password}\n" for name, password in passwords.items())
    assert {
        user.username: (
            user.is_staff,
            user.is_superuser,
            [group.name for group in user.groups.all()],
            user.check_password(passwords[user.username]),
        )
        for user in User.objects.all()
    } == {
        "customer": (False, False, [], True),
        "support": (True, False, ["support"], True),
        "operations": (True, False, ["operations"], True),
        "approver": (True, False, ["approver"], True),
        "auditor": (True, False, ["auditor"], True),
        "admin": (True, True, [], True),
    }
    support = User.objects.get(username="support")
    assert support.get_all_permissions() == ROLES["support"]


def test_users_of_an_earlier_version_keep_their_passwords_and_lose_rights_of_their_own(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".local" / "demo-users.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"support": "as it was"}))
    support = User.objects.create_user("support", is_staff=True)
    support.user_permissions.set(Permission.objects.filter(codename="view_user"))

    run()

    support = User.objects.get(username="support")
    assert support.check_password("as it was")
    assert support.get_all_permissions() == ROLES["support"]
    assert len(json.loads(file.read_text())) == 6


def test_a_second_run_changes_nothing() -> None:
    first = run()
    before = list(User.objects.order_by("id").values_list("id", "username", "password"))

    assert run() == first
    assert list(User.objects.order_by("id").values_list("id", "username", "password")) == before


def test_a_database_made_anew_gets_the_same_passwords() -> None:
    first = run()
    User.objects.all().delete()

    assert run() == first


def test_never_outside_a_developers_machine(settings: Any, tmp_path: Path) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match="DEBUG=1 only"):
        run()

    assert User.objects.count() == 0
    assert not (tmp_path / ".local").exists()
