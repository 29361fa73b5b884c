"""The customer's timeline: the same whatever is heard first, or twice."""

import itertools
import random
import time
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.inventory import StockReservationFailed
from apps.contracts.orders import CancelOrder
from apps.contracts.payments import (
    CaptureFailed,
    DeclineCode,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
)
from apps.contracts.plan import Mode
from apps.contracts.pricing import PriceFreezeFailed
from apps.contracts.shipping import GiftWrapUnavailable, ShipmentHandedOver, ShipmentRefused
from apps.contracts.values import PriceChange, Shortage
from apps.messaging.database import Database
from apps.messaging.handling import Heard, Request, Task
from apps.orders.handlers import LISTENERS
from apps.orders.selectors import all_order_facts, order_of, refusal_of
from apps.orders.workspaces import time_of
from tests.handling import ask
from tests.orders.shop import place, saga_of, timeline_of

Databases = dict[str, psycopg.Connection]
CREATED = ("create_order", "OrderCreated", {})
DECLINED = PaymentDeclined(
    code=DeclineCode.INSUFFICIENT_CREDIT, wanted_cents=2199, available_cents=500
)
CAPTURED = PaymentCaptured(amount_cents=2199)
HANDED_OVER = ShipmentHandedOver(carrier="in-house", reference="P-1")
REFUNDED = PaymentRefunded(amount_cents=2199)


def heard(saga_id: UUID, step: str, event: Event, later_ms: int = 1) -> Heard:
    """An event as orders hears it, told so many milliseconds from now."""
    request = Request(saga_id, step, Action.DO, 1, Mode.ORCHESTRATED)
    message_id = UUID(int=uuid7().int + (later_ms << 80))
    return Heard(message_id, request, event, plan="", traceparent="")


def hear(*messages: Heard) -> None:
    """Let orders hear messages in one batch."""
    database = Database("orders")
    [workspace_type] = {LISTENERS[type(each.event)].workspace for each in messages}
    with database.transaction():
        tasks = [Task(each.request, each.event) for each in messages]
        workspace = workspace_type.load(database, tasks)
        for each in messages:
            assert list(LISTENERS[type(each.event)].hear(each, workspace)) == []
        workspace.save()


@pytest.mark.parametrize(
    ("step", "event", "reason"),
    [
        (
            "reserve_stock",
            StockReservationFailed(short=(Shortage(product_id="tea", wanted=2, available=1),)),
            "Not enough in stock: product tea, 2 wanted, 1 left",
        ),
        (
            "freeze_price",
            PriceFreezeFailed(
                changed=(PriceChange(product_id="tea", seen_cents=450, current_cents=500),)
            ),
            "Prices have changed: product tea costs 5.00 now, you saw 4.50",
        ),
        ("authorize_payment", DECLINED, "Your store credit of 5.00 does not cover 21.99"),
        (
            "wrap_gift",
            GiftWrapUnavailable(pieces=30, most_pieces=20),
            "Gift wrap holds at most 20 pieces, the order has 30",
        ),
        (
            "create_shipment",
            ShipmentRefused(pieces=300, most_pieces=200),
            "The carrier takes at most 200 pieces, the order has 300",
        ),
        (
            "capture_payment",
            CaptureFailed(code="expired"),
            "The payment could not be completed (expired)",
        ),
    ],
)
def test_a_refusal_can_be_read_with_its_reason(
    databases: Databases, step: str, event: Event, reason: str
) -> None:
    orders, order_id = databases["orders"], place().order_id

    hear(heard(saga_of(orders, order_id), step, event))

    code = type(event).__name__
    assert timeline_of(orders, order_id) == [CREATED, (step, code, {"reason": reason})]
    order = order_of(7, order_id)
    assert order is not None
    assert refusal_of(order) == (step, code, reason)
    [fact] = all_order_facts()
    assert (fact.refused_step, fact.refusal_code, fact.refusal_reason) == (step, code, reason)


