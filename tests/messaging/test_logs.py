"""What is logged while a message is handled says whose it is."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog

from apps.contracts.inventory import ReserveStock
from apps.inventory import handlers
from apps.messaging.batch import Batch
from apps.messaging.consumer import Failure, carry_out, park
from apps.messaging.handling import Handler
from apps.messaging.logs import add_message_at_hand, at_hand, facts_of
from apps.messaging.wiring import wiring
from tests.messaging.kit import TRACE, Shelf, new_saga, record, release, reserve

pytestmark = pytest.mark.usefixtures("quiet")


def facts(saga_id: UUID, **more: str) -> dict[str, str]:
    return {
        "saga_id": str(saga_id), "step": "reserve_stock", "action": "do", "type": "ReserveStock",
        "trace_id": TRACE.split("-")[1], "order_id": str(saga_id), **more,
    }  # fmt: skip


def test_a_message_tells_its_saga_order_step_and_place() -> None:
    saga_id = new_saga()
    sent = reserve(saga_id)

    told = facts_of(sent)

    assert sent.envelope
    ids = {"message_id": str(sent.envelope.message_id)}
    assert told == facts(saga_id, **ids, place=f"inventory-commands/0/{sent.offset}")


def test_a_message_that_names_no_order_is_told_without_it() -> None:
    assert "order_id" not in facts_of(release(new_saga()))


def test_of_a_message_that_cannot_be_read_its_place_and_key_are_told() -> None:
    saga_id = new_saga()
    broken = reserve(saga_id)
    broken = type(broken)("inventory-commands", 3, 14, broken.key, {}, b"{")

    assert facts_of(broken) == {"place": "inventory-commands/3/14", "saga_id": str(saga_id)}


@pytest.mark.parametrize(
    "payload",
    [b"\xff{", b'{"order_id": "\xff"}', b'{"order_id": 7}', b'{"x": ' + b"[" * 100_000],
    ids=["no JSON", "no text", "no id", "too deep"],
)
def test_a_payload_that_is_no_json_is_no_hindrance(payload: bytes) -> None:
    saga_id = new_saga()
    sent = reserve(saga_id).envelope
    assert sent
    told = facts_of(record(sent, payload=payload))

    assert "order_id" not in told
    assert told["saga_id"] == str(saga_id)


@pytest.fixture
def talking(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The handler logs something for each command; what the processor made of it."""
    told: list[dict[str, Any]] = []
    sound = handlers.COMMANDS[ReserveStock]

    def reserve_stock(command: Any, shelves: Any) -> Any:
        told.append(dict(add_message_at_hand(None, "info", {"event": "looking"})))
        return sound.decide(command, shelves)

    handler = Handler(reserve_stock, sound.workspace)
    monkeypatch.setitem(handlers.COMMANDS, ReserveStock, handler)
    wiring.cache_clear()
    yield told
    wiring.cache_clear()


def test_what_a_handler_logs_is_about_its_own_message(
    shelf: Shelf, talking: list[dict[str, Any]]
) -> None:
    sagas = [new_saga() for _ in range(3)]

    Batch("inventory", [reserve(each) for each in sagas]).carry_out()

    assert [each["saga_id"] for each in talking] == list(map(str, sagas))
    assert facts(sagas[0]).items() <= talking[0].items()


def test_after_a_batch_no_message_is_at_hand(shelf: Shelf) -> None:
    carry_out("inventory", [reserve(new_saga())])

    assert add_message_at_hand(None, "info", {"event": "idle"}) == {"event": "idle"}


def test_what_an_event_says_itself_has_precedence() -> None:
    with at_hand(reserve(new_saga())):
        told = add_message_at_hand(None, "info", {"event": "x", "step": "my own"})

    assert told["step"] == "my own"


def test_parking_tells_everything_to_find_the_message_by(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    saga_id = new_saga()
    sent = reserve(saga_id)

    park("inventory", [Failure(sent, ValueError("no such thing"))])

    [line] = [each.msg for each in caplog.records if isinstance(each.msg, dict)]
    wanted = facts(saga_id, event="message_parked", context="inventory", error="no such thing")
    assert wanted.items() <= line.items()
    assert line["place"] == f"inventory-commands/0/{sent.offset}"
    assert structlog.contextvars.get_contextvars() == {}
