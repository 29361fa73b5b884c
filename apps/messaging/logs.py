"""Which message is at hand: what is logged while it is handled says whose it is.

Handling a message only notes it. Its ids are put together when something is logged, which is
seldom, so that the way of all others pays next to nothing (docs/decisions/0030).
"""

import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import msgspec

from apps.contracts.reading import read
from apps.messaging.errors import NO_JSON
from apps.messaging.record import Record


class _Hand(threading.local):
    """Each thread's own. A context variable takes three times as long to set."""

    message: Record | None = None


hand = _Hand()


@contextmanager
def at_hand(record: Record) -> Iterator[None]:
    """This message is at hand inside the block."""
    hand.message = record
    try:
        yield
    finally:
        hand.message = None


def add_message_at_hand(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor. What the event says itself has precedence."""
    if (record := hand.message) is not None:
        for name, value in facts_of(record).items():
            event.setdefault(name, value)
    return event


def facts_of(record: Record) -> dict[str, str]:
    """Whose message it is and where it lies, as far as it can be read; nothing that is personal."""
    facts = {"place": record.place}
    if record.saga_id:
        facts["saga_id"] = str(record.saga_id)
    envelope = record.envelope
    if envelope is None:
        return facts
    return facts | {
        "step": envelope.request.step,
        "action": envelope.request.action.value,
        "type": envelope.type,
        "message_id": str(envelope.message_id),
        "trace_id": envelope.traceparent.split("-")[1] if "-" in envelope.traceparent else "",
        **order_of(record.payload),
    }


class _OfAnOrder(msgspec.Struct):
    order_id: str = ""


def order_of(payload: bytes) -> dict[str, str]:
    """The order that a payload names, as a fact for the log; nothing where it names none."""
    try:
        order_id = read(payload, _OfAnOrder).order_id
    except NO_JSON:
        return {}  # no object, or an order id that is no text: then it is not known
    return {"order_id": order_id} if order_id else {}
