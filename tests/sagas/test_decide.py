"""How an order's saga goes, as a conversation."""

import pytest

from apps.contracts.catalogue import Action
from apps.contracts.inventory import StockReleased, StockReserved
from apps.contracts.plan import Plan
from apps.contracts.pricing import PriceFrozen
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.sagas import SagaEnded
from apps.processes.course import course_of
from apps.processes.errors import NoDefinition
from apps.sagas.errors import UnexpectedAnswer, UnknownSaga
from apps.sagas.state import Cause, Outcome, Status
from tests.sagas.scenarios import (
    ADDRESS,
    COMMANDS,
    CREATED,
    PLAIN,
    REFUSALS,
    SUCCESSES,
    UNDONE,
    WRAPPED,
    Scenario,
)

PLANS = pytest.mark.parametrize("plan", [PLAIN, WRAPPED], ids=["plain", "wrapped"])
REFUSED_STEPS = [
    pytest.param(plan, step, id=f"{name}-{step}")
    for name, plan in (("plain", PLAIN), ("wrapped", WRAPPED))
    for step in plan.steps
    if step in REFUSALS
]


@PLANS
def test_every_step_succeeds_and_the_order_is_confirmed(plan: Plan) -> None:
    scenario = Scenario.of_order(plan)

    for step, following in zip(plan.steps, plan.steps[1:], strict=False):
        scenario.succeeds_at([step]).expects(COMMANDS[following])
        assert scenario.pending.step == following
    scenario.succeeds_at([plan.steps[-1]])

    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.CONFIRMED))
    assert scenario.outcomes == [(step, Outcome.DONE) for step in plan.steps]


def test_only_a_wished_gift_is_wrapped() -> None:
    paid = PLAIN.steps[:4]

    Scenario.of_order(PLAIN).succeeds_at(paid).expects(COMMANDS["create_shipment"])
    Scenario.of_order(WRAPPED).succeeds_at(paid).expects(COMMANDS["wrap_gift"])


@pytest.mark.parametrize(("plan", "refused"), REFUSED_STEPS)
def test_a_refusal_is_compensated_in_reverse_down_to_the_order(plan: Plan, refused: str) -> None:
    done = plan.steps[: plan.steps.index(refused)]
    scenario = Scenario.of_order(plan).succeeds_at(done)

    scenario.answers(REFUSALS[refused])
    for step in reversed(done):
        scenario.expects_undo_of(step)
        assert scenario.saga
        assert scenario.saga.status is Status.COMPENSATING
        scenario.answers(UNDONE[step])

    scenario.expects_end(
        SagaEnded(process="place_order", outcome=Ending.UNDONE, refused_step=refused)
    )
    assert scenario.outcomes[len(done) :] == [
        (refused, Outcome.REFUSED),
        *((step, Outcome.UNDONE) for step in reversed(done)),
    ]


def test_the_refusal_is_remembered_with_its_reason() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:3])

    scenario.answers(REFUSALS["authorize_payment"])

    assert scenario.saga
    assert scenario.saga.cause == Cause(
        step="authorize_payment",
        type="PaymentDeclined",
        payload=(
            '{"code":"insufficient_credit","wanted_cents":1500,"available_cents":400,'
            '"decline_code":""}'
        ),
        reason="Your store credit of 4.00 does not cover 15.00",
    )


def test_an_end_that_nobody_refused_names_no_refused_step() -> None:
    scenario = Scenario.of_order().starts().wishes_to_cancel("Ordered by mistake")

    scenario.answers(UNDONE["reserve_stock"]).answers(UNDONE["create_order"])

    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.UNDONE))


def test_nothing_to_undo_goes_on_like_undone() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:2])
    scenario.answers(REFUSALS["freeze_price"]).expects_undo_of("reserve_stock")

    scenario.answers(StockReleased(nothing_to_undo=True)).expects_undo_of("create_order")

    assert scenario.outcomes[-1] == ("reserve_stock", Outcome.NOTHING_TO_UNDO)


def test_an_answer_that_comes_twice_changes_nothing() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:2])

    scenario.changes_nothing("reserve_stock", Action.DO, SUCCESSES["reserve_stock"])


def test_a_start_that_comes_twice_changes_nothing() -> None:
    scenario = Scenario.of_order().starts()

    scenario.changes_nothing("create_order", Action.DO, CREATED)


