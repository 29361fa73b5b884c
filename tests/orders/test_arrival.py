"""The customer's timeline and the end of an order do not depend on what orders hears first.

Every permutation of what orders is told and asked in a saga, in both modes: each is the way of an
order of its own, and all of these go one message at a time together, or each in one batch.
"""

from datetime import UTC, datetime, timedelta
from itertools import chain, permutations
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
import pytest

from apps.contracts.base import Event, Message
from apps.contracts.catalogue import Action
from apps.contracts.inventory import StockReleased, StockReserved
from apps.contracts.orders import CancelOrder, ConfirmOrder
from apps.contracts.payments import PaymentCaptured, PaymentRefunded
from apps.contracts.plan import Mode
from apps.contracts.shipping import ShipmentHandedOver
from apps.messaging.consumer import carry_out
from apps.messaging.envelope import new_envelope
from apps.messaging.record import Record
from apps.messaging.request import Request
from apps.processes import PLACE_ORDER, refusals
from tests.e2e.world import drive
from tests.messaging.kit import TRACE, record
from tests.orders.shop import place, row_of, timeline_of
from tests.sagas.scenarios import REFUSALS, SUCCESSES, UNDONE

STEPS = PLACE_ORDER.plan((), Mode.ORCHESTRATED).steps
HANDED_OVER = ShipmentHandedOver(carrier="in-house", reference="P-1")
HEARD = {
    StockReserved, PaymentCaptured, ShipmentHandedOver, PaymentRefunded, StockReleased,
    *refusals(),
}  # fmt: skip
BEGAN = datetime(2031, 1, 1, tzinfo=UTC)  # when the first of the facts is told, one per second
FROZEN = 1500


class Told(NamedTuple):
    """A message that orders gets."""

    step: str
    action: Action
    message: Message


def facts_of(refused: str) -> list[Told]:
    """What the steps of others tell, in the order in which they do."""
    if not refused:
        done = [Told(step, Action.DO, SUCCESSES[step]) for step in STEPS[1:]]
        return [*done, Told("hand_over", Action.DO, HANDED_OVER)]
    before = STEPS[1 : STEPS.index(refused)]
    return [
        *(Told(step, Action.DO, SUCCESSES[step]) for step in before),
        Told(refused, Action.DO, REFUSALS[refused]),
        *(Told(step, Action.UNDO, UNDONE[step]) for step in reversed(before)),
    ]


def messages_of(mode: Mode, refused: str) -> list[Told]:
    """What orders gets, without what it makes nothing of; the engine asks where it drives."""
    heard = [each for each in facts_of(refused) if type(each.message) in HEARD]
    if mode is Mode.CHOREOGRAPHED:
        return heard
    if refused:
        return [*heard, Told("create_order", Action.UNDO, CancelOrder())]
    return [*heard, Told("confirm_order", Action.DO, ConfirmOrder(total_cents=FROZEN))]


def as_record(saga_id: UUID, plan: str, mode: Mode, number: int, told: Told) -> Record:
    """The message as orders reads it; its id tells when it was told."""
    request = Request(saga_id, told.step, told.action, 1, mode)
    following = told.step == "capture_payment" and type(told.message) is PaymentCaptured
    inputs = f'{{"total_cents":{FROZEN}}}' if following and mode is Mode.CHOREOGRAPHED else ""
    topic = "" if isinstance(told.message, Event) else "orders-commands"
    sent = new_envelope(
        told.message, request, plan=plan, traceparent=TRACE, inputs=inputs, topic=topic
    )
    at = int((BEGAN + timedelta(seconds=number)).timestamp() * 1000)
    message_id = UUID(int=at << 80 | sent.message_id.int & (1 << 80) - 1)
    return record(msgspec.structs.replace(sent, message_id=message_id))


def arrive(database: psycopg.Connection, mode: Mode, refused: str, *, together: bool) -> list[UUID]:
    """An order for each permutation of its messages, which it is given in that order."""
    messages = messages_of(mode, refused)
    ways = list(permutations(range(len(messages))))
    ids = [place(key=f"key-{number}").order_id for number in range(len(ways))]
    sagas = dict(database.execute("SELECT id, saga_id FROM orders_order").fetchall())
    [(plan,)] = set(database.execute("SELECT plan FROM orders_order").fetchall())
    arriving = [
        [as_record(sagas[order_id], plan, mode, number, messages[number]) for number in way]
        for order_id, way in zip(ids, ways, strict=True)
    ]
    turns: list[list[Record]] = [list(turn) for turn in zip(*arriving, strict=True)]
    if together:
        turns = [list(chain.from_iterable(arriving))]
    for turn in turns:
        assert carry_out("orders", turn) == []
    return ids


def seconds_of(database: psycopg.Connection, order_id: UUID) -> dict[str, float]:
    """When what others told happened, in seconds from the first of it."""
    found = database.execute(
        "SELECT type, at FROM orders_orderevent WHERE order_id = %s AND at >= %s", [order_id, BEGAN]
    )
    return {name: (at - BEGAN).total_seconds() for name, at in found}


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("refused", ["", *STEPS[1:6]])
@pytest.mark.parametrize("mode", list(Mode))
def test_the_end_and_the_timeline_are_the_same_whatever_is_heard_first(
    databases: dict[str, psycopg.Connection], mode: Mode, refused: str, together: bool
) -> None:
    orders = databases["orders"]
    drive(mode)
    ids = arrive(orders, mode, refused, together=together)
    told = messages_of(mode, refused)
    own = ("OrderCreated", "OrderCancelled" if refused else "OrderConfirmed")
    on_timeline = {
        type(each.message).__name__: float(number)
        for number, each in enumerate(told)
        if type(each.message) in HEARD - {StockReleased}
    }

    timelines: list[Any] = [sorted(timeline_of(orders, each)) for each in ids]

    assert timelines == [timelines[0]] * len(ids)
    assert {name for _, name, _ in timelines[0]} == {*own, *on_timeline}
    assert [seconds_of(orders, each) for each in ids] == [on_timeline] * len(ids)
    end = ("cancelled", 2199, True) if refused else ("confirmed", FROZEN, True)
    assert {row_of(orders, each) for each in ids} == {end}