def test_facts_are_told_with_amounts_and_references(databases: Databases) -> None:
    orders, order_id = databases["orders"], place().order_id
    saga_id = saga_of(orders, order_id)

    hear(
        heard(saga_id, "capture_payment", CAPTURED, 10),
        heard(saga_id, "hand_over", HANDED_OVER, 20),
        heard(saga_id, "authorize_payment", REFUNDED, 30),
    )

    assert timeline_of(orders, order_id)[1:] == [
        ("capture_payment", "PaymentCaptured", {"amount_cents": 2199}),
        ("hand_over", "ShipmentHandedOver", {"carrier": "in-house", "reference": "P-1"}),
        ("authorize_payment", "PaymentRefunded", {"amount_cents": 2199}),
    ]
    order = order_of(7, order_id)
    assert order is not None
    assert refusal_of(order) is None


def test_a_refund_of_nothing_is_no_news(databases: Databases) -> None:
    orders, order_id = databases["orders"], place().order_id

    refund = PaymentRefunded(nothing_to_undo=True)
    hear(heard(saga_of(orders, order_id), "authorize_payment", refund))

    assert timeline_of(orders, order_id) == [CREATED]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order_of_arrival", list(itertools.permutations(range(3))))
def test_the_order_of_arrival_makes_no_difference(
    databases: Databases, order_of_arrival: tuple[int, ...], together: bool
) -> None:
    orders, order_id = databases["orders"], place().order_id
    saga_id = saga_of(orders, order_id)
    told = [
        heard(saga_id, "capture_payment", CAPTURED, 10),
        heard(saga_id, "hand_over", HANDED_OVER, 20),
        heard(saga_id, "capture_payment", CAPTURED, 30),  # the answer again: a message of its own
    ]
    arriving = [told[n] for n in order_of_arrival] * 2

    for batch in [arriving] if together else [[each] for each in arriving]:
        hear(*batch)

    assert orders.execute(
        "SELECT type, at FROM orders_orderevent WHERE step <> 'create_order' ORDER BY at"
    ).fetchall() == [
        ("PaymentCaptured", time_of(told[0].message_id)),
        ("ShipmentHandedOver", time_of(told[1].message_id)),
    ]


def test_many_sagas_in_one_batch_in_any_order(databases: Databases) -> None:
    orders = databases["orders"]
    ids = [place(key=f"key-{n}").order_id for n in range(20)]
    told = [heard(saga_of(orders, each), "authorize_payment", DECLINED) for each in ids]
    random.Random(1).shuffle(told)

    hear(*told)

    assert {fact.id: fact.refused_step for fact in all_order_facts()} == dict.fromkeys(
        ids, "authorize_payment"
    )


def test_an_order_that_is_not_known_here_is_ignored(databases: Databases) -> None:
    orders, order_id = databases["orders"], place().order_id

    hear(heard(uuid7(), "authorize_payment", DECLINED))

    assert timeline_of(orders, order_id) == [CREATED]
    assert orders.execute("SELECT count(*) FROM orders_orderevent").fetchone() == (1,)


def test_a_refusal_that_is_heard_after_the_end_still_gives_the_reason(
    databases: Databases,
) -> None:
    orders, order_id = databases["orders"], place().order_id
    saga_id = saga_of(orders, order_id)
    refusal = heard(saga_id, "authorize_payment", DECLINED, 1)
    time.sleep(0.01)
    ask("orders", CancelOrder(), saga_id=saga_id, step="create_order")

    hear(refusal)

    assert [each[1] for each in timeline_of(orders, order_id)] == [
        "OrderCreated",
        "PaymentDeclined",
        "OrderCancelled",
    ]


def test_a_message_id_tells_its_time() -> None:
    assert time_of(UUID("0192f3a1-b2c3-7abc-8def-0123456789ab")) == datetime(
        2024, 11, 3, 20, 5, 13, 539000, tzinfo=UTC
    )
