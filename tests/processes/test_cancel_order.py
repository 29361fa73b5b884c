"""The saga that takes a confirmed order back, as the business knows it."""

from uuid import UUID

from msgspec import structs
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.orders import CancellationBegun, CancellationRefused
from apps.contracts.plan import Mode
from apps.contracts.sagas import Outcome, SagaEnded
from apps.contracts.shipping import RecallShipment, ShipmentNotRecalled, ShipmentRecalled
from apps.messaging.request import Request
from apps.processes import CANCEL_ORDER, LIVE, Kind, inputs_from, process
from apps.processes.course import lay_out
from apps.sagas.decide import decide
from apps.sagas.preview import foresee
from apps.sagas.state import Answer, Compensate, Decision, Move, RecordOutcome, SagaState, Status

WRAPPED = CANCEL_ORDER.plan({"gift_wrap"}, Mode.ORCHESTRATED)
PLAIN = CANCEL_ORDER.plan((), Mode.ORCHESTRATED)
SAGA, PLACED_BY = uuid7(), uuid7()
BEGUN = CancellationBegun(
    order_id=uuid7(), customer_id=7, placed_by=PLACED_BY, currency="GBP", total_cents=2199
)


def test_the_steps_of_a_wrapped_order_that_is_taken_back() -> None:
    assert WRAPPED.to_header() == (
        "cancel_order/1/orchestrated/begin_cancellation,recall_shipment,return_payment,"
        "unpack_gift,withdraw_price,free_stock,cancel_confirmed_order,send_cancellation"
    )
    assert set(WRAPPED.steps) - set(PLAIN.steps) == {"unpack_gift"}
    assert process("cancel_order", 1) is CANCEL_ORDER
    assert CANCEL_ORDER in LIVE


def test_the_parcel_decides_and_is_asked_first() -> None:
    kinds = [each.kind for each in CANCEL_ORDER.steps]
    assert kinds == [Kind.COMPENSATABLE, Kind.PIVOT] + 6 * [Kind.RETRIABLE]
    assert [each.name for each in CANCEL_ORDER.steps if each.refusal] == ["recall_shipment"]


def test_participants_are_told_whose_rows_to_take_back() -> None:
    assert inputs_from(PLAIN, "cancel_confirmed_order") == {
        "placed_by", "order_id", "customer_id", "currency", "total_cents",
    }  # fmt: skip
    assert "placed_by" not in inputs_from(PLAIN, "send_cancellation")


def test_a_parcel_that_has_left_turns_it_back_to_the_confirmed_order() -> None:
    asked = said(None, "begin_cancellation", Action.DO, BEGUN)
    [told] = asked.sends
    assert (told.message, told.topic) == (RecallShipment(placed_by=PLACED_BY), "shipping-commands")

    refusal = ShipmentNotRecalled(carrier="in-house", reference="SP-1")
    turned = said(asked.saga, "recall_shipment", Action.DO, refusal)
    assert [type(each.message).__name__ for each in turned.sends] == ["RefuseCancellation"]

    ended = said(turned.saga, "begin_cancellation", Action.UNDO, CancellationRefused())
    [told] = ended.sends
    assert told.message == SagaEnded(
        process="cancel_order", outcome=Outcome.UNDONE, refused_step="recall_shipment"
    )


def said(saga: SagaState | None, step: str, action: Action, event: Event) -> Decision:
    """What the engine decides on hearing it."""
    request = Request(UUID(int=SAGA.int), step, action, 1, Mode.ORCHESTRATED)
    return decide(lay_out(CANCEL_ORDER, PLAIN), saga, Answer(request, event))


def test_what_the_customer_will_read_is_of_this_process() -> None:
    """Before a person records that money was given back, or turns the saga back."""
    asked = said(None, "begin_cancellation", Action.DO, BEGUN).saga
    recalled = ShipmentRecalled(reference="SP-1")
    owed = said(asked, "recall_shipment", Action.DO, recalled).saga

    stuck = structs.replace(owed, status=Status.STUCK)
    assert read(stuck, RecordOutcome("return_payment", "x")) == (
        "that 21.99 is given back",
        "that the order is cancelled",
    )
    assert read(asked, Compensate("x")) == ("that the order stays",)


def read(saga: SagaState, move: Move) -> tuple[str, ...]:
    """What a preview says that the customer reads."""
    told = {"begin_cancellation": {"total_cents": 2199}}
    return foresee(lay_out(CANCEL_ORDER, PLAIN), saga, 1, move, told).customer_is_told
