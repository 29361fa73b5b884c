"""Failpoints: each is reached somewhere, an unknown one is refused, an unarmed one does nothing."""

import ast
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging import failpoints
from apps.messaging.failpoints import FAILPOINTS, arm, reach
from apps.messaging.request import Request

APPS = Path(failpoints.__file__).parent.parent
RESERVE = Request(uuid7(), "reserve_stock", Action.DO, 1, Mode.ORCHESTRATED)


def reached() -> set[str]:
    """The first argument of each call of `reach`, and of each `partial(reach, …)`."""
    return {
        name.value
        for file in APPS.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        for name in place_in(call)
        if isinstance(name, ast.Constant)
    }


def place_in(call: ast.Call) -> Iterator[ast.expr]:
    called, given = name_of(call.func), call.args
    if called == "partial" and given and name_of(given[0]) == "reach":
        called, given = "reach", given[1:]
    if called == "reach":
        yield given[0]


def name_of(expression: ast.expr) -> str:
    return expression.id if isinstance(expression, ast.Name) else ""


class Died(Exception):
    """What a test has in place of a SIGKILL to itself."""


@pytest.fixture
def spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that tells of a death; nothing is armed, and death is an exception."""

    def die(pid: int, number: int) -> None:
        assert (pid, number) == (os.getpid(), signal.SIGKILL)
        raise Died

    monkeypatch.setattr(failpoints, "_armed", None)
    monkeypatch.setattr(os, "kill", die)
    monkeypatch.setenv("FAILPOINT_SPENT", str(tmp_path / "spent"))
    monkeypatch.delenv("FAILPOINT", raising=False)
    return tmp_path / "spent"


@pytest.mark.parametrize("name", FAILPOINTS)
def test_each_failpoint_is_reached_somewhere(name: str) -> None:
    assert name in reached()


def test_what_is_reached_has_a_name() -> None:
    assert reached() - set(FAILPOINTS) == set()


def test_a_failpoint_that_does_not_exist_is_refused(
    spent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILPOINT", "batch.befor_commit@reserve_stock")

    with pytest.raises(ValueError, match=r"There is no failpoint 'batch\.befor_commit'"):
        arm()

    reach("batch.before_commit", [RESERVE])
    assert not spent.exists()


def test_without_the_variable_nothing_is_armed_and_no_request_looked_at(spent: Path) -> None:
    def looked_at() -> Iterator[Request]:
        raise AssertionError("a request was asked for")
        yield

    arm()
    reach("batch.before_commit", looked_at(), first=Died)

    assert not spent.exists()


@pytest.mark.parametrize(
    "armed",
    ["batch.after_commit", "batch.before_commit@freeze_price", "batch.before_commit@@undo",
     "batch.before_commit@reserve_stock@undo"],
)  # fmt: skip
def test_another_place_step_or_action_is_passed_by(
    spent: Path, monkeypatch: pytest.MonkeyPatch, armed: str
) -> None:
    monkeypatch.setenv("FAILPOINT", armed)
    arm()

    reach("batch.before_commit", [RESERVE])

    assert not spent.exists()


@pytest.mark.parametrize(
    "armed",
    ["batch.before_commit", "batch.before_commit@reserve_stock", "batch.before_commit@@do",
     "batch.before_commit@reserve_stock@do"],
)  # fmt: skip
def test_a_process_dies_once_at_its_failpoint_and_does_there_what_comes_first(
    spent: Path, monkeypatch: pytest.MonkeyPatch, armed: str
) -> None:
    monkeypatch.setenv("FAILPOINT", armed)
    arm()
    done: list[str] = []

    with pytest.raises(Died):
        reach("batch.before_commit", [RESERVE], first=lambda: done.append("first"))

    assert (done, spent.exists()) == (["first"], True)
    reach("batch.before_commit", [RESERVE])  # the next process has it behind it
