"""A person's move is cut short, before its commit and after it: all of it happened, or nothing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from apps.contracts.inventory import ReserveStock
from apps.messaging.consumer import carry_out
from apps.messaging.dead_letter_rows import groups
from tests.messaging.kit import Shelf, new_saga, reserve
from tests.messaging.parking import Breakable, parked, resent
from tests.sagas.listening import created, hear, news
from tests.sagas.scenarios import BY_EVENTS, SUCCESSES
from tests.sagas.test_watchdog import Desk

ROOT = Path(__file__).parent.parent.parent.parent
pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def desk(databases: dict[str, psycopg.Connection]) -> Desk:
    return Desk(databases["sagas"])


def compensate_and_die(saga_id: UUID, failpoint: str, folder: Path) -> None:
    act_and_die(["sagas", "compensate", str(saga_id)], failpoint, folder)


def act_and_die(words: list[str], failpoint: str, folder: Path) -> None:
    """A command of `manage.py`, which is killed at the failpoint."""
    spent = folder / "spent"
    environ = {**os.environ, "FAILPOINT": failpoint, "FAILPOINT_SPENT": str(spent)}
    signature = ["--reason", "The customer called", "--yes"]
    result = subprocess.run(
        [sys.executable, "manage.py", *words, *signature],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, spent.exists()) == (-9, True), result.stderr


def audited(desk: Desk) -> int:
    row = desk.owner.execute("SELECT count(*) FROM sagas_operatoraction").fetchone()
    assert row
    return int(row[0])


def test_before_its_commit_nothing_has_happened(desk: Desk, tmp_path: Path) -> None:
    saga_id = desk.saga_at("create_shipment")
    before = desk.saga(saga_id)
    desk.sent()

    compensate_and_die(saga_id, "operation.before_commit", tmp_path)

    assert (desk.saga(saga_id), desk.sent(), audited(desk)) == (before, [], 0)


def test_after_its_commit_all_has_happened_and_the_sweeper_sends(
    desk: Desk, tmp_path: Path
) -> None:
    saga_id = desk.saga_at("create_shipment")
    desk.sent()

    compensate_and_die(saga_id, "operation.after_commit", tmp_path)

    assert desk.saga(saga_id)[:3] == ("compensating", "create_shipment", "undo")
    assert desk.sent() == [("CancelShipment", "create_shipment")]
    assert audited(desk) == 1


# --- a take-over


def by_events(desk: Desk) -> UUID:
    """A saga that events drive, whose payment is awaited."""
    saga_id, plan = new_saga(), BY_EVENTS.to_header()
    hear(created(saga_id, plan=plan))
    for step in BY_EVENTS.steps[1:3]:
        hear(news(saga_id, step, SUCCESSES[step], plan=plan))
    assert desk.sent() == []
    return saga_id


def driver(desk: Desk) -> str:
    row = desk.owner.execute("SELECT driver FROM sagas_saga").fetchone()
    assert row
    return str(row[0])


MOVES = (
    # What takes over, and what it then waits for and has sent.
    (["compensate"], ("fencing", "capture_payment", "fence"), ("Fence", "capture_payment")),
    (
        ["retry", "authorize_payment"],
        ("running", "authorize_payment", "do"),
        ("AuthorizePayment", "authorize_payment"),
    ),
)


@pytest.mark.parametrize(("move", "waits", "sent"), MOVES)
def test_a_take_over_that_dies_before_its_commit_leaves_the_saga_to_events(
    desk: Desk, move: list[str], waits: object, sent: object, tmp_path: Path
) -> None:
    saga_id = by_events(desk)
    before = desk.saga(saga_id)

    act_and_die(saga_move(move, saga_id), "operation.before_commit", tmp_path)

    assert (desk.saga(saga_id), desk.sent(), audited(desk)) == (before, [], 0)
    assert driver(desk) == "events"


@pytest.mark.parametrize(("move", "waits", "sent"), MOVES)
def test_a_take_over_that_dies_after_its_commit_holds_and_the_sweeper_sends(
    desk: Desk, move: list[str], waits: object, sent: object, tmp_path: Path
) -> None:
    saga_id = by_events(desk)

    act_and_die(saga_move(move, saga_id), "operation.after_commit", tmp_path)

    assert desk.saga(saga_id)[:3] == waits
    assert desk.sent() == [sent]
    assert (driver(desk), audited(desk)) == ("engine", 1)


def saga_move(move: list[str], saga_id: UUID) -> list[str]:
    """The words of the command."""
    name, *step = move
    return ["sagas", name, str(saga_id), *step]


# --- parked messages


@pytest.fixture
def shelf(databases: dict[str, psycopg.Connection]) -> Shelf:
    shelf = Shelf(databases["inventory"])
    shelf.stock("tea", 10)
    return shelf


@pytest.fixture
def letter(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> str:
    """A parked action, whose handler is mended by now."""
    handler = Breakable(monkeypatch, ReserveStock)
    handler.break_for(saga := new_saga())
    parked([reserve(saga)])
    handler.mend()
    return str(shelf.one("SELECT id FROM inventory_deadletter")[0])


def correction(folder: Path) -> list[str]:
    """Two pieces in place of one."""
    file = folder / "corrected.json"
    line = '{"product_id": "tea", "quantity": 2}'
    file.write_text(f'{{"order_id": "{new_saga()}", "lines": [{line}]}}')
    return ["--payload", str(file)]


def of_letter(shelf: Shelf) -> tuple[Any, ...]:
    """The letter, how many commands are to be sent, how many moves were written down."""
    return shelf.one(
        "SELECT status, replays, edited_by,"
        " (SELECT count(*) FROM inventory_outboxmessage WHERE topic = 'inventory-commands'),"
        " (SELECT count(*) FROM inventory_operatoraction) FROM inventory_deadletter"
    )


@pytest.mark.parametrize("move", ["replay", "edit", "discard"])
def test_a_move_on_a_parked_message_that_dies_before_its_commit_has_not_happened(
    shelf: Shelf, letter: str, move: str, tmp_path: Path
) -> None:
    words = ["dead_letters", move, "inventory", letter]
    further = correction(tmp_path) if move == "edit" else []

    act_and_die([*words, *further], "letter.before_commit", tmp_path)

    assert of_letter(shelf) == ("parked", 0, "", 0, 0)


@pytest.mark.parametrize(
    ("move", "status", "replays", "pieces"),
    [("replay", "replayed", 1, 1), ("edit", "replayed", 1, 2), ("discard", "discarded", 0, 0)],
)
def test_a_move_on_a_parked_message_that_dies_after_its_commit_is_carried_out(
    shelf: Shelf, letter: str, move: str, status: str, replays: int, pieces: int, tmp_path: Path
) -> None:
    words = ["dead_letters", move, "inventory", letter]
    further = correction(tmp_path) if move == "edit" else []

    act_and_die([*words, *further], "letter.after_commit", tmp_path)

    assert of_letter(shelf)[1:2] + of_letter(shelf)[3:] == (replays, replays, 1)
    if replays:
        carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert of_letter(shelf)[0] == status
    assert shelf.levels() == (10 - pieces, pieces, 0)


def test_a_group_that_dies_after_the_first_has_sent_the_first(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    handler = Breakable(monkeypatch, ReserveStock)
    sagas = [new_saga(), new_saga()]
    handler.break_for(*sagas)
    parked([reserve(each) for each in sagas])
    [group] = groups(context="inventory")
    words = ["dead_letters", "replay-group", "inventory", group.fingerprint, "--limit", "2"]

    act_and_die(words, "letter.after_commit", tmp_path)

    replays = shelf.owner.execute("SELECT replays FROM inventory_deadletter ORDER BY id").fetchall()
    assert replays == [(1,), (0,)]
