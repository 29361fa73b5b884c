"""Messages as a consumer would read them, for the inventory context, whose handlers are plain."""

import itertools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from apps.contracts.base import Message
from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.inventory import ReleaseStock, ReserveStock
from apps.contracts.plan import Mode, Plan
from apps.contracts.shipping import ShipmentHandedOver
from apps.contracts.values import Line
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.record import Record
from apps.messaging.request import Request

PLAN = Plan(
    process="place_order",
    version=1,
    mode=Mode.ORCHESTRATED,
    steps=("create_order", "reserve_stock", "capture_payment"),
)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
offsets = itertools.count(1)


def envelope(
    message: Message,
    saga_id: UUID,
    *,
    step: str = "reserve_stock",
    action: Action = Action.DO,
    generation: int = 1,
    mode: Mode = Mode.ORCHESTRATED,
    topic: str = "",
) -> Envelope:
    request = Request(saga_id, step, action, generation, mode)
    return new_envelope(message, request, plan=PLAN.to_header(), traceparent=TRACE, topic=topic)


def record(sent: Envelope, **changes: Any) -> Record:
    """The record that a consumer reads of an envelope; a new place in Kafka each time."""
    facts: dict[str, Any] = {
        "topic": sent.topic,
        "partition": 0,
        "offset": next(offsets),
        "key": str(sent.request.saga_id).encode(),
        "headers": {name: value.encode() for name, value in sent.headers().items()},
        "payload": sent.payload,
    }
    return Record(**{**facts, **changes})


def reserve(saga_id: UUID, quantity: int = 1, product: str = "tea", **request: Any) -> Record:
    line = Line(product_id=product, quantity=quantity)
    return record(envelope(ReserveStock(order_id=saga_id, lines=(line,)), saga_id, **request))


def release(saga_id: UUID, **request: Any) -> Record:
    return record(envelope(ReleaseStock(), saga_id, action=Action.UNDO, **request))


def handed_over(saga_id: UUID, **request: Any) -> Record:
    event = ShipmentHandedOver(carrier="in-house", reference="SP-1")
    return record(envelope(event, saga_id, step="hand_over", **request))


def new_saga() -> UUID:
    return uuid7()


class Shelf:
    """The inventory database, as its owner sees it."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.owner = owner

    def stock(self, product: str, on_hand: int) -> None:
        from apps.inventory.services import receive_stock

        receive_stock(quantities={product: on_hand}, reason="test")

    def levels(self, product: str = "tea") -> tuple[int, int, int]:
        """On hand, reserved, shipped."""
        return self.one(
            "SELECT on_hand, reserved, shipped FROM inventory_stock WHERE product_id = %s", product
        )

    def log(self, saga_id: UUID) -> dict[str, tuple[str, int]]:
        """Status and generation of each step."""
        rows = self.owner.execute(
            "SELECT step, status, generation FROM inventory_sagalog WHERE saga_id = %s", [saga_id]
        )
        return {step: (status, generation) for step, status, generation in rows}

    def answers(self, saga_id: UUID | None = None) -> list[tuple[Message, dict[str, str]]]:
        """What is in the outbox for the topic of events, oldest first, with its headers."""
        rows = self.owner.execute(
            "SELECT headers, payload FROM inventory_outboxmessage"
            " WHERE topic = 'inventory-events' ORDER BY created_at, id"
        ).fetchall()
        read = [
            (msgspec.json.decode(headers, type=dict[str, str]), payload)
            for headers, payload in rows
        ]
        return [
            (msgspec.json.decode(payload, type=MESSAGES[told["type"], int(told["version"])]), told)
            for told, payload in read
            if saga_id is None or told["saga_id"] == str(saga_id)
        ]

    def messages(self, saga_id: UUID | None = None) -> list[Message]:
        return [message for message, _ in self.answers(saga_id)]

    def notes(self, saga_id: UUID) -> list[tuple[str, str]]:
        rows = self.owner.execute(
            "SELECT action, decision FROM inventory_barriernote WHERE saga_id = %s ORDER BY id",
            [saga_id],
        )
        return rows.fetchall()

    def letters(self) -> list[tuple[Any, ...]]:
        """Status, step, action and error type of each dead letter."""
        return self.owner.execute(
            "SELECT status, step, action, error_type FROM inventory_deadletter ORDER BY id"
        ).fetchall()

    def one(self, statement: str, *parameters: object) -> Any:
        row: Sequence[Any] | None = self.owner.execute(statement, parameters).fetchone()
        assert row is not None
        return tuple(row)
