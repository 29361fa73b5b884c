"""Sagas that nobody coordinates: a context acts on its neighbours' events, on real databases."""

from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.inventory import StockReservationFailed, StockReserved
from apps.contracts.orders import OrderCreated
from apps.contracts.payments import PaymentCaptured
from apps.contracts.plan import Mode
from apps.contracts.pricing import PriceFreezeFailed
from apps.contracts.values import Address, Line, PaymentMethod, PricedLine
from apps.messaging.consumer import carry_out, park
from apps.messaging.envelope import new_envelope
from apps.messaging.handling import Handler
from apps.messaging.record import Record
from apps.messaging.request import Request
from apps.messaging.wiring import wiring
from apps.orders import handlers as orders_handlers
from apps.processes import PLACE_ORDER
from tests.e2e.world import basket, buy, drive, open_shop
from tests.messaging.kit import TRACE, Shelf, new_saga, record

pytestmark = pytest.mark.usefixtures("quiet")
PLAN = PLACE_ORDER.plan((), Mode.CHOREOGRAPHED)
TEA = (Line(product_id="tea", quantity=1),)
HOME = Address(name="Zo\u00eb\u00a0X", street="1", postal_code="2", city="C", country="US")


def event(
    told: Event,
    saga_id: UUID,
    step: str,
    *,
    action: Action = Action.DO,
    mode: Mode = Mode.CHOREOGRAPHED,
    plan: str = PLAN.to_header(),
    inputs: str = "",
) -> Record:
    request = Request(saga_id, step, action, 1, mode)
    return record(new_envelope(told, request, plan=plan, traceparent=TRACE, inputs=inputs))


def created(saga_id: UUID, **changes: Any) -> Record:
    line = PricedLine(product_id="tea", quantity=1, unit_price_cents=450)
    start = OrderCreated(
        order_id=saga_id, customer_id=7, currency="USD", lines=(line,), total_cents=450,
        payment_method=PaymentMethod.CREDIT, gift_wrap=False, address=HOME,
    )  # fmt: skip
    return event(start, saga_id, "create_order", **changes)


def test_a_success_asks_the_following_step_and_carries_the_inputs_of_those_behind(
    shelf: Shelf,
) -> None:
    saga = new_saga()
    assert carry_out("inventory", [created(saga)]) == []

    assert shelf.levels() == (9, 1, 0)
    assert shelf.log(saga) == {"reserve_stock": ("done", 1)}
    [(message, told)] = shelf.answers()
    assert message == StockReserved(lines=TEA)
    assert (told["mode"], told["step_id"], told["action"]) == (
        "choreographed", "reserve_stock", "do",
    )  # fmt: skip
    assert msgspec.json.decode(told["inputs"]) == {
        "order_id": str(saga),
        "customer_id": 7,
        "currency": "USD",
        "lines": [{"product_id": "tea", "quantity": 1, "unit_price_cents": 450}],
        "total_cents": 450,
        "payment_method": "credit",
        "address": msgspec.to_builtins(HOME),
    }


def test_what_the_log_keeps_has_no_inputs(shelf: Shelf) -> None:
    carry_out("inventory", [created(new_saga())])
    (kept,) = shelf.one("SELECT convert_from(answer, 'UTF8') FROM inventory_sagalog")
    assert msgspec.json.decode(kept) == {"lines": [{"product_id": "tea", "quantity": 1}]}


def test_a_refusal_carries_nothing(shelf: Shelf) -> None:
    saga = new_saga()
    shelf.owner.execute("UPDATE inventory_stock SET on_hand = 0")
    carry_out("inventory", [created(saga)])
    [(message, told)] = shelf.answers()
    assert type(message) is StockReservationFailed
    assert "inputs" not in told


