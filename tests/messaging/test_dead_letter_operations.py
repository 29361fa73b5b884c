"""What people do with parked messages: each once, with a reason, on what they have seen."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from django.db import connections
from msgspec.structs import replace

from apps.contracts.inventory import ReleaseStock, ReserveStock, StockReserved
from apps.contracts.values import Line
from apps.messaging import dead_letter_operations as operations
from apps.messaging.audit import Actor
from apps.messaging.consumer import Failure, carry_out, park
from apps.messaging.database import Database
from apps.messaging.dead_letter_operations import Outcome
from apps.messaging.dead_letter_rows import groups, standing
from apps.messaging.dead_letters import DeadLetters, ParkedBehind
from apps.messaging.errors import (
    EditRefused,
    LetterMoved,
    NoSuchLetter,
    NothingAlike,
    NothingToReplay,
    ReasonMissing,
)
from tests.messaging.kit import Shelf, handed_over, new_saga, release, reserve
from tests.messaging.parking import Breakable, garbled, parked, resent
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("quiet")
ADA = Actor(7, "ada")
REASON = "the handler is mended"
INVENTORY = Database("inventory")


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Breakable:
    """The handler of ReserveStock, to break."""
    return Breakable(monkeypatch, ReserveStock)


@pytest.fixture
def letter(shelf: Shelf, handler: Breakable) -> UUID:
    """A parked action, whose handler is mended by now."""
    handler.break_for(saga := new_saga())
    parked([reserve(saga)])
    handler.mend()
    return the_letter(shelf)


def the_letter(shelf: Shelf, status: str = "parked") -> UUID:
    return shelf.one("SELECT id FROM inventory_deadletter WHERE status = %s", status)[0]


def version(shelf: Shelf, letter: UUID) -> int:
    return shelf.one("SELECT version FROM inventory_deadletter WHERE id = %s", letter)[0]


def saga_of(shelf: Shelf, letter: UUID) -> UUID:
    return shelf.one("SELECT saga_id FROM inventory_deadletter WHERE id = %s", letter)[0]


def corrected(quantity: int = 1) -> bytes:
    line = Line(product_id="tea", quantity=quantity)
    return msgspec.json.encode(ReserveStock(order_id=new_saga(), lines=(line,)))


def replay(letter: UUID, version: int = 0, **changes: Any) -> Outcome:
    given: dict[str, Any] = {"actor": ADA, "reason": REASON, **changes}
    return operations.replay_letter(context="inventory", letter_id=letter, version=version, **given)


def edit(letter: UUID, version: int = 0, **changes: Any) -> Outcome:
    given: dict[str, Any] = {"payload": corrected(), "actor": ADA, "reason": REASON, **changes}
    return operations.edit_and_replay(
        context="inventory", letter_id=letter, version=version, **given
    )


def discard(letter: UUID, version: int = 0, **changes: Any) -> Outcome:
    given: dict[str, Any] = {"actor": ADA, "reason": REASON, **changes}
    return operations.discard_letter(
        context="inventory", letter_id=letter, version=version, **given
    )


EACH = pytest.mark.parametrize("operation", [replay, edit, discard])


def everything(shelf: Shelf) -> list[Any]:
    """All that an operation could have changed."""
    tables = ("deadletter", "outboxmessage", "operatoraction")
    return [
        shelf.owner.execute(f"SELECT * FROM inventory_{each} ORDER BY id").fetchall()
        for each in tables
    ]


def audit(shelf: Shelf) -> list[tuple[Any, ...]]:
    """Operation, actor, version, reason, parameters of each action."""
    return shelf.owner.execute(
        "SELECT operation, actor_id, actor, version, reason, parameters"
        " FROM inventory_operatoraction ORDER BY id"
    ).fetchall()


# --- replay


def test_a_replayed_message_is_handled_and_the_replay_written_down(
    shelf: Shelf, letter: UUID
) -> None:
    saga = saga_of(shelf, letter)
    outcome = replay(letter)
    sent = resent(shelf, "inventory-commands")
    assert sent.envelope is not None
    message = f"sent to inventory-commands again as message {sent.envelope.message_id}"
    assert outcome == Outcome(letter, True, message)
    assert shelf.one(
        "SELECT operation, actor_id, actor, subject_kind, subject_id, saga_id, step, version,"
        " reason, parameters, outcome FROM inventory_operatoraction"
    ) == (
        "replay", 7, "ada", "dead_letter", letter, saga, "reserve_stock", 0, REASON,
        {"type": "ReserveStock", "generation": 1, "replays": 0}, message,
    )  # fmt: skip
    carry_out("inventory", [sent])
    assert shelf.levels() == (9, 1, 0)
    assert [each[0] for each in shelf.letters()] == ["replayed"]


def test_the_preview_says_what_is_sent_where_and_what_waits(shelf: Shelf, letter: UUID) -> None:
    saga = saga_of(shelf, letter)
    carry_out("inventory", [handed_over(saga)])
    waiting = the_letter(shelf, "waiting")
    shown = operations.preview_replay(context="inventory", letter_id=letter).as_json()
    assert json.loads(json.dumps(shown)) == {
        "operation": "replay",
        "context": "inventory",
        "letter_id": str(letter),
        "version": 0,
        "saga_id": str(saga),
        "step": "reserve_stock",
        "action": "do",
        "generation": 1,
        "type": "ReserveStock",
        "error": "RuntimeError: the handler has a bug",
        "replays": 0,
        "sent_to": "inventory-commands",
        "edited_by": "",
        "changes": [],
        "behind": [{"id": str(waiting), "type": "ShipmentHandedOver", "step": "ship_stock"}],
        "consequences": [
            "It is sent to inventory-commands again, and stays parked until inventory has carried"
            " it out. If that fails, it stays where it is.",
            "1 message of its saga goes on waiting behind it.",
        ],
        "warnings": [],
    }


def test_the_preview_of_what_was_replayed_more_than_ten_times_warns(
    shelf: Shelf, letter: UUID
) -> None:
    shelf.owner.execute("UPDATE inventory_deadletter SET replays = 10")
    assert operations.preview_replay(context="inventory", letter_id=letter).warnings == ()
    shelf.owner.execute("UPDATE inventory_deadletter SET replays = 11")
    [warning] = operations.preview_replay(context="inventory", letter_id=letter).warnings
    assert warning.startswith("It was replayed 11 times already")


def test_what_failed_again_has_another_version(
    shelf: Shelf, handler: Breakable, letter: UUID
) -> None:
    handler.break_for(saga_of(shelf, letter))
    replay(letter)
    parked([resent(shelf, "inventory-commands")])
    [now] = standing(context="inventory", letter_ids=[letter])
    assert now == (letter, "parked", 2, "the handler has a bug")


def test_an_event_that_is_only_listened_to_is_settled_when_it_is_sent(
    databases: dict[str, psycopg.Connection],
) -> None:
    park("orders", [Failure(handed_over(new_saga()), RuntimeError("no"))])
    [[letter]] = databases["orders"].execute("SELECT id FROM orders_deadletter").fetchall()
    preview = operations.preview_replay(context="orders", letter_id=letter)
    assert preview.consequences == (
        "It is sent to shipping-events again, and this copy is settled. If orders cannot handle"
        " it, it is parked anew.",
    )
    operations.replay_letter(
        context="orders", letter_id=letter, version=0, actor=ADA, reason=REASON
    )
    found = databases["orders"].execute("SELECT status, version FROM orders_deadletter").fetchall()
    assert found == [("replayed", 1)]


def test_a_parked_compensation_is_replayed_and_settled_when_it_is_done(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    undoing, saga = Breakable(monkeypatch, ReleaseStock), new_saga()
    undoing.break_for(saga)
    carry_out("inventory", [reserve(saga)])
    parked([release(saga)])
    undoing.mend()
    replay(the_letter(shelf))
    assert [each[0] for each in shelf.letters()] == ["parked"]
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert shelf.levels() == (10, 0, 0)
    assert [each[0] for each in shelf.letters()] == ["replayed"]


def test_of_two_parked_actions_of_a_saga_the_older_goes_first(
    shelf: Shelf, letter: UUID, handler: Breakable
) -> None:
    """Both wait to be replayed: neither may wait for the other for ever."""
    saga = saga_of(shelf, letter)
    park("inventory", [Failure(handed_over(saga), RuntimeError("no"))])
    younger = shelf.one("SELECT id FROM inventory_deadletter WHERE id <> %s", letter)[0]
    assert operations.preview_replay(context="inventory", letter_id=letter).warnings == ()
    assert operations.preview_replay(context="inventory", letter_id=younger).warnings == (
        "An older action of its saga is parked: repair that one first, this one waits behind it.",
    )
    replay(letter)
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert shelf.levels() == (9, 1, 0)
    replay(younger)
    carry_out("inventory", [resent(shelf, "shipping-events")])
    assert shelf.levels() == (9, 0, 1)
    assert [each[0] for each in shelf.letters()] == ["replayed", "replayed"]


# --- what is refused


@EACH
@pytest.mark.parametrize("reason", ["", "   ", "...", "123"])
def test_without_a_reason_nothing_is_done(
    shelf: Shelf, letter: UUID, operation: Callable[..., Outcome], reason: str
) -> None:
    before = everything(shelf)
    with pytest.raises(ReasonMissing):
        operation(letter, reason=reason)
    assert everything(shelf) == before


@EACH
def test_a_letter_that_moved_since_it_was_seen_is_left_alone(
    shelf: Shelf, letter: UUID, operation: Callable[..., Outcome]
) -> None:
    replay(letter)
    before = everything(shelf)
    with pytest.raises(LetterMoved, match=r"Look at it again.*seen=0, now=1"):
        operation(letter)
    assert everything(shelf) == before


@EACH
def test_a_settled_letter_is_left_alone(
    shelf: Shelf, letter: UUID, operation: Callable[..., Outcome]
) -> None:
    discard(letter)
    before = everything(shelf)
    with pytest.raises(NothingToReplay, match="status='discarded'"):
        operation(letter, version(shelf, letter))
    assert everything(shelf) == before


@EACH
def test_a_letter_that_never_was_is_told(shelf: Shelf, operation: Callable[..., Outcome]) -> None:
    with pytest.raises(NothingToReplay, match="settled, or never was"):
        operation(new_saga())


def test_of_two_who_replay_at_once_one_does_and_the_other_is_told(
    shelf: Shelf, letter: UUID
) -> None:
    came = at_once(lambda: replay(letter), lambda: replay(letter, actor=Actor(8, "bob")))
    assert sorted(type(each).__name__ for each in came) == ["LetterMoved", "Outcome"]
    assert shelf.one("SELECT replays, version FROM inventory_deadletter") == (1, 1)
    assert len(audit(shelf)) == 1


def test_of_two_who_discard_and_correct_at_once_one_does_and_the_other_is_told(
    shelf: Shelf, letter: UUID
) -> None:
    came = at_once(lambda: discard(letter), lambda: edit(letter))
    [told] = [each for each in came if isinstance(each, Exception)]
    assert isinstance(told, NothingToReplay | LetterMoved)
    assert len(audit(shelf)) == 1
    assert version(shelf, letter) == 1


# --- correcting


def test_a_corrected_payload_is_handled_and_the_original_kept(shelf: Shelf) -> None:
    saga, payload = new_saga(), corrected(quantity=2)
    parked([garbled(reserve(saga), {"payload": b'{"order_id": 5}'})])
    letter = the_letter(shelf)
    seen = operations.preview_edit(context="inventory", letter_id=letter, payload=payload)
    assert seen.changes == ("$.lines", "$.order_id")
    edit(letter, payload=payload)
    assert shelf.one("SELECT payload, edited_payload, edited_by FROM inventory_deadletter") == (
        b'{"order_id": 5}',
        payload,
        "ada",
    )
    assert audit(shelf) == [
        ("edit_and_replay", 7, "ada", 0, REASON,
         {"type": "ReserveStock", "generation": 1, "changed": ["$.lines", "$.order_id"]}),
    ]  # fmt: skip
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert shelf.levels() == (8, 2, 0)
    line = Line(product_id="tea", quantity=2)
    assert shelf.messages(saga) == [StockReserved(lines=(line,))]
    assert [each[0] for each in shelf.letters()] == ["replayed"]


def test_a_correction_that_fails_is_sent_again_and_the_original_still_there(
    shelf: Shelf, handler: Breakable, letter: UUID
) -> None:
    [original] = shelf.one("SELECT payload FROM inventory_deadletter")
    handler.break_for(saga_of(shelf, letter))
    edit(letter, payload=(payload := corrected(3)))
    parked([resent(shelf, "inventory-commands")])
    assert shelf.one("SELECT status, payload, edited_payload FROM inventory_deadletter") == (
        "parked",
        original,
        payload,
    )
    handler.mend()
    preview = operations.preview_replay(context="inventory", letter_id=letter)
    assert (preview.edited_by, preview.version) == ("ada", 2)
    replay(letter, 2)
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert shelf.levels() == (7, 3, 0)


LINE = '{"product_id": "tea", "quantity": %s}'
WHOLE = '{"order_id": "01a20000-0000-7000-8000-000000000000", "lines": [%s]%s}'


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ("{no json", "JSON is malformed"),
        ('{"lines": []}', "missing required field `order_id`"),
        (WHOLE % (LINE % '"2"', ""), r"Expected `int`, got `str` - at `\$.lines\[0\].quantity`"),
        (WHOLE % (LINE % 2, ', "line": 1'), r"field='\$.line'.*did you mean 'lines'\?"),
        (
            WHOLE % ('{"product_id": "tea", "quantity": 1, "quantiy": 2}', ""),
            r"no such field; did you mean 'quantity'\?",
        ),
    ],
)  # fmt: skip
def test_a_correction_that_does_not_fit_its_type_is_told_by_field(
    shelf: Shelf, letter: UUID, payload: str, told: str
) -> None:
    before = everything(shelf)
    with pytest.raises(EditRefused, match=told):
        edit(letter, payload=payload.encode())
    assert everything(shelf) == before


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("saga_id", "another saga never asked for it"),
        ("baggage", "another saga never asked for it"),
        ("step_id", "an answer to nobody"),
        ("action", "an answer to nobody"),
        ("generation", "an answer to nobody"),
        ("message_id", "one of its own"),
        ("colour", "no message has such a header"),
    ],
)
def test_what_a_message_is_about_cannot_be_changed(
    shelf: Shelf, letter: UUID, header: str, why: str
) -> None:
    before = everything(shelf)
    with pytest.raises(EditRefused, match=why):
        edit(letter, headers={header: "2"})
    assert everything(shelf) == before


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"type": "ReserveStok"}, "did you mean 'ReserveStock'"),
        ({"version": "99"}, "of version 99 is known"),
        ({"version": "one"}, "Only type, version, mode, plan"),
        ({"type": "ReleaseStock"}, "not what the action 'do' asks"),
        ({"type": "CapturePayment"}, "inventory handles no CapturePayment"),
        ({"mode": "dancing"}, "dancing"),
        ({"plan": "no plan"}, "expected process/version/mode/step,step"),
    ],
)
def test_headers_that_cannot_be_read_are_refused(
    shelf: Shelf, letter: UUID, headers: dict[str, str], why: str
) -> None:
    before = everything(shelf)
    with pytest.raises(EditRefused, match=why):
        edit(letter, payload=b"{}" if "type" in headers else corrected(), headers=headers)
    assert everything(shelf) == before


def test_a_header_is_corrected_and_the_message_handled(shelf: Shelf) -> None:
    sound = reserve(new_saga())
    parked([garbled(sound, {"version": b"99"})])
    edit(the_letter(shelf), payload=sound.payload, headers={"version": "1"})
    assert audit(shelf)[0][5]["changed"] == ["header version"]
    [original] = shelf.one("SELECT headers FROM inventory_deadletter")
    assert json.loads(original)["version"] == "99"
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert shelf.levels() == (9, 1, 0)


def test_a_correction_that_changes_nothing_is_refused(shelf: Shelf, letter: UUID) -> None:
    [payload] = shelf.one("SELECT payload FROM inventory_deadletter")
    with pytest.raises(EditRefused, match="nothing was changed"):
        edit(letter, payload=payload)


# --- giving up


def test_what_waits_behind_a_discarded_action_goes_on(shelf: Shelf, letter: UUID) -> None:
    carry_out("inventory", [handed_over(saga_of(shelf, letter))])
    preview = operations.preview_discard(context="inventory", letter_id=letter)
    assert (preview.sent_to, len(preview.behind)) == ("", 1)
    assert preview.consequences == (
        "reserve_stock is not done by this message. If its saga still waits for it, the engine's"
        " watchdog sends it again when its time is up, or turns the saga back.",
        "1 message of its saga goes on at once.",
    )
    discard(letter)
    assert [each[:2] for each in shelf.letters()] == [
        ("discarded", "reserve_stock"),
        ("released", "ship_stock"),
    ]
    assert resent(shelf, "shipping-events").type == "ShipmentHandedOver"
    assert audit(shelf) == [
        ("discard", 7, "ada", 0, REASON, {"type": "ReserveStock", "generation": 1}),
    ]


def test_what_waits_behind_another_too_goes_on_waiting(
    shelf: Shelf, letter: UUID, handler: Breakable
) -> None:
    saga = saga_of(shelf, letter)
    other = Failure(reserve(saga, step="reserve_more"), RuntimeError("no"))
    park("inventory", [other])
    carry_out("inventory", [handed_over(saga)])
    preview = operations.preview_discard(context="inventory", letter_id=letter)
    assert preview.consequences[1] == (
        "1 message of its saga goes on waiting behind another parked action."
    )
    discard(letter)
    assert [each[0] for each in shelf.letters()] == ["discarded", "parked", "waiting"]


def test_a_discarded_message_that_is_read_again_after_a_crash_stays_discarded(
    shelf: Shelf, handler: Breakable
) -> None:
    handler.break_for(saga := new_saga())
    message = reserve(saga)
    parked([message])
    discard(the_letter(shelf))
    parked([message])
    assert [each[0] for each in shelf.letters()] == ["discarded"]


def test_a_discarded_request_that_is_sent_again_and_fails_is_parked_anew(
    shelf: Shelf, handler: Breakable
) -> None:
    handler.break_for(saga := new_saga())
    parked([reserve(saga)])
    discard(the_letter(shelf))
    parked([reserve(saga)])
    assert [each[0] for each in shelf.letters()] == ["discarded", "parked"]


def test_what_a_batch_lets_wait_while_the_action_is_discarded_is_not_forgotten(
    shelf: Shelf, letter: UUID
) -> None:
    """The batch has seen the parked action; the discard comes before what waits is written."""
    saga = saga_of(shelf, letter)
    letters = DeadLetters(INVENTORY)
    late = handed_over(saga)
    assert late.envelope is not None
    request = replace(late.envelope.request, step="ship_stock")
    operator = threading.Thread(target=in_its_own_thread, args=[lambda: discard(letter)])
    with INVENTORY.transaction():
        assert ParkedBehind(letters, [saga]).must_wait(request)
        operator.start()
        wait_until_somebody_is_locked_out(shelf)
        letters.wait(late, request)
    operator.join()
    assert [each[0] for each in shelf.letters()] == ["discarded", "released"]


def test_what_waits_behind_two_that_are_discarded_at_once_goes_on(
    shelf: Shelf, letter: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each must know of the other: who sees it still parked lets nothing go."""
    saga = saga_of(shelf, letter)
    park("inventory", [Failure(reserve(saga, step="reserve_more"), RuntimeError("no"))])
    other = shelf.one("SELECT id FROM inventory_deadletter WHERE id <> %s", letter)[0]
    carry_out("inventory", [handed_over(saga)])
    both = threading.Barrier(2)

    def meet(point: str, requests: object) -> None:
        if point == "letter.before_commit":
            with suppress(threading.BrokenBarrierError):  # one waits for the other's commit
                both.wait(1)

    monkeypatch.setattr(operations, "reach", meet)
    came = at_once(lambda: discard(letter), lambda: discard(other))
    assert [isinstance(each, Outcome) and each.done for each in came] == [True, True]
    assert [each[0] for each in shelf.letters()] == ["discarded", "discarded", "released"]


