"""Handlers that fail, parked messages, and what was sent again."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from apps.inventory import handlers
from apps.messaging.consumer import Failure, carry_out, park
from apps.messaging.envelope import read_envelope
from apps.messaging.handling import Handler
from apps.messaging.record import Record
from apps.messaging.wiring import wiring
from tests.messaging.kit import Shelf, record


def have_a_bug(shelves: Any) -> None:
    raise RuntimeError("the handler has a bug")


class Breakable:
    """A handler of inventory that fails for the sagas that are sick, by a bug or as it is told."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        command: type,
        fail: Callable[[Any], None] = have_a_bug,
    ) -> None:
        self.fail = fail
        self.sound = handlers.COMMANDS[command]
        self.sick: set[UUID] = set()
        broken = Handler(self._decide, self.sound.workspace)
        commands: Any = wiring("inventory").commands
        monkeypatch.setitem(commands, (command.__name__, 1), broken)

    def _decide(self, command: Any, shelves: Any) -> Any:
        answer = self.sound.decide(command, shelves)
        if shelves.request.saga_id in self.sick:
            self.fail(shelves)  # what it did must not be kept
        return answer

    def break_for(self, *sagas: UUID) -> None:
        self.sick.update(sagas)

    def mend(self) -> None:
        self.sick.clear()


def parked(records: list[Record]) -> list[Failure]:
    """Carry out what can be, and park the rest."""
    failures = carry_out("inventory", records)
    park("inventory", failures)
    return failures


def resent(shelf: Shelf, topic: str) -> Record:
    """The newest message in the outbox for a topic, as its consumer will read it."""
    headers, payload = shelf.one(
        "SELECT headers, payload FROM inventory_outboxmessage WHERE topic = %s"
        " ORDER BY created_at DESC, id DESC LIMIT 1",
        topic,
    )
    raw = {name: value.encode() for name, value in msgspec.json.decode(headers).items()}
    return record(read_envelope(topic, raw, payload))


def garbled(sound: Record, changes: dict[str, bytes | None]) -> Record:
    """The record with some headers or the payload spoilt."""
    headers = {name: changes.get(name, value) for name, value in sound.headers.items()}
    payload = changes.get("payload", sound.payload) or b""
    return Record(sound.topic, 0, sound.offset, sound.key, headers, payload)
