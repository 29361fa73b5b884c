"""A message that cannot be handled is kept, and others go on."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from apps.contracts.catalogue import Action
from apps.contracts.inventory import (
    ReleaseStock,
    StockReleased,
    StockReservationFailed,
    StockReserved,
)
from apps.contracts.steps import RecordHappened, RecordRefused, ResolveOutside, UndoRefused
from apps.contracts.values import Line
from apps.inventory import handlers
from apps.messaging.audit import Actor
from apps.messaging.consumer import Failure, carry_out, park
from apps.messaging.dead_letter_operations import preview_replay, replay_letter
from apps.messaging.dead_letters import DeadLetters
from apps.messaging.handling import Handler, Reaction
from apps.messaging.kafka import LARGEST_MESSAGE
from apps.messaging.wiring import wiring
from tests.messaging.kit import Shelf, envelope, handed_over, new_saga, record, release, reserve
from tests.messaging.parking import Breakable, garbled, parked, resent

pytestmark = pytest.mark.usefixtures("quiet")
TEA = (Line(product_id="tea", quantity=1),)
LONG = secrets.token_hex(6_000).encode()  # longer than an index takes, however it is packed


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[UUID], None]:
    """Makes the handler fail for a saga; called with None it works again."""
    sound = handlers.COMMANDS[handlers.ReserveStock]
    sick: list[UUID] = []

    def reserve_stock(command: Any, shelves: Any) -> Any:
        if shelves.request.saga_id in sick:
            shelves.reserve(command.order_id, command.lines)  # what it did must not be kept
            raise RuntimeError("the handler has a bug")
        return sound.decide(command, shelves)

    commands: Any = wiring("inventory").commands
    monkeypatch.setitem(commands, ("ReserveStock", 1), Handler(reserve_stock, sound.workspace))

    def break_for(saga: UUID | None) -> None:
        sick[:] = [saga] if saga else []

    return break_for


def test_a_poison_message_is_parked_and_others_go_on(shelf: Shelf, broken: Any) -> None:
    poisoned, healthy = new_saga(), [new_saga() for _ in range(3)]
    broken(poisoned)
    batch = [reserve(saga) for saga in (healthy[0], poisoned, *healthy[1:])]
    [failure] = parked(batch)
    assert failure.record is batch[1]
    assert shelf.levels() == (7, 3, 0)
    assert shelf.log(poisoned) == {}
    assert shelf.letters() == [("parked", "reserve_stock", "do", "RuntimeError")]
    assert [type(shelf.messages(saga)[0]) for saga in healthy] == [StockReserved] * 3


def test_a_parked_message_is_copied_to_the_dead_letter_topic(shelf: Shelf, broken: Any) -> None:
    saga = new_saga()
    broken(saga)
    message = reserve(saga)
    parked([message])
    topic, headers, payload = shelf.one(
        "SELECT topic, headers, payload FROM inventory_outboxmessage"
    )
    told = msgspec.json.decode(headers)
    assert topic == "inventory-commands_dlq"
    assert payload == message.payload
    assert told["error"] == "the handler has a bug"
    assert told["read_from"] == f"inventory-commands/0/{message.offset}"
    assert told["type"] == "ReserveStock"


def test_later_actions_of_the_saga_wait_and_go_on_after_a_replay(shelf: Shelf, broken: Any) -> None:
    saga = new_saga()
    broken(saga)
    parked([reserve(saga)])
    assert carry_out("inventory", [handed_over(saga)]) == []
    assert shelf.log(saga) == {}
    assert [each[:2] for each in shelf.letters()] == [
        ("parked", "reserve_stock"),
        ("waiting", "ship_stock"),
    ]
    broken(None)
    [letter_id] = shelf.one("SELECT id FROM inventory_deadletter WHERE status = 'parked'")
    replay(letter_id)
    carry_out("inventory", [resent(shelf, "inventory-commands")])
    assert shelf.levels() == (9, 1, 0)
    assert [each[0] for each in shelf.letters()] == ["replayed", "released"]
    carry_out("inventory", [resent(shelf, "shipping-events")])
    assert shelf.levels() == (9, 0, 1)


def test_what_waits_takes_back_no_claim_of_a_rival(
    shelf: Shelf, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person's word claims no row: one that comes meanwhile is that of another batch."""
    saga = new_saga()
    broken(saga)
    parked([reserve(saga)])
    wait = DeadLetters.wait

    def wait_while_a_rival_claims(*given: Any) -> None:
        shelf.owner.execute(
            "INSERT INTO inventory_sagalog (saga_id, step, status, generation, answer_type,"
            " answer_version, answer, started_at, changed_at)"
            " VALUES (%s, 'ship_stock', 'done', 1, '', 1, '', now(), now())",
            [saga],
        )
        wait(*given)

    monkeypatch.setattr(DeadLetters, "wait", wait_while_a_rival_claims)
    told = envelope(
        RecordHappened(evidence="I saw it"), saga, step="ship_stock", topic="inventory-commands"
    )
    assert carry_out("inventory", [record(told)]) == []

    assert [each[:2] for each in shelf.letters()][1:] == [("waiting", "ship_stock")]
    assert shelf.log(saga) == {"ship_stock": ("done", 1)}


