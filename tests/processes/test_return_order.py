"""The saga by which goods come back, as the business knows it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.inventory import GoodsNotReceived, GoodsReceived, NotReceived, ReceiveGoods
from apps.contracts.orders import ReturnBegun
from apps.contracts.payments import RefundReturn
from apps.contracts.plan import Mode
from apps.contracts.steps import StepWaits
from apps.contracts.values import AcceptedLine, Line, PricedLine, RefundTo
from apps.messaging.request import Request
from apps.processes import LIVE, RETURN_ORDER, Kind, inputs_from, process
from apps.processes.course import lay_out
from apps.sagas.decide import decide
from apps.sagas.state import Answer, Decision, Overdue, SagaState, Status

PLAN = RETURN_ORDER.plan((), Mode.ORCHESTRATED)
COURSE = lay_out(RETURN_ORDER, PLAN)
SAGA, PLACED_BY = uuid7(), uuid7()
TEA = PricedLine(product_id="tea", quantity=2, unit_price_cents=450)
BEGUN = ReturnBegun(
    return_id=uuid7(), order_id=uuid7(), customer_id=7, placed_by=PLACED_BY, currency="GBP",
    lines=(TEA,), total_cents=900, refund_to=RefundTo.CREDIT,
)  # fmt: skip
TOMORROW = datetime(2027, 1, 1, tzinfo=UTC)


def test_the_steps_of_a_return() -> None:
    assert PLAN.to_header() == (
        "return_order/1/orchestrated/begin_return,receive_goods,refund_return,restock,"
        "close_return,send_return_notice"
    )
    assert process("return_order", 1) is RETURN_ORDER
    assert RETURN_ORDER in LIVE


def test_the_goods_decide_and_nothing_is_given_back_before_they_are_here() -> None:
    kinds = [each.kind for each in RETURN_ORDER.steps]
    assert kinds == [Kind.COMPENSATABLE, Kind.PIVOT] + 4 * [Kind.RETRIABLE]
    assert [each.name for each in RETURN_ORDER.steps if each.refusal] == ["receive_goods"]


def test_the_notice_needs_no_more_than_it_says() -> None:
    assert inputs_from(PLAN, "send_return_notice") == {
        "order_id", "customer_id", "currency", "refunded_cents", "refund_to",
    }  # fmt: skip


def test_what_is_accepted_is_what_is_paid_back() -> None:
    begun = said(None, "begin_return", Action.DO, BEGUN)
    [told] = begun.sends
    assert told.message == ReceiveGoods(
        return_id=BEGUN.return_id, order_id=BEGUN.order_id, customer_id=7, placed_by=PLACED_BY,
        lines=(Line(product_id="tea", quantity=2),),
    )  # fmt: skip
    accepted = (AcceptedLine(product_id="tea", quantity=1),)
    received = said(begun.saga, "receive_goods", Action.DO, GoodsReceived(accepted=accepted))
    [told] = received.sends
    assert told.message == RefundReturn(
        placed_by=PLACED_BY, lines=(TEA,), accepted=accepted, refund_to=RefundTo.CREDIT
    )


def test_it_sleeps_until_the_day_that_it_is_told_and_no_deadline_turns_it_back() -> None:
    begun = said(None, "begin_return", Action.DO, BEGUN)
    waits = said(begun.saga, "receive_goods", Action.DO, StepWaits(reason="x", until=TOMORROW))
    assert (waits.wait, waits.sends) == (TOMORROW + timedelta(minutes=10), ())
    pending = waits.saga.pending
    assert pending
    late = decide(COURSE, waits.saga, Overdue(pending, past_deadline=True))
    assert (late.saga.status, late.saga.attempt) == (Status.RUNNING, 2)
    assert [type(each.message) for each in late.sends] == [ReceiveGoods]


def test_where_nothing_comes_the_return_is_refused_and_nothing_else_happens() -> None:
    begun = said(None, "begin_return", Action.DO, BEGUN)
    refusal = GoodsNotReceived(code=NotReceived.LATE)
    turned = said(begun.saga, "receive_goods", Action.DO, refusal)
    assert [type(each.message).__name__ for each in turned.sends] == ["RefuseReturn"]


def said(saga: SagaState | None, step: str, action: Action, event: Event) -> Decision:
    """What the engine decides on hearing it."""
    request = Request(UUID(int=SAGA.int), step, action, 1, Mode.ORCHESTRATED)
    return decide(COURSE, saga, Answer(request, event))
