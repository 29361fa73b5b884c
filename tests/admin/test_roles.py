"""The roles: groups with the rights that the table says, however often one migrates."""

import logging

import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management.sql import emit_post_migrate_signal
from django.db import transaction

from sagaplatform.env import CONTEXTS
from sagaplatform.roles import ROLES, keep_roles, missing_rights

Databases = dict[str, psycopg.Connection]


def rights_of(role: str) -> set[str]:
    found = Permission.objects.filter(group__name=role)
    named = found.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in named}


def declared() -> set[str]:
    """Every right that an installed model declares."""
    return {
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(f"{each}_{model._meta.model_name}" for each in model._meta.default_permissions),
            *(codename for codename, _ in model._meta.permissions),
        )
    }


def test_every_right_of_the_table_is_declared_by_a_model() -> None:
    assert missing_rights(declared()) == []


def test_who_may_what() -> None:
    """The table, in words of its own."""
    moves = {right.partition(".")[2] for right in ROLES["operations"] - ROLES["support"]}

    assert {each for each in ROLES["support"] if ".view_" not in each} == {
        "sagas.note_case", "sagas.assign_case", "orders.reveal_order",
        "notifications.resend_dispatch", "notifications.reveal_dispatch",
    }  # fmt: skip
    assert moves == {
        "retry_saga", "compensate_saga", "skip_saga", "pause_saga", "resolve_saga",
        "substitute_saga", "record_saga", "reveal_saga", "close_case",
        "replay_deadletter", "edit_deadletter",
        "discard_deadletter", "reveal_deadletter", "view_switch", "change_switch",
        "view_periodictask", "change_periodictask", "view_intervalschedule", "view_approval",
        "decide_review", "set_mode", "receive_arrival",
    }  # fmt: skip
    assert ROLES["operations"] > ROLES["support"]
    assert {each for each in ROLES["approver"] if ".view_" not in each} == {"sagas.decide_approval"}
    assert {each for each in ROLES["auditor"] if ".view_" not in each} == set()


@pytest.mark.parametrize("role", ["support", "operations", "approver"])
def test_only_the_auditor_sees_users_and_what_people_did(role: str) -> None:
    unseen = {"auth.view_user", "auth.view_group", "sagaplatform.view_staffaction"}
    unseen |= {f"{context}.view_operatoraction" for context in CONTEXTS}

    assert not ROLES[role] & unseen
    assert ROLES["auditor"] >= unseen


def test_groups_have_the_rights_of_their_role(databases: Databases) -> None:
    keep_roles(Group, Permission)

    assert {group.name: rights_of(group.name) for group in Group.objects.all()} == {
        role: wanted & declared() for role, wanted in ROLES.items()
    }


def test_a_right_that_a_role_should_not_have_is_taken_and_its_people_stay(
    databases: Databases,
) -> None:
    keep_roles(Group, Permission)
    support, other = Group.objects.get(name="support"), Group.objects.create(name="interns")
    ada = User.objects.create_user("ada")
    ada.groups.set([support])
    too_much = Permission.objects.get(codename="delete_user")
    support.permissions.add(too_much)
    support.permissions.remove(Permission.objects.get(codename="note_case"))
    other.permissions.add(too_much)

    keep_roles(Group, Permission)

    assert rights_of("support") == ROLES["support"]
    assert rights_of("interns") == {"auth.delete_user"}
    assert list(ada.groups.all()) == [support]


def test_repeated_it_changes_nothing(databases: Databases) -> None:
    keep_roles(Group, Permission)
    through = Group.permissions.through.objects
    before = sorted(through.values_list())

    keep_roles(Group, Permission)

    assert sorted(through.values_list()) == before


def test_the_first_migration_of_a_fresh_database_makes_them(databases: Databases) -> None:
    """Django makes the permissions when the migration is done, so no migration could do this."""
    with transaction.atomic():
        Permission.objects.all().delete()
        emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
        found = {role: rights_of(role) for role in ROLES}
        transaction.set_rollback(True)

    assert found == {role: wanted & declared() for role, wanted in ROLES.items()}


def test_the_migration_of_another_database_makes_none(databases: Databases) -> None:
    emit_post_migrate_signal(verbosity=0, interactive=False, db="orders")

    assert Group.objects.count() == 0


def test_a_right_that_does_not_exist_is_left_out_and_told(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(ROLES, "support", frozenset({"sagas.note_case", "sagas.sing_case"}))
    with caplog.at_level(logging.WARNING, "sagaplatform.roles"):
        keep_roles(Group, Permission)

    assert rights_of("support") == {"sagas.note_case"}
    assert "sagas.sing_case" in caplog.text
