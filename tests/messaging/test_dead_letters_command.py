"""Parked messages from a terminal: the same services, the same audit."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from apps.contracts.inventory import ReserveStock
from apps.messaging import terminal as terminals
from apps.messaging.consumer import carry_out
from apps.messaging.dead_letter_rows import groups
from tests.messaging.kit import Shelf, handed_over, new_saga, reserve
from tests.messaging.parking import Breakable, garbled, parked, resent

pytestmark = pytest.mark.usefixtures("quiet")
WHY = ("--reason", "the handler is mended")


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide one, of a user with a name."""
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("LOGNAME", "ada")


@pytest.fixture
def letter(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A parked action, whose handler is mended by now."""
    handler = Breakable(monkeypatch, ReserveStock)
    handler.break_for(saga := new_saga())
    parked([reserve(saga)])
    handler.mend()
    return shelf.one("SELECT id FROM inventory_deadletter")[0]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command; what it printed."""

    def run(*words: object) -> str:
        capsys.readouterr()
        call_command("dead_letters", *map(str, words))
        return capsys.readouterr().out

    return run


def audit(shelf: Shelf) -> list[tuple[Any, ...]]:
    return shelf.owner.execute(
        "SELECT operation, actor_id, actor, reason FROM inventory_operatoraction ORDER BY id"
    ).fetchall()


def statuses(shelf: Shelf) -> list[str]:
    return [each[0] for each in shelf.letters()]


# --- looking


def test_letters_of_all_contexts_are_listed(run: Any, letter: UUID) -> None:
    shown = run("list")
    assert str(letter) in shown
    assert "RuntimeError: the handler has a bug" in shown


def test_a_list_as_json_has_no_payload(run: Any, letter: UUID) -> None:
    [found] = json.loads(run("list", "--context", "inventory", "--status", "parked", "--json"))
    assert (found["context"], found["id"], found["status"]) == ("inventory", str(letter), "parked")
    assert not {"payload", "headers", "edited_payload"} & set(found)
    assert json.loads(run("list", "--status", "discarded", "--json")) == []
    assert json.loads(run("list", "--context", "orders", "--json")) == []


def test_of_a_payload_only_the_fields_are_shown(run: Any, letter: UUID, shelf: Shelf) -> None:
    shown = run("show", "inventory", letter)
    assert '"product_id": "<str>"' in shown
    assert "tea" not in shown
    assert audit(shelf) == []


def test_to_see_a_payload_is_written_down(run: Any, letter: UUID, shelf: Shelf) -> None:
    with pytest.raises(CommandError, match="Say why, with --reason"):
        run("show", "inventory", letter, "--payload")
    shown = run("show", "inventory", letter, "--payload", "--reason", "the customer asked")
    assert '"product_id":"tea"' in shown
    assert audit(shelf) == [("reveal_payload", None, "terminal:ada", "the customer asked")]


def test_a_terminal_is_not_given_what_it_would_obey(run: Any, shelf: Shelf) -> None:
    parked([garbled(reserve(new_saga()), {"type": b"\x1b[2J[red]", "payload": b"\x1b]0;hi\x07"})])
    [letter] = shelf.one("SELECT id FROM inventory_deadletter")
    shown = run("show", "inventory", letter, "--payload", *WHY) + run("list")
    assert "\x1b" not in shown
    assert r"type: \x1b[2J[red]" in shown
    assert r"\x1b]0;hi\x07" in shown


def test_groups_are_listed(run: Any, letter: UUID) -> None:
    [group] = groups(context="inventory")
    shown = run("groups", "inventory")
    assert group.fingerprint in shown
    assert str(letter) in shown


# --- acting


def test_a_letter_is_replayed(run: Any, letter: UUID, shelf: Shelf) -> None:
    shown = run("replay", "inventory", letter, *WHY, "--yes")
    assert "stays parked until inventory has carried it out" in shown
    assert f"See what comes of it: manage.py dead_letters show inventory {letter}" in shown
    assert audit(shelf) == [("replay", None, "terminal:ada", "the handler is mended")]
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert statuses(shelf) == ["replayed"]


def test_a_letter_is_corrected_and_replayed(
    run: Any, shelf: Shelf, letter: UUID, tmp_path: Path
) -> None:
    file = tmp_path / "corrected.json"
    file.write_text(
        '{"order_id": "01a20000-0000-7000-8000-000000000000",'
        ' "lines": [{"product_id": "tea", "quantity": 4}]}'
    )
    shown = run("edit", "inventory", letter, "--payload", file, *WHY, "--yes")
    assert "changes $.lines[0].quantity" in shown
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert shelf.levels() == (6, 4, 0)


def test_a_header_is_corrected(run: Any, shelf: Shelf, tmp_path: Path) -> None:
    sound = reserve(new_saga())
    parked([garbled(sound, {"version": b"99"})])
    [letter] = shelf.one("SELECT id FROM inventory_deadletter")
    (file := tmp_path / "same.json").write_bytes(sound.payload)
    edit = ("edit", "inventory", letter, "--payload", file, *WHY, "--yes", "--header")
    with pytest.raises(CommandError, match="write it as NAME=VALUE"):
        run(*edit, "version")
    run(*edit, "version=1")
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert shelf.levels() == (9, 1, 0)


def test_a_letter_is_discarded_and_what_waits_is_shown(
    run: Any, letter: UUID, shelf: Shelf
) -> None:
    [saga] = shelf.one("SELECT saga_id FROM inventory_deadletter")
    carry_out("inventory", [handed_over(saga)])
    shown = run("discard", "inventory", letter, *WHY, "--yes")
    assert "1 message of its saga goes on at once." in shown
    assert "behind it: ShipmentHandedOver (ship_stock)" in shown
    assert statuses(shelf) == ["discarded", "released"]


def test_a_group_is_replayed_as_far_as_asked(run: Any, letter: UUID, shelf: Shelf) -> None:
    [group] = groups(context="inventory")
    shown = run("replay-group", "inventory", group.fingerprint, "--limit", 5, *WHY, "--yes")
    assert "1 of 1 parked messages in inventory are sent again" in shown
    assert f"{letter}: sent to inventory-commands again" in shown
    assert audit(shelf) == [("replay_group", None, "terminal:ada", "the handler is mended")]


def test_a_user_can_be_named(run: Any, letter: UUID, shelf: Shelf) -> None:
    user = User.objects.create_user("grace", is_staff=True)
    run("replay", "inventory", letter, *WHY, "--yes", "--as", "grace")
    assert audit(shelf) == [("replay", user.pk, "grace", "the handler is mended")]


def test_a_terminals_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(terminals.getpass, "getuser", nobody)
    monkeypatch.setattr(terminals.os, "getuid", lambda: 10001)
    assert terminals.actor_named(None).name == "terminal:10001"


@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_who_is_asked_and_says_yes_does_it(
    run: Any, letter: UUID, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert "Do it? [y/N]" in run("discard", "inventory", letter, *WHY)
    assert statuses(shelf) == ["discarded"]


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "what\n"])
def test_who_is_asked_and_says_anything_else_changes_nothing(
    run: Any, letter: UUID, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    with pytest.raises(CommandError, match=r"Nothing was done\. Answer y, or add --yes"):
        run("discard", "inventory", letter, *WHY)
    assert (statuses(shelf), audit(shelf)) == (["parked"], [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("replay", "inventory", "LETTER"), "Say why, with --reason"),
        (("replay", "inventory", "LETTER", "--reason", "..."), "Give a reason, in words"),
        (("replay", "inventory", "five", *WHY), "is no id: take one from `dead_letters list`"),
        (("replay", "orders", "LETTER", *WHY), "no open parked message of that id"),
        (("show", "orders", "LETTER"), "Look at the list, and at the context"),
        (("discard", "inventory", "LETTER", *WHY, "--as", "nobody"), "no user 'nobody'"),
        (("edit", "inventory", "LETTER", "--payload", "/nowhere", *WHY), "cannot be read"),
        (("edit", "inventory", "LETTER", "--payload", "BAD", *WHY), "field: payload"),
        (("replay-group", "inventory", "0000", "--limit", "1", *WHY), "Look at the groups"),
        (("replay-group", "inventory", "0000", "--limit", "0", *WHY), "from 1 to 1000"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence_and_changes_nothing(
    run: Any, letter: UUID, shelf: Shelf, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    (bad := tmp_path / "bad.json").write_text("{")
    given = [{"LETTER": str(letter), "BAD": str(bad)}.get(each, each) for each in words]
    with pytest.raises(CommandError, match=told) as refused:
        run(*given, *([] if words[0] == "show" else ["--yes"]))
    assert refused.value.returncode == 1
    assert (statuses(shelf), audit(shelf)) == (["parked"], [])


@pytest.mark.parametrize("limit", ["-1", "0", "1001", "9" * 20, "9" * 5000, "many"])
@pytest.mark.parametrize("words", [("list",), ("replay-group", "inventory", "0000", *WHY)])
def test_a_limit_that_is_none_is_told(run: Any, words: tuple[str, ...], limit: str) -> None:
    with pytest.raises(CommandError, match="--limit: a whole number from 1 to 1000"):
        run(*words, f"--limit={limit}")


def test_what_is_no_text_is_told(run: Any, letter: UUID, shelf: Shelf) -> None:
    with pytest.raises(CommandError, match="--reason has bytes that are no text"):
        run("discard", "inventory", letter, "--reason", "what\udcff", "--yes")
    with pytest.raises(CommandError, match="--header has bytes that are no text"):
        run("edit", "inventory", letter, "--payload", "x", *WHY, "--header", "plan=\udcff")
    assert audit(shelf) == []


@pytest.mark.parametrize("columns", ["80", "20"])
def test_whatever_the_width_ids_and_errors_are_in_one_piece(
    run: Any, letter: UUID, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    [group] = groups(context="inventory")
    day = f"{group.first_seen:%Y-%m-%d %H:%M:%S} UTC"

    assert run("list", "--context", "inventory").splitlines() == [
        f"{letter}  parked  {day}",
        "    inventory: ReserveStock (reserve_stock do), RuntimeError: the handler has a bug",
    ]
    assert run("groups", "inventory").splitlines() == [
        f"{group.fingerprint}  1 parked  {day} to {day}",
        "    ReserveStock (reserve_stock), RuntimeError: the handler has a bug",
        f"    for example {letter}",
    ]


def test_a_header_that_is_too_long_to_be_true_is_shown_by_its_beginning(
    run: Any, shelf: Shelf
) -> None:
    parked([garbled(reserve(new_saga()), {"step_id": b"x" * 12_000})])
    [letter] = shelf.one("SELECT id FROM inventory_deadletter")

    shown = run("show", "inventory", letter)

    assert f"step_id: {'x' * 200} … 12000 characters\n" in shown
    assert "x" * 201 not in shown
