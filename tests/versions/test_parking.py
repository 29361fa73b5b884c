"""What a participant does not know yet it parks; after the deploy it is sent again and goes on."""

from typing import Any

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.inventory import ReserveStock
from apps.contracts.orders import OrderCreated
from apps.contracts.plan import Mode, Plan
from apps.contracts.values import PaymentMethod
from apps.messaging.audit import Actor
from apps.messaging.consumer import carry_out
from apps.messaging.database import Database
from apps.messaging.dead_letter_operations import replay_letter
from apps.messaging.dead_letter_rows import list_letters
from apps.messaging.envelope import new_envelope
from apps.messaging.record import Record
from apps.messaging.request import Request
from apps.messaging.wiring import wiring
from apps.processes import PLACE_ORDER, choreography, registry
from apps.processes.course import course_of
from apps.processes.place_order_2 import PLACE_ORDER_2
from tests.e2e.world import HOME, basket
from tests.messaging.kit import TRACE, Shelf, record, reserve
from tests.messaging.parking import garbled, parked, resent

pytestmark = pytest.mark.usefixtures("quiet")
Databases = dict[str, psycopg.Connection]
OPERATOR = Actor(id=None, name="test")


@pytest.fixture
def shelf(databases: Databases) -> Shelf:
    shelf = Shelf(databases["inventory"])
    shelf.stock("tea", 10)
    return shelf


def forget() -> None:
    """What was worked out from the live definitions."""
    for cached in (course_of, choreography.asked_by):
        cached.cache_clear()


def created(version: int) -> Record:
    """The start of a saga that events drive, on a plan of that version."""
    saga_id = uuid7()
    event = OrderCreated(
        order_id=uuid7(), customer_id=7, currency="USD", lines=basket(tea=2), total_cents=900,
        payment_method=PaymentMethod.CREDIT, gift_wrap=False, address=HOME,
    )  # fmt: skip
    plan = PLACE_ORDER_2.plan({"check_fraud"}, Mode.CHOREOGRAPHED)
    header = Plan(
        process=plan.process, version=version, mode=plan.mode, steps=plan.steps
    ).to_header()
    request = Request(saga_id, "create_order", Action.DO, 1, Mode.CHOREOGRAPHED)
    return record(new_envelope(event, request, plan=header, traceparent=TRACE))


def replay_all() -> None:
    """What an operator does after the deploy."""
    for letter in list_letters(Database("inventory"), status="parked", limit=10):
        replay_letter(
            context="inventory", letter_id=letter.id, version=letter.version, actor=OPERATOR,
            reason="deployed",
        )  # fmt: skip


def test_an_event_of_a_plan_that_this_code_lacks_is_parked_and_goes_on_after_the_deploy(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as old:
        known = registry.by_name_and_version((PLACE_ORDER,))
        old.setattr(registry, "BY_NAME_AND_VERSION", known)
        forget()
        parked([created(2)])
    forget()
    assert shelf.letters() == [("parked", "create_order", "do", "NoDefinition")]
    assert shelf.levels() == (10, 0, 0)

    replay_all()
    assert carry_out("inventory", [resent(shelf, "order-events")]) == []

    assert shelf.levels() == (8, 2, 0)
    assert [type(each).__name__ for each in shelf.messages()] == ["StockReserved"]
    assert [status for status, *_ in shelf.letters()] == ["replayed"]


def test_the_others_of_its_batch_are_carried_out(
    shelf: Shelf,
) -> None:
    later, known = created(9), created(2)
    parked([later, known, reserve(uuid7())])
    assert [error for *_, error in shelf.letters()] == ["NoDefinition"]
    assert shelf.levels() == (7, 3, 0)


def test_a_command_of_a_version_that_this_code_lacks_is_parked_and_done_after_the_deploy(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga_id = uuid7()
    parked([garbled(reserve(saga_id), {"version": b"2"}), reserve(uuid7())])
    assert shelf.letters() == [("parked", "reserve_stock", "do", "UnknownMessage")]
    assert shelf.levels() == (9, 1, 0)

    key = ("ReserveStock", 2)
    commands: Any = wiring("inventory").commands
    monkeypatch.setitem(commands, key, commands["ReserveStock", 1])
    monkeypatch.setitem(MESSAGES, key, type("ReserveStock", (ReserveStock,), {"version": 2}))
    replay_all()
    assert carry_out("inventory", [resent(shelf, "inventory-commands")]) == []

    assert shelf.levels() == (8, 2, 0)
    assert shelf.log(saga_id) == {"reserve_stock": ("done", 1)}
    assert [status for status, *_ in shelf.letters()] == ["replayed"]