def test_what_a_person_says_and_is_not_so_settles_nothing(shelf: Shelf, broken: Any) -> None:
    """The step has no call outside that a person could know of: its message stays parked."""
    saga = new_saga()
    broken(saga)
    parked([reserve(saga)])
    found = envelope(RecordHappened(evidence="I saw it"), saga, topic="inventory-commands")

    assert carry_out("inventory", [record(found)]) == []

    assert [each[0] for each in shelf.letters()] == ["parked"]
    assert shelf.log(saga) == {}
    assert shelf.notes(saga) == [("do", "not_recorded")]
    [(refusal, headers)] = shelf.answers(saga)
    assert isinstance(refusal, RecordRefused)
    assert "replay its parked message" in refusal.reason
    assert (headers["step_id"], headers["action"], headers["generation"]) == (
        "reserve_stock", "do", "1",
    )  # fmt: skip


def test_what_is_not_undone_outside_leaves_its_undo_parked(shelf: Shelf) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga)])
    parked([record(envelope(ReleaseStock(), saga, action=Action.UNDO), payload=b"garbled")])
    word = ResolveOutside(evidence="I put it back")
    said = envelope(word, saga, action=Action.UNDO, generation=2, topic="inventory-commands")

    assert carry_out("inventory", [record(said)]) == []

    assert [each[:3] for each in shelf.letters()] == [("parked", "reserve_stock", "undo")]
    assert isinstance(shelf.messages(saga)[-1], UndoRefused)


def test_a_replay_that_fails_again_is_parked_where_it_was(shelf: Shelf, broken: Any) -> None:
    saga = new_saga()
    broken(saga)
    parked([reserve(saga)])
    [letter_id] = shelf.one("SELECT id FROM inventory_deadletter")
    replay(letter_id)
    parked([resent(shelf, "inventory-commands")])
    assert shelf.one("SELECT id, status, replays, attempts FROM inventory_deadletter") == (
        letter_id,
        "parked",
        1,
        8,
    )


def test_a_compensation_passes_and_supersedes_the_parked_action(shelf: Shelf, broken: Any) -> None:
    saga = new_saga()
    broken(saga)
    parked([reserve(saga)])
    assert carry_out("inventory", [release(saga)]) == []
    assert shelf.messages() == [StockReleased(nothing_to_undo=True)]
    assert shelf.log(saga) == {"reserve_stock": ("tombstone", 1)}
    assert [each[0] for each in shelf.letters()] == ["superseded"]
    broken(None)
    carry_out("inventory", [reserve(saga)])
    assert shelf.levels() == (10, 0, 0)


def test_a_compensation_passes_the_parked_action_of_another_step(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga)])
    sound = handlers.REACTIONS[handlers.ShipmentHandedOver]
    monkeypatch.setitem(
        wiring("inventory").reactions,  # type: ignore[arg-type]
        ("ShipmentHandedOver", 1),
        Reaction("ship_stock", lambda event, shelves: 1 / 0, sound.workspace),  # type: ignore[arg-type, return-value]
    )
    parked([handed_over(saga)])
    assert carry_out("inventory", [release(saga)]) == []
    assert shelf.levels() == (10, 0, 0)
    assert [each[:2] for each in shelf.letters()] == [("parked", "ship_stock")]