@pytest.mark.parametrize("step", ["freeze_price"])
def test_the_refusal_of_the_following_step_asks_for_the_undoing(shelf: Shelf, step: str) -> None:
    saga = new_saga()
    carry_out("inventory", [created(saga)])
    carry_out("inventory", [event(PriceFreezeFailed(changed=()), saga, step)])
    assert shelf.levels() == (10, 0, 0)
    assert shelf.log(saga) == {"reserve_stock": ("undone", 1)}
    _, told = shelf.answers()[-1]
    assert (told["type"], told["mode"], told["action"]) == (
        "StockReleased", "choreographed", "undo",
    )  # fmt: skip


def test_an_event_that_is_heard_again_is_answered_by_nothing(shelf: Shelf) -> None:
    saga = new_saga()
    start = created(saga)
    carry_out("inventory", [start, start])
    carry_out("inventory", [start])
    assert shelf.levels() == (9, 1, 0)
    assert len(shelf.messages()) == 1
    assert shelf.notes(saga) == [("do", "duplicate"), ("do", "duplicate")]


def test_an_event_of_an_orchestrated_saga_asks_nothing(shelf: Shelf) -> None:
    saga = new_saga()
    plan = PLACE_ORDER.plan((), Mode.ORCHESTRATED).to_header()
    assert carry_out("inventory", [created(saga, mode=Mode.ORCHESTRATED, plan=plan)]) == []
    assert (shelf.levels(), shelf.log(saga), shelf.messages()) == ((10, 0, 0), {}, [])


def test_an_answer_to_a_command_of_a_saga_that_was_taken_over_asks_nothing(shelf: Shelf) -> None:
    """Its plan began with events, but the engine drives it."""
    saga = new_saga()
    assert carry_out("inventory", [created(saga, mode=Mode.ORCHESTRATED)]) == []
    assert shelf.log(saga) == {}


def test_an_event_whose_plan_is_of_a_version_that_is_not_here_is_parked(shelf: Shelf) -> None:
    saga = new_saga()
    plan = PLAN.to_header().replace("/1/", "/99/")
    failures = carry_out("inventory", [created(saga, plan=plan)])
    park("inventory", failures)
    assert shelf.letters() == [("parked", "create_order", "do", "NoDefinition")]
    assert shelf.levels() == (10, 0, 0)


def test_inputs_that_are_none_are_parked(shelf: Shelf) -> None:
    saga = new_saga()
    failures = carry_out("inventory", [created(saga, inputs='{"order_id": 7}')])
    park("inventory", failures)
    assert shelf.letters() == [("parked", "reserve_stock", "do", "UnreadableMessage")]


def test_who_only_listens_hears_an_event_that_is_parked_for_what_it_asks(
    databases: dict[str, psycopg.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders tells its customer of a payment, and confirms the order on hearing of it. A command
    may confirm it later: the parked copy is settled by that, and nobody reads it again."""
    open_shop()
    drive(Mode.CHOREOGRAPHED)
    buy(basket(tea=1))
    owner = databases["orders"]
    [(saga_id,)] = owner.execute("SELECT saga_id FROM orders_order").fetchall()

    def confirm_order(command: Any, orders: Any) -> Any:
        raise RuntimeError("the handler has a bug")

    sound = orders_handlers.COMMANDS[orders_handlers.ConfirmOrder]
    commands: Any = wiring("orders").commands
    monkeypatch.setitem(commands, ("ConfirmOrder", 1), Handler(confirm_order, sound.workspace))
    told = PaymentCaptured(amount_cents=450)

    inputs = '{"total_cents": 450}'
    heard = event(told, saga_id, "capture_payment", inputs=inputs)

    park("orders", carry_out("orders", [heard]))

    letters = owner.execute("SELECT status, step, type, error_type FROM orders_deadletter")
    assert letters.fetchall() == [("parked", "confirm_order", "PaymentCaptured", "RuntimeError")]
    timeline = owner.execute("SELECT type FROM orders_orderevent ORDER BY at").fetchall()
    assert timeline == [("OrderCreated",), ("PaymentCaptured",)]