def wait_until_somebody_is_locked_out(shelf: Shelf) -> None:
    for _ in range(1000):
        if shelf.one("SELECT count(*) FROM pg_locks WHERE NOT granted") != (0,):
            return
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


def in_its_own_thread(work: Callable[[], object]) -> None:
    try:
        work()
    finally:
        connections.close_all()


@pytest.mark.parametrize(
    ("spoilt", "means"),
    [
        ({"plan": None}, "inventory does not hear of it"),
        ({"saga_id": b"\xff", "key": None}, "Nobody can tell what it asked"),
    ],
)
def test_what_could_not_be_read_can_be_given_up(
    shelf: Shelf, spoilt: dict[str, bytes | None], means: str
) -> None:
    read = garbled(reserve(new_saga()), spoilt)
    if "key" in spoilt:
        read = type(read)(read.topic, 0, read.offset, None, read.headers, read.payload)
    parked([read])
    letter = the_letter(shelf)
    preview = operations.preview_discard(context="inventory", letter_id=letter)
    assert means in preview.consequences[0]
    assert operations.preview_replay(context="inventory", letter_id=letter).warnings == (
        "It could not be read: it cannot be read the next time either, unless corrected.",
    )
    discard(letter)
    assert shelf.letters() == [("discarded", "", "", "UnreadableMessage")]