def test_a_re_sent_command_replaces_its_parked_copy(shelf: Shelf, broken: Any) -> None:
    saga = new_saga()
    broken(saga)
    parked([reserve(saga)])
    parked([reserve(saga)])
    assert len(shelf.letters()) == 1
    broken(None)
    carry_out("inventory", [reserve(saga)])
    assert shelf.levels() == (9, 1, 0)
    assert [each[0] for each in shelf.letters()] == ["replayed"]


@pytest.fixture
def cannot_undo(monkeypatch: pytest.MonkeyPatch) -> Breakable:
    """The handler of the compensation, to break."""
    return Breakable(monkeypatch, ReleaseStock)


def test_a_re_sent_compensation_replaces_its_parked_copy(
    shelf: Shelf, cannot_undo: Breakable
) -> None:
    saga = new_saga()
    cannot_undo.break_for(saga)
    carry_out("inventory", [reserve(saga)])
    parked([release(saga)])
    parked([again := release(saga)])
    assert shelf.one('SELECT count(*), min(attempts), min("offset") FROM inventory_deadletter') == (
        1,
        8,
        again.offset,
    )


def test_a_parked_compensation_holds_up_nobody(shelf: Shelf, cannot_undo: Breakable) -> None:
    saga = new_saga()
    cannot_undo.break_for(saga)
    carry_out("inventory", [reserve(saga)])
    parked([release(saga)])
    assert parked([handed_over(saga)]) == []
    assert shelf.levels() == (9, 0, 1)
    assert shelf.letters() == [("parked", "reserve_stock", "undo", "RuntimeError")]


def test_a_compensation_that_is_carried_out_after_all_settles_its_parked_copy(
    shelf: Shelf, cannot_undo: Breakable
) -> None:
    saga = new_saga()
    cannot_undo.break_for(saga)
    carry_out("inventory", [reserve(saga)])
    parked([release(saga)])
    cannot_undo.mend()
    carry_out("inventory", [release(saga)])
    assert shelf.levels() == (10, 0, 0)
    assert shelf.letters() == [("replayed", "reserve_stock", "undo", "RuntimeError")]


def test_a_parked_fence_is_kept_once_beside_the_compensation(shelf: Shelf) -> None:
    saga, error = new_saga(), RuntimeError("no")
    for each in (Action.FENCE, Action.UNDO, Action.FENCE, Action.UNDO):
        asked = record(envelope(ReleaseStock(), saga, action=each))
        park("inventory", [Failure(asked, error)])
    assert [each[:3] for each in shelf.letters()] == [
        ("parked", "reserve_stock", "fence"),
        ("parked", "reserve_stock", "undo"),
    ]


def test_a_retry_of_a_higher_generation_is_a_request_of_its_own(shelf: Shelf) -> None:
    saga = new_saga()
    for generation in (1, 2):
        park("inventory", [Failure(release(saga, generation=generation), RuntimeError("no"))])
    assert len(shelf.letters()) == 2


def test_events_that_a_listener_could_not_hear_are_kept_each(
    databases: dict[str, psycopg.Connection],
) -> None:
    """Two events of one saga and step may tell different things."""
    saga = new_saga()
    for _ in range(2):
        park("orders", [Failure(handed_over(saga), RuntimeError("no"))])
    count = databases["orders"].execute("SELECT count(*) FROM orders_deadletter").fetchone()
    assert count == (2,)


def test_what_is_read_again_after_a_crash_is_parked_once(shelf: Shelf, broken: Any) -> None:
    saga = new_saga()
    broken(saga)
    message = reserve(saga)
    parked([message])
    parked([message])
    assert len(shelf.letters()) == 1


def test_what_cannot_be_read_is_parked_once_however_often_it_is_read(shelf: Shelf) -> None:
    spoilt = garbled(reserve(new_saga()), {"saga_id": b"\xff"})
    parked([spoilt])
    parked([spoilt])
    assert len(shelf.letters()) == 1


