"""Who drives new sagas: a share by their ids, changed by an operator or by a replay."""

from collections import Counter
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import CommandError, call_command
from uuid_utils.compat import uuid7

from apps.contracts.plan import Mode, Plan
from apps.orders.modes import mode_for, mode_in, share_of
from sagaplatform.shop.modes import DemoMode, drive
from tests.e2e.world import drive_share
from tests.orders.shop import place

Databases = dict[str, psycopg.Connection]
SAGAS = 20_000
ACTIONS = "SELECT actor, operation, reason, outcome FROM orders_operatoraction ORDER BY id"


def ids(number: int) -> list[UUID]:
    """New sagas, many of them of the same millisecond."""
    return [uuid7() for _ in range(number)]


# --- a share


@pytest.mark.parametrize("percent", [1, 30, 50, 99])
def test_of_many_sagas_events_drive_the_share(percent: int) -> None:
    driven = Counter(mode_in(percent, each) for each in ids(SAGAS))
    assert driven[Mode.CHOREOGRAPHED] / SAGAS == pytest.approx(percent / 100, abs=0.02)
    assert len(driven) == 2


def test_a_saga_is_decided_alike_and_stays_in_every_larger_share() -> None:
    for saga in ids(1000):
        first = [mode_in(percent, saga) for percent in range(101)]
        assert first == [mode_in(percent, saga) for percent in range(101)]
        assert (first[0], first[100]) == (Mode.ORCHESTRATED, Mode.CHOREOGRAPHED)
        turns = [n for n in range(100) if first[n] is not first[n + 1]]
        assert len(turns) == 1


def test_the_setting_is_the_share_of_its_process_alone(databases: Databases) -> None:
    drive_share(30)
    sagas = ids(300)
    assert [mode_for("place_order", each) for each in sagas] == [mode_in(30, e) for e in sagas]
    assert {mode_for("cancel_order", each) for each in sagas} == {Mode.ORCHESTRATED}


def test_an_order_is_driven_as_its_saga_says(databases: Databases) -> None:
    drive_share(50)
    for number in range(20):
        place(key=f"key-{number}")
    found = databases["orders"].execute("SELECT saga_id, plan FROM orders_order").fetchall()
    assert len(found) == 20
    for saga_id, plan in found:
        assert Plan.from_header(plan).mode is mode_in(50, saga_id)


# --- from a terminal


def saga_mode(*words: str, **options: Any) -> str:
    out = StringIO()
    call_command("saga_mode", *words, stdout=out, **options)
    return out.getvalue().strip()


def test_the_share_is_shown_and_changed_with_a_reason(databases: Databases) -> None:
    assert saga_mode() == "place_order: events drive 0 % of new sagas."

    told = saga_mode("30", "--reason", "a third by events", "--yes")

    assert told == "place_order: events drive 30 % of new sagas from now on."
    assert saga_mode() == "place_order: events drive 30 % of new sagas."
    assert saga_mode("--process", "cancel_order") == "cancel_order: events drive 0 % of new sagas."
    [(_, *acted)] = databases["orders"].execute(ACTIONS).fetchall()
    assert acted == ["set_mode", "a third by events", "0 % -> 30 % by events"]


@pytest.mark.parametrize(
    ("words", "why_not"),
    [
        (["--process", "no_order"], "invalid choice: 'no_order'.*place_order"),
        (["30", "--yes"], "Say why"),
        (["101", "--reason", "all and more", "--yes"], "whole number from 0 to 100"),
        (["-1", "--reason", "less than none", "--yes"], "whole number from 0 to 100"),
        (["30", "--process", "no_order", "--reason", "a try", "--yes"], "no_order"),
    ],
)
def test_what_cannot_be_set_is_refused_and_changes_nothing(
    databases: Databases, words: list[str], why_not: str
) -> None:
    with pytest.raises(CommandError, match=why_not):
        saga_mode(*words)
    assert share_of("place_order") == (0, 0)
    assert databases["orders"].execute(ACTIONS).fetchall() == []


# --- by a replay


@pytest.mark.parametrize(
    ("mode", "percent"),
    [(DemoMode.ORCHESTRATED, 0), (DemoMode.MIXED, 50), (DemoMode.CHOREOGRAPHED, 100)],
)
def test_a_replay_has_all_processes_driven_so(
    databases: Databases, mode: DemoMode, percent: int
) -> None:
    processes = ("place_order", "cancel_order", "return_order")
    for each in processes:
        drive_share(7, each)
    before = databases["orders"].execute(ACTIONS).fetchall()

    drive(mode)
    drive(mode)  # which it is already

    assert [share_of(each) for each in processes] == [(percent, 2)] * 3
    acted = databases["orders"].execute(ACTIONS).fetchall()[len(before) :]
    assert (
        acted
        == [("replay", "set_mode", f"replay in mode {mode}", f"7 % -> {percent} % by events")] * 3
    )