def test_giving_up_a_compensation_says_what_it_leaves(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    undoing, saga = Breakable(monkeypatch, ReleaseStock), new_saga()
    undoing.break_for(saga)
    carry_out("inventory", [reserve(saga)])
    parked([release(saga)])
    preview = operations.preview_discard(context="inventory", letter_id=the_letter(shelf))
    assert preview.consequences == (
        "reserve_stock is not undone by this message. Its saga cannot end until it is: the"
        " engine's watchdog sends the request again, or the saga stands on the desk.",
    )


# --- groups


@pytest.fixture
def group(shelf: Shelf, handler: Breakable) -> str:
    """Three messages that failed alike, beside one that did not; the handler is mended by now."""
    sagas = [new_saga() for _ in range(3)]
    handler.break_for(*sagas)
    parked([garbled(reserve(new_saga()), {"payload": b"{}"}), *map(reserve, sagas)])
    handler.mend()
    return groups(context="inventory")[0].fingerprint


def replay_group(fingerprint: str, limit: int, reason: str = REASON) -> list[Outcome]:
    return operations.replay_group(
        context="inventory", fingerprint=fingerprint, limit=limit, actor=ADA, reason=reason
    )


def test_what_failed_alike_is_one_group(shelf: Shelf, group: str) -> None:
    found = groups(context="inventory")
    assert [(each.parked, each.error_type, each.type, each.step) for each in found] == [
        (3, "RuntimeError", "ReserveStock", "reserve_stock"),
        (1, "UnreadableMessage", "ReserveStock", "reserve_stock"),
    ]
    first, last, newest = shelf.one(
        "SELECT min(parked_at), max(failed_at), max(id::text)::uuid FROM inventory_deadletter"
        " WHERE error_type = 'RuntimeError'"
    )
    assert (found[0].first_seen, found[0].last_seen, found[0].example) == (first, last, newest)


def test_a_group_is_replayed_one_first_and_then_the_others(shelf: Shelf, group: str) -> None:
    [canary] = replay_group(group, limit=1)
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    [now] = standing(context="inventory", letter_ids=[canary.letter_id])
    assert now.status == "replayed"
    rest = replay_group(group, limit=10)
    assert [each.done for each in rest] == [True, True]
    assert canary.letter_id not in {each.letter_id for each in rest}
    kept = {"type": "ReserveStock", "generation": 1, "fingerprint": group}
    assert audit(shelf) == [
        ("replay_group", 7, "ada", 0, REASON, {**kept, "limit": limit}) for limit in (1, 10, 10)
    ]


def test_a_canary_that_is_still_under_way_is_not_the_next_one(shelf: Shelf, group: str) -> None:
    [first], [second] = replay_group(group, limit=1), replay_group(group, limit=1)
    assert first.letter_id != second.letter_id


def test_one_of_a_group_that_somebody_settled_meanwhile_is_told(
    shelf: Shelf, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = operations.alike(INVENTORY, group, 10)
    monkeypatch.setattr(operations, "alike", lambda *given: chosen)
    discard(chosen[1])
    came = replay_group(group, limit=10)
    assert [(each.letter_id, each.done) for each in came] == [
        (chosen[0], True), (chosen[1], False), (chosen[2], True),
    ]  # fmt: skip
    assert [row[0] for row in audit(shelf)] == ["discard", "replay_group", "replay_group"]


def test_the_preview_of_a_group_names_those_that_are_sent(shelf: Shelf, group: str) -> None:
    preview = operations.preview_group(context="inventory", fingerprint=group, limit=2)
    shown = json.loads(json.dumps(preview.as_json()))
    assert (shown["parked"], len(shown["letters"]), shown["warnings"]) == (3, 2, [])


def test_a_group_is_refused_without_a_reason_and_where_nothing_is_alike(
    shelf: Shelf, group: str
) -> None:
    before = everything(shelf)
    with pytest.raises(ReasonMissing):
        replay_group(group, limit=1, reason="?")
    with pytest.raises(NothingAlike, match="Look at the groups"):
        replay_group("0000", limit=1)
    with pytest.raises(NothingAlike):
        operations.preview_group(context="inventory", fingerprint="0000", limit=1)
    assert everything(shelf) == before


# --- looking at a payload


def test_who_looks_at_a_payload_is_written_down(shelf: Shelf, letter: UUID) -> None:
    [payload] = shelf.one("SELECT payload FROM inventory_deadletter")
    shown = operations.reveal_payload(
        context="inventory", letter_id=letter, actor=ADA, reason="the customer asked"
    )
    assert shown == payload
    assert audit(shelf) == [
        ("reveal_payload", 7, "ada", 0, "the customer asked",
         {"type": "ReserveStock", "generation": 1}),
    ]  # fmt: skip
    assert version(shelf, letter) == 0


def test_a_payload_is_not_shown_without_a_reason(shelf: Shelf, letter: UUID) -> None:
    with pytest.raises(ReasonMissing):
        operations.reveal_payload(context="inventory", letter_id=letter, actor=ADA, reason=" ")
    with pytest.raises(NoSuchLetter):
        operations.reveal_payload(
            context="inventory", letter_id=new_saga(), actor=ADA, reason=REASON
        )
    assert audit(shelf) == []
