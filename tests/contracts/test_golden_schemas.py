"""A changed payload changes a checked-in file, so that a reviewer sees it.

A change that readers of the old version cannot follow is a new version of the message, with a
schema file of its own; write it with `python -m tests.contracts.test_golden_schemas`.
"""

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import fields

from apps.contracts.base import Command, Compensation, Event, Message, Undone
from apps.contracts.catalogue import EVENT_TOPICS, MESSAGES, TOPICS, topic_of
from apps.contracts.steps import OF_ANY_STEP, ResolveOutside

SCHEMAS = Path(__file__).parent / "schemas"


def schema_of(message_type: type[Message]) -> str:
    return json.dumps(msgspec.json.schema(message_type), indent=2, sort_keys=True) + "\n"


def path_of(message_type: type[Message]) -> Path:
    return SCHEMAS / f"{message_type.__name__}.v{message_type.version}.json"


def write_all() -> None:
    for message_type in MESSAGES.values():
        path_of(message_type).write_text(schema_of(message_type))


@pytest.mark.parametrize("message_type", MESSAGES.values(), ids=lambda each: each.__name__)
def test_a_payload_is_as_its_golden_schema_says(message_type: type[Message]) -> None:
    assert path_of(message_type).read_text() == schema_of(message_type)


def test_every_golden_schema_belongs_to_a_message() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == {
        path_of(each).name for each in MESSAGES.values()
    }


def test_every_message_is_there() -> None:
    assert sorted(name for name, _ in MESSAGES) == sorted(
        """
        OrderCreated CancelOrder OrderCancelled ConfirmOrder OrderConfirmed
        ReserveStock StockReserved StockReservationFailed ReleaseStock StockReleased
        FreezePrice PriceFrozen PriceFreezeFailed UnfreezePrice PriceUnfrozen
        CheckFraud FraudCleared FraudSuspected LiftFraudCheck FraudCheckLifted
        AuthorizePayment PaymentAuthorized PaymentDeclined RefundPayment PaymentRefunded
        CapturePayment PaymentCaptured CaptureFailed
        WrapGift GiftWrapped GiftWrapUnavailable UnwrapGift GiftUnwrapped
        CreateShipment ShipmentCreated ShipmentRefused CancelShipment ShipmentCancelled
        ShipmentReleased ShipmentNotReleased ShipmentHandedOver
        SendConfirmation ConfirmationSent SagaEnded CreditInstead
        CaseOpened CompensationHeld CompensationFree CancelRequested CancelAccepted CancelTooLate
        CancellationBegun RefuseCancellation CancellationRefused
        RecallShipment ShipmentRecalled ShipmentNotRecalled UnpackGift GiftUnpacked
        ReturnPayment PaymentReturned WithdrawPrice PriceWithdrawn FreeStock StockFreed
        CancelConfirmedOrder ConfirmedOrderCancelled SendCancellation CancellationSent
        Fence Fenced Happened StepWaits UndoRefused PersonNeeded UndoneByHand ResolveOutside
        RecordHappened RecordRefused
        ReturnBegun RefuseReturn ReturnRefused ReceiveGoods GoodsReceived GoodsNotReceived
        RefundReturn ReturnRefunded Restock GoodsRestocked CloseReturn ReturnClosed
        SendReturnNotice ReturnNoticeSent
        """.split()  # noqa: SIM905  a list of words reads better than a list of strings
    )


@pytest.mark.parametrize("message_type", OF_ANY_STEP, ids=lambda each: each.__name__)
def test_what_belongs_to_any_step_has_no_topic_of_its_own(message_type: type[Message]) -> None:
    with pytest.raises(KeyError):
        topic_of(message_type)


@pytest.mark.parametrize(
    "message_type", set(MESSAGES.values()) - OF_ANY_STEP, ids=lambda each: each.__name__
)
def test_commands_go_to_commands_and_facts_to_events(message_type: type[Message]) -> None:
    topic = topic_of(message_type)
    assert topic in TOPICS
    assert topic.endswith("-commands") == issubclass(message_type, Command)
    assert (topic in EVENT_TOPICS.values()) == issubclass(message_type, Event)


@pytest.mark.parametrize(
    "compensation",
    [
        each
        for each in MESSAGES.values()
        if issubclass(each, Compensation) and each is not ResolveOutside
    ],  # which a person sends, with evidence
    ids=lambda each: each.__name__,
)
def test_a_compensation_needs_nothing_and_can_answer_that_there_was_nothing(
    compensation: type[Compensation],
) -> None:
    assert compensation.__struct_fields__ == ()
    answer = compensation.answer(nothing_to_undo=True)
    assert isinstance(answer, Undone)
    assert msgspec.json.decode(msgspec.json.encode(answer), type=type(answer)) == answer


def test_only_orders_and_shipping_hear_addresses_and_fraud_the_country() -> None:
    told = {
        name: field.type.__struct_fields__
        for (name, _), message_type in MESSAGES.items()
        for field in fields(message_type)
        if field.name == "address"
    }
    whole = ("name", "street", "postal_code", "city", "country")
    assert told == {"OrderCreated": whole, "CreateShipment": whole, "CheckFraud": ("country",)}


def test_only_the_order_and_its_payment_hear_of_a_card() -> None:
    told = {
        name
        for (name, _), message_type in MESSAGES.items()
        if "card" in message_type.__struct_fields__
    }
    assert told == {"OrderCreated", "AuthorizePayment"}


if __name__ == "__main__":
    write_all()
