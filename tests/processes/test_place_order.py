"""The order saga as the business knows it."""

import json
from uuid import UUID

import msgspec
import pytest

from apps.contracts.base import Refusal
from apps.contracts.fraud import CheckFraud, FraudSuspected
from apps.contracts.orders import OrderCreated
from apps.contracts.payments import PaymentDeclined
from apps.contracts.plan import Mode, Plan
from apps.contracts.values import Address, PaymentMethod
from apps.processes import LIVE, PLACE_ORDER, inputs_from, newest, process, refusals
from apps.processes.definition import Kind
from apps.processes.errors import DefinitionError, UnknownProcess
from apps.processes.place_order_2 import PLACE_ORDER_2
from apps.processes.registry import by_name_and_version

WRAPPED = PLACE_ORDER.plan({"gift_wrap"}, Mode.ORCHESTRATED)
PLAIN = PLACE_ORDER.plan((), Mode.ORCHESTRATED)


def test_the_steps_of_a_wrapped_order() -> None:
    assert WRAPPED.to_header() == (
        "place_order/1/orchestrated/create_order,reserve_stock,freeze_price,authorize_payment,"
        "wrap_gift,create_shipment,capture_payment,confirm_order,send_confirmation"
    )


def test_an_order_without_the_wish_is_not_wrapped() -> None:
    assert set(WRAPPED.steps) - set(PLAIN.steps) == {"wrap_gift"}


def test_the_plan_reads_back_from_its_header() -> None:
    assert Plan.from_header(PLAIN.to_header()) == PLAIN


def test_each_undo_belongs_to_its_action() -> None:
    undo = {
        each.name: (each.compensation.__name__, each.compensation.answer.__name__)
        for each in PLACE_ORDER.steps
        if each.compensation
    }
    assert undo == {
        "create_order": ("CancelOrder", "OrderCancelled"),
        "reserve_stock": ("ReleaseStock", "StockReleased"),
        "freeze_price": ("UnfreezePrice", "PriceUnfrozen"),
        "authorize_payment": ("RefundPayment", "PaymentRefunded"),
        "wrap_gift": ("UnwrapGift", "GiftUnwrapped"),
        "create_shipment": ("CancelShipment", "ShipmentCancelled"),
    }


def test_the_capture_decides() -> None:
    assert [each.name for each in PLACE_ORDER.steps if each.kind is Kind.PIVOT] == [
        "capture_payment"
    ]


def test_the_address_is_needed_until_the_parcel_is_booked() -> None:
    needing = [each for each in WRAPPED.steps if "address" in inputs_from(WRAPPED, each)]
    assert needing[-1] == "create_shipment"
    assert inputs_from(WRAPPED, "capture_payment") == {
        "order_id",
        "customer_id",
        "currency",
        "total_cents",
    }


def test_the_card_is_needed_until_it_is_charged() -> None:
    needing = [each for each in WRAPPED.steps if "card" in inputs_from(WRAPPED, each)]
    assert needing[-1] == "authorize_payment"
    assert "card" in PLACE_ORDER.personal


def test_the_wish_itself_is_no_input() -> None:
    assert "gift_wrap" not in inputs_from(WRAPPED, "create_order")


def test_a_live_definition_is_found_by_name_and_version() -> None:
    assert process("place_order", 1) is PLACE_ORDER
    assert PLACE_ORDER in LIVE


def test_an_unknown_definition_is_named() -> None:
    with pytest.raises(UnknownProcess, match=r"no process 'place_order' of version 9"):
        process("place_order", 9)


def test_two_definitions_of_one_version_are_refused() -> None:
    copy = type(PLACE_ORDER)("place_order", 1, PLACE_ORDER.steps)
    with pytest.raises(DefinitionError, match=r"^place_order: version 1 is defined twice$"):
        by_name_and_version((PLACE_ORDER, copy))


# --- version 2: the same, with one step more

CREATED = OrderCreated(
    order_id=UUID(int=1), customer_id=7, currency="USD", lines=(), total_cents=900,
    payment_method=PaymentMethod.CREDIT, gift_wrap=False,
    address=Address(name="A", street="1 B", postal_code="1", city="C", country="US"),
)  # fmt: skip
CHECKED = PLACE_ORDER_2.plan({"check_fraud"}, Mode.ORCHESTRATED)


def test_version_2_has_one_step_more_and_shares_the_others() -> None:
    assert (PLACE_ORDER_2.name, PLACE_ORDER_2.version) == ("place_order", 2)
    [added] = set(PLACE_ORDER_2.steps) - set(PLACE_ORDER.steps)
    assert added.name == "check_fraud"
    at = PLACE_ORDER_2.steps.index(added)
    assert [each.name for each in PLACE_ORDER_2.steps[at - 1 : at + 2]] == [
        "freeze_price", "check_fraud", "authorize_payment",
    ]  # fmt: skip


def test_both_versions_are_live_and_new_sagas_begin_with_the_newest() -> None:
    assert process("place_order", 1) is PLACE_ORDER
    assert process("place_order", 2) is PLACE_ORDER_2
    assert newest("place_order") is PLACE_ORDER_2
    with pytest.raises(UnknownProcess, match="no process 'nothing'"):
        newest("nothing")


def test_without_its_wish_version_2_has_the_steps_of_version_1() -> None:
    assert PLACE_ORDER_2.plan((), Mode.ORCHESTRATED).steps == PLAIN.steps


def test_the_check_is_told_of_the_address_no_more_than_the_country() -> None:
    known = json.loads(msgspec.json.encode(CREATED))
    command = msgspec.json.decode(json.dumps(known), type=CheckFraud)
    assert json.loads(msgspec.json.encode(command))["address"] == {"country": "US"}
    assert "total_cents" in inputs_from(CHECKED, "check_fraud")


def test_whoever_may_refuse_is_known() -> None:
    assert {FraudSuspected, PaymentDeclined} <= refusals()
    assert all(issubclass(each, Refusal) for each in refusals())