def test_a_late_answer_to_an_action_does_not_disturb_the_undoing() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:2])
    scenario.answers(REFUSALS["freeze_price"])

    scenario.changes_nothing("freeze_price", Action.DO, SUCCESSES["freeze_price"])
    scenario.changes_nothing("reserve_stock", Action.DO, SUCCESSES["reserve_stock"])


@pytest.mark.parametrize("generation", [0, 2])
def test_an_answer_of_another_generation_changes_nothing(generation: int) -> None:
    scenario = Scenario.of_order().starts()

    scenario.changes_nothing(
        "reserve_stock", Action.DO, SUCCESSES["reserve_stock"], generation=generation
    )


def test_an_answer_to_the_other_direction_changes_nothing() -> None:
    scenario = Scenario.of_order().starts()

    scenario.changes_nothing("reserve_stock", Action.UNDO, UNDONE["reserve_stock"])


def test_an_undoing_that_is_told_twice_is_taken_once() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:3])
    scenario.answers(REFUSALS["authorize_payment"]).answers(UNDONE["freeze_price"])

    scenario.changes_nothing("freeze_price", Action.UNDO, UNDONE["freeze_price"])

    assert scenario.pending.step == "reserve_stock"


@PLANS
def test_nothing_changes_a_saga_that_is_confirmed(plan: Plan) -> None:
    scenario = Scenario.of_order(plan).succeeds_at(plan.steps)

    for step in plan.steps:
        scenario.changes_nothing(step, Action.DO, SUCCESSES[step])
        if step in REFUSALS:
            scenario.changes_nothing(step, Action.DO, REFUSALS[step])


def test_nothing_changes_a_saga_that_is_undone() -> None:
    scenario = Scenario.of_order().starts()
    scenario.answers(REFUSALS["reserve_stock"]).answers(UNDONE["create_order"])

    scenario.changes_nothing("create_order", Action.UNDO, UNDONE["create_order"])
    scenario.changes_nothing("reserve_stock", Action.DO, SUCCESSES["reserve_stock"])


def test_an_answer_to_a_saga_that_was_never_started_is_an_error() -> None:
    with pytest.raises(UnknownSaga, match="never started"):
        Scenario.of_order().told("reserve_stock", Action.DO, SUCCESSES["reserve_stock"])


def test_an_answer_that_the_definition_does_not_know_is_an_error() -> None:
    scenario = Scenario.of_order().starts()

    with pytest.raises(UnexpectedAnswer, match="reserve_stock"):
        scenario.answers(PriceFrozen(total_cents=1))
    assert scenario.pending.step == "reserve_stock"


# --- inputs


def test_the_address_leaves_with_the_parcels_booking() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:4])
    assert scenario.inputs["address"] == {
        "name": ADDRESS.name,
        "street": ADDRESS.street,
        "postal_code": ADDRESS.postal_code,
        "city": ADDRESS.city,
        "country": ADDRESS.country,
    }

    scenario.succeeds_at(["create_shipment"])

    assert scenario.inputs == {
        "order_id": str(CREATED.order_id),
        "customer_id": 17850,
        "currency": "GBP",
        "total_cents": 1500,
    }


def test_the_address_leaves_with_a_refusal() -> None:
    scenario = Scenario.of_order().starts().answers(REFUSALS["reserve_stock"])

    assert scenario.inputs == {}


def test_an_answer_gives_only_what_its_step_gives() -> None:
    """StockReserved has lines without prices; the prices that were seen are still needed."""
    scenario = Scenario.of_order().starts().answers(StockReserved(lines=()))

    scenario.expects(COMMANDS["freeze_price"])


# --- plans


def test_a_plan_of_no_live_definition_is_an_error() -> None:
    with pytest.raises(NoDefinition, match="version 99"):
        course_of("place_order/99/orchestrated/create_order")


def test_a_plan_with_a_step_that_the_definition_has_not_is_an_error() -> None:
    with pytest.raises(NoDefinition, match="fly"):
        course_of("place_order/1/orchestrated/create_order,fly")


def test_a_plan_that_is_none_is_an_error() -> None:
    with pytest.raises(NoDefinition, match="not a plan"):
        course_of("place_order")
