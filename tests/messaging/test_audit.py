"""The audit: written with the action or not at all, with a reason, and never changed again."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections
from psycopg import errors

from apps.messaging.audit import Actor, write_down
from apps.messaging.context import context as context_named
from apps.messaging.database import Database
from apps.messaging.errors import OutsideTransaction, ReasonMissing
from apps.messaging.models import SubjectKind
from sagaplatform.env import CONTEXTS
from tests.messaging.kit import new_saga

Databases = dict[str, psycopg.Connection]
EACH_CONTEXT = pytest.mark.parametrize("context", CONTEXTS)


def write(database: Database, **changes: Any) -> Any:
    facts: dict[str, Any] = {
        "actor": Actor(2**40, "ada"),
        "operation": "retry",
        "subject_kind": SubjectKind.SAGA,
        "subject_id": new_saga(),
        "saga_id": None,
        "step": "",
        "version": 2**40,
        "reason": "the carrier is back",
        "parameters": {"step": "create_shipment", "attempts": 3},
        "outcome": "sent again",
        **changes,
    }
    return write_down(database, **facts)


def commit(context: str, **changes: Any) -> Any:
    database = Database(context)
    with database.transaction():
        return write(database, **changes)


def rows(owner: psycopg.Connection, context: str, columns: str = "*") -> list[tuple[Any, ...]]:
    return owner.execute(f"SELECT {columns} FROM {context}_operatoraction").fetchall()


@EACH_CONTEXT
def test_an_action_is_written_down_in_every_context(databases: Databases, context: str) -> None:
    subject = new_saga()
    id = commit(context, subject_id=subject, saga_id=subject, step="create_shipment")
    told = (
        "id, actor_id, actor, operation, subject_kind, subject_id, saga_id, step, version, reason,"
        " parameters, outcome"
    )
    assert rows(databases[context], context, told) == [
        (id, 2**40, "ada", "retry", "saga", subject, subject, "create_shipment", 2**40,
         "the carrier is back", {"step": "create_shipment", "attempts": 3}, "sent again"),
    ]  # fmt: skip


@EACH_CONTEXT
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {context}_operatoraction SET reason = 'another'",
        "DELETE FROM {context}_operatoraction",
        "TRUNCATE {context}_operatoraction",
    ],
)
def test_what_is_written_down_cannot_be_changed_at_run_time(
    databases: Databases, context: str, statement: str
) -> None:
    commit(context)
    before = rows(databases[context], context)
    with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
        Database(context).execute(statement)
    connections[context].close()
    assert rows(databases[context], context) == before


def test_outside_the_actions_own_transaction_nothing_is_written(databases: Databases) -> None:
    with pytest.raises(OutsideTransaction), Database("orders").transaction():
        write(Database("payments"))
    assert rows(databases["payments"], "payments") == []


def test_what_is_rolled_back_was_never_written_down(databases: Databases) -> None:
    with pytest.raises(ZeroDivisionError):
        write_and_fail(Database("payments"))
    assert rows(databases["payments"], "payments") == []


def write_and_fail(database: Database) -> None:
    with database.transaction():
        write(database)
        raise ZeroDivisionError


@pytest.mark.parametrize("reason", ["", " \t\n", "...", "12.5", "?!", "—"])
def test_a_reason_without_letters_is_none(databases: Databases, reason: str) -> None:
    with pytest.raises(ReasonMissing, match="in words"):
        commit("payments", reason=reason)
    assert rows(databases["payments"], "payments") == []


@pytest.mark.parametrize("reason", ["x", "確認", "да", "é", "  why \0 "])
def test_a_reason_may_be_in_any_script(databases: Databases, reason: str) -> None:
    commit("payments", reason=reason)
    kept = reason.replace("\0", "").strip()
    assert rows(databases["payments"], "payments", "reason") == [(kept,)]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [({"reason": "..."}, "action_has_a_reason"), ({"actor": ""}, "action_has_an_actor")],
)
def test_not_even_by_hand_an_action_is_without_reason_or_actor(
    databases: Databases, change: dict[str, str], constraint: str
) -> None:
    commit("payments")
    [(name, value)] = change.items()
    with pytest.raises(errors.CheckViolation, match=f"payments_{constraint}"):
        databases["payments"].execute(f"UPDATE payments_operatoraction SET {name} = %s", [value])


def test_somebody_at_a_terminal_has_a_name_only(databases: Databases) -> None:
    commit("payments", actor=Actor(None, "terminal:root"))
    found = rows(databases["payments"], "payments", "actor_id, actor")
    assert found == [(None, "terminal:root")]


@EACH_CONTEXT
def test_every_operation_that_a_context_writes_down_is_declared(context: str) -> None:
    """What its list offers to choose from. Moves are declared by the type that all of them are."""
    config = context_named(context)
    sources = [each.read_text() for each in Path(config.path).rglob("*.py")]
    written = {each for source in sources for each in operations_in(ast.parse(source))}

    assert written <= set(config.operations)
    assert written or context in ("pricing", "payments", "shipping")  # where nobody does anything


def operations_in(module: ast.Module) -> Iterator[str]:
    """The operations that a module's calls of write_down and its like name: by keyword, or as the
    first text."""
    constants = {
        target.id: each.value
        for each in module.body if isinstance(each, ast.Assign)
        for target in each.targets if isinstance(target, ast.Name)
    }  # fmt: skip
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and "write_down" in ast.unparse(call.func):
            named = [each.value for each in call.keywords if each.arg == "operation"]
            named = [constants.get(ast.unparse(each), each) for each in named]
            yield from next(filter(None, map(texts_of, named or call.args)), ())


def texts_of(value: ast.expr) -> list[str]:
    """The texts that an expression may be; none of one that is worked out."""
    ways = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    return [
        each.value
        for each in ways
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
