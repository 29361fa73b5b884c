"""The order saga as the business knows it."""

import pytest

from apps.contracts.plan import Mode, Plan
from apps.processes import LIVE, PLACE_ORDER, inputs_from, process
from apps.processes.definition import Kind
from apps.processes.errors import DefinitionError, UnknownProcess
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