def test_a_database_error_is_split_until_the_bad_message_stands_alone(shelf: Shelf) -> None:
    shelf.owner.execute(
        "INSERT INTO inventory_reservation (saga_id, product_id, order_id, quantity)"
        " VALUES (%s, 'tea', %s, 1)",
        [clash := new_saga(), new_saga()],
    )
    sagas = [new_saga() for _ in range(4)]
    batch = [reserve(saga) for saga in (*sagas[:2], clash, *sagas[2:])]
    [failure] = carry_out("inventory", batch)
    assert failure.record is batch[2]
    assert type(failure.error).__name__ == "UniqueViolation"
    assert shelf.levels() == (6, 4, 0)


def test_of_a_database_error_no_row_values_are_kept(shelf: Shelf) -> None:
    clash = new_saga()
    shelf.owner.execute(
        "INSERT INTO inventory_reservation (saga_id, product_id, order_id, quantity)"
        " VALUES (%s, 'tea', %s, 1)",
        [clash, new_saga()],
    )
    parked([reserve(clash)])
    [error] = shelf.one("SELECT error FROM inventory_deadletter")
    assert "duplicate key value" in error
    assert str(clash) not in error


@pytest.mark.parametrize(
    ("changes", "error_type"),
    [
        ({"payload": b"{no json"}, "UnreadableMessage"),
        ({"payload": b"{}"}, "UnreadableMessage"),
        ({"type": b"NeverHeardOf"}, "NoHandler"),
        ({"version": b"99"}, "UnknownMessage"),
        ({"generation": b"first"}, "UnreadableMessage"),
        ({"saga_id": b"\xff\xfe"}, "UnreadableMessage"),
        ({"action": b"dance"}, "UnreadableMessage"),
        ({"plan": None}, "UnreadableMessage"),
        ({"type": b""}, "UnreadableMessage"),
        ({"type": b"Reserve\0Stock"}, "UnreadableMessage"),
        ({"step_id": b"a\0b"}, "UnreadableMessage"),
        ({"generation": b"3000000000"}, "UnreadableMessage"),
        ({"generation": b"0"}, "UnreadableMessage"),
        ({"version": b"-1"}, "UnreadableMessage"),
        ({"step_id": LONG}, "UnreadableMessage"),
        ({"type": LONG}, "UnreadableMessage"),
        ({"plan": LONG}, "UnreadableMessage"),
        ({"causation_id": LONG}, "UnreadableMessage"),
        ({"traceparent": LONG}, "UnreadableMessage"),
        ({"action": LONG}, "UnreadableMessage"),
        ({"saga_id": LONG}, "UnreadableMessage"),
        ({"payload": b'{"order_id": "\xff"}'}, "UnreadableMessage"),
        ({"payload": b"[" * 100_000}, "UnreadableMessage"),
        ({"payload": b'{"x": ' + b"[" * 100_000}, "UnreadableMessage"),
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_what_cannot_be_read_is_parked_as_it_was(
    shelf: Shelf, changes: dict[str, bytes | None], error_type: str
) -> None:
    saga, healthy = new_saga(), new_saga()
    spoilt = garbled(reserve(saga), changes)
    parked([spoilt, reserve(healthy)])
    assert shelf.levels() == (9, 1, 0)
    assert [each[3] for each in shelf.letters()] == [error_type]
    [payload] = shelf.one("SELECT payload FROM inventory_deadletter")
    assert payload == spoilt.payload


def test_a_wrong_answer_of_a_handler_is_an_error_of_its_message(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = handlers.COMMANDS[handlers.ReserveStock]
    forgetful = Handler(lambda command, shelves: None, sound.workspace)
    commands: Any = wiring("inventory").commands
    monkeypatch.setitem(commands, ("ReserveStock", 1), forgetful)
    [failure] = carry_out("inventory", [reserve(new_saga())])
    assert type(failure.error).__name__ == "WrongAnswer"


def test_a_handler_of_ours_cannot_refuse_to_undo(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga = new_saga()
    carry_out("inventory", [reserve(saga)])
    sound = handlers.COMMANDS[handlers.ReleaseStock]
    unwilling = Handler(lambda command, shelves: UndoRefused(reason="no"), sound.workspace)
    commands: Any = wiring("inventory").commands
    monkeypatch.setitem(commands, ("ReleaseStock", 1), unwilling)
    [failure] = carry_out("inventory", [release(saga)])
    assert type(failure.error).__name__ == "WrongAnswer"


def test_a_refusal_is_no_error(shelf: Shelf) -> None:
    assert parked([reserve(new_saga(), quantity=99)]) == []
    assert [type(each) for each in shelf.messages()] == [StockReservationFailed]


def replay(letter_id: UUID) -> None:
    seen = preview_replay(context="inventory", letter_id=letter_id)
    replay_letter(
        context="inventory",
        letter_id=letter_id,
        version=seen.version,
        actor=Actor(1, "ops"),
        reason="the handler is mended",
    )


def test_a_message_whose_copy_was_carried_out_is_parked_and_holds_nobody_up(
    shelf: Shelf, broken: Any
) -> None:
    saga = new_saga()
    broken(saga)
    failures = carry_out("inventory", [reserve(saga)])
    broken(None)
    assert carry_out("inventory", [reserve(saga)]) == []  # the same request, sent twice

    park("inventory", failures)

    assert shelf.letters() == [("parked", "reserve_stock", "do", "RuntimeError")]
    assert carry_out("inventory", [handed_over(saga)]) == []
    assert shelf.log(saga) == {"reserve_stock": ("done", 1), "ship_stock": ("done", 1)}
    assert shelf.levels() == (9, 0, 1)


@pytest.fixture
def strict_letters(shelf: Shelf) -> Iterator[None]:
    """The dead letters' table takes no message whose step is known."""
    shelf.owner.execute("ALTER TABLE inventory_deadletter ADD CONSTRAINT strict CHECK (step = '')")
    yield
    shelf.owner.execute("ALTER TABLE inventory_deadletter DROP CONSTRAINT strict")


@pytest.mark.usefixtures("strict_letters")
def test_what_cannot_be_parked_as_it_is_is_parked_by_its_place_and_payload(
    shelf: Shelf, broken: Any
) -> None:
    poisoned, healthy = new_saga(), new_saga()
    broken(poisoned)
    parked([bad := reserve(poisoned), reserve(healthy)])
    assert shelf.levels() == (9, 1, 0)
    kept = shelf.one(
        'SELECT status, step, topic, partition, "offset", headers, payload, error_type, saga_id'
        " FROM inventory_deadletter"
    )
    assert kept == (
        "parked", "", "inventory-commands", 0, bad.offset, "{}", bad.payload, "RuntimeError",
        poisoned,
    )  # fmt: skip


@pytest.mark.usefixtures("strict_letters")
def test_the_last_resort_says_what_was_in_the_way_and_keeps_one_row(
    shelf: Shelf, broken: Any
) -> None:
    poisoned = new_saga()
    broken(poisoned)
    bad = reserve(poisoned)
    parked([bad])
    parked([bad])
    [error] = shelf.one("SELECT error FROM inventory_deadletter")
    assert error.startswith("the handler has a bug (kept without headers: CheckViolation, ")


def test_a_database_that_is_away_is_waited_for_and_nothing_is_parked_in_part(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(DeadLetters, "park", away)
    with pytest.raises(psycopg.OperationalError):
        park("inventory", [Failure(reserve(new_saga()), RuntimeError("no"))])
    assert shelf.letters() == []


def test_the_copy_for_the_dead_letter_topic_is_never_larger_than_a_message_may_be(
    shelf: Shelf,
) -> None:
    big = record(envelope(ReleaseStock(), new_saga()), payload=b"x" * 1_048_000)
    big.headers["remark"] = b"\xff" * 100_000
    parked([big])
    headers, payload = shelf.one("SELECT headers, payload FROM inventory_outboxmessage")
    told = msgspec.json.decode(headers)
    assert len(headers) + len(payload) < LARGEST_MESSAGE
    left_out = 1_048_000 - len(payload)
    assert told["cut"] == f"{left_out} bytes of the payload are left out, see read_from"
    assert shelf.one("SELECT length(payload) FROM inventory_deadletter") == (1_048_000,)
