"""A refusal that waits for a person's decision, and a customer's wish to cancel."""

import pytest

from apps.contracts.catalogue import Action
from apps.contracts.plan import Plan
from apps.contracts.sagas import CancelAccepted, CancelTooLate, SagaEnded
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.steps import UndoRefused
from apps.processes import PLACE_ORDER, OnRefusal
from apps.sagas.state import Cause, Concern, Outcome, Status, Wish, concerns
from tests.sagas.scenarios import (
    COMMANDS,
    PLAIN,
    REFUSALS,
    SUCCESSES,
    UNDONE,
    WRAPPED,
    Scenario,
    with_step,
)

WISH = "Ordered by mistake"


def refused(step: str, plan: Plan = PLAIN) -> Scenario:
    """An order whose step was refused, and which waits ten minutes for a decision on it."""
    definition = with_step(PLACE_ORDER, step, on_refusal=OnRefusal.WAIT, decide_within=600)
    done = plan.steps[: plan.steps.index(step)]
    return Scenario.of(definition, plan).succeeds_at(done).answers(REFUSALS[step])


# --- a refusal waits


def test_a_refusal_that_waits_sends_nothing_and_forgets_nothing() -> None:
    scenario = refused("authorize_payment").expects().stands(Status.AWAITING_DECISION)

    reason = "Your store credit of 4.00 does not cover 15.00"
    assert scenario.saga
    assert scenario.saga.cause == Cause(
        step="authorize_payment",
        type="PaymentDeclined",
        payload=(
            '{"code":"insufficient_credit","wanted_cents":1500,"available_cents":400,'
            '"decline_code":""}'
        ),
        reason=reason,
    )
    assert scenario.outcome is Outcome.REFUSED
    assert scenario.wait == 600
    scenario.notes_that(("decision_awaited", reason))
    assert scenario.inputs["total_cents"] == 1500
    assert concerns(scenario.saga) == {Concern("authorize_payment", Action.DO)}


def test_nothing_told_decides_in_a_persons_place() -> None:
    scenario = refused("authorize_payment")

    scenario.changes_nothing("authorize_payment", Action.DO, REFUSALS["authorize_payment"])
    scenario.changes_nothing("authorize_payment", Action.DO, SUCCESSES["authorize_payment"])


def test_a_refused_step_is_retried_under_a_higher_generation() -> None:
    scenario = refused("authorize_payment").retries("authorize_payment")

    scenario.expects(COMMANDS["authorize_payment"]).stands(Status.RUNNING)
    assert scenario.asked == [("authorize_payment", Action.DO, 2)]
    assert scenario.saga
    assert scenario.saga.cause is None
    assert scenario.wait == 90
    scenario.notes_that(("retried", ""))


def test_the_refusal_of_the_first_try_does_not_answer_the_second() -> None:
    scenario = refused("authorize_payment").retries("authorize_payment")

    scenario.changes_nothing("authorize_payment", Action.DO, REFUSALS["authorize_payment"])


def test_a_retried_step_is_sent_again_under_its_new_generation() -> None:
    scenario = refused("authorize_payment").retries("authorize_payment").is_overdue()

    assert scenario.asked == [("authorize_payment", Action.DO, 2)]
    assert scenario.wait == 180


def test_a_retried_step_that_succeeds_goes_on_to_the_end() -> None:
    scenario = refused("authorize_payment").retries("authorize_payment")

    scenario.succeeds_at(PLAIN.steps[3:])

    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.CONFIRMED))


def test_each_retry_has_a_generation_of_its_own() -> None:
    scenario = refused("authorize_payment")

    for generation in (2, 3, 4):
        scenario.retries("authorize_payment")
        assert scenario.pending.generation == generation
        scenario.answers(REFUSALS["authorize_payment"]).stands(Status.AWAITING_DECISION)


def test_a_retried_step_that_is_silent_is_undone_with_the_others() -> None:
    """Its second try may have had its effect, whatever the first one was."""
    scenario = refused("authorize_payment").retries("authorize_payment").times_out()

    scenario.expects_undo_of("authorize_payment", generation=2)
    scenario.answers(UNDONE["authorize_payment"]).expects_undo_of("freeze_price")


@pytest.mark.parametrize("past_deadline", [False, True], ids=["time over", "deadline"])
def test_when_nobody_decides_in_time_it_turns_back(past_deadline: bool) -> None:
    scenario = refused("authorize_payment")
    cause = scenario.saga and scenario.saga.cause

    scenario.is_overdue(past_deadline=past_deadline)

    scenario.expects_undo_of("freeze_price").stands(Status.COMPENSATING)
    assert scenario.saga
    assert scenario.saga.cause == cause
    assert scenario.inputs == {}
    scenario.notes_that(("turned_back", "Your store credit of 4.00 does not cover 15.00"))


def test_restrained_a_decision_is_waited_for_longer() -> None:
    scenario = refused("authorize_payment")
    before = scenario.saga

    scenario.is_overdue(restrained=True).expects()

    assert scenario.saga is before
    assert scenario.wait == 300


def test_a_person_turns_it_back() -> None:
    """The refusal stays the cause: it is why the customer has no order."""
    scenario = refused("authorize_payment")
    assert scenario.saga
    refusal = scenario.saga.cause
    scenario.compensates("The customer does not answer")

    scenario.expects_undo_of("freeze_price").stands(Status.COMPENSATING)
    assert scenario.saga.cause == refusal


def test_the_refused_pivot_may_be_turned_back_or_tried_again() -> None:
    refused("capture_payment").is_overdue().expects_undo_of("create_shipment")
    scenario = refused("capture_payment").retries("capture_payment")

    scenario.expects(COMMANDS["capture_payment"]).stands(Status.RUNNING)
    scenario.past_deadline().expects(COMMANDS["capture_payment"]).stands(Status.RUNNING)
    assert scenario.asked == [("capture_payment", Action.DO, 2)]


# --- skipping


def test_a_refused_step_is_undone_before_the_saga_goes_on_without_it() -> None:
    scenario = refused("wrap_gift", WRAPPED).skips("wrap_gift")

    scenario.expects_undo_of("wrap_gift").stands(Status.SKIPPING)
    scenario.answers(UNDONE["wrap_gift"]).expects(COMMANDS["create_shipment"])
    scenario.stands(Status.RUNNING).notes_that(("skipped", "It goes on without this step"))
    assert scenario.saga
    assert scenario.saga.cause is None
    assert scenario.saga.detours.skipped == ("wrap_gift",)


def test_a_step_that_has_not_answered_is_skipped_whatever_it_did() -> None:
    scenario = Scenario.of_order(WRAPPED).succeeds_at(WRAPPED.steps[:4]).skips("wrap_gift")

    scenario.expects_undo_of("wrap_gift").stands(Status.SKIPPING)
    scenario.changes_nothing("wrap_gift", Action.DO, SUCCESSES["wrap_gift"])
    scenario.answers(UNDONE["wrap_gift"]).succeeds_at(WRAPPED.steps[5:])

    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.CONFIRMED))


def test_a_skipped_step_is_not_undone_again() -> None:
    scenario = refused("wrap_gift", WRAPPED).skips("wrap_gift").answers(UNDONE["wrap_gift"])

    scenario.answers(REFUSALS["create_shipment"]).expects_undo_of("authorize_payment")


def test_what_only_the_skipped_step_needed_is_forgotten() -> None:
    definition = with_step(PLACE_ORDER, "create_shipment", skippable=True)
    scenario = Scenario.of(definition, PLAIN).succeeds_at(PLAIN.steps[:4]).skips("create_shipment")

    scenario.answers(UNDONE["create_shipment"]).expects(COMMANDS["capture_payment"])

    assert "address" not in scenario.inputs


@pytest.mark.parametrize("how", ["time", "deadline", "wish", "person"])
def test_while_it_is_being_skipped_a_saga_may_still_turn_back(how: str) -> None:
    scenario = refused("wrap_gift", WRAPPED).skips("wrap_gift")

    turn = {
        "time": scenario.times_out,
        "deadline": scenario.past_deadline,
        "wish": lambda: scenario.wishes_to_cancel(WISH),
        "person": lambda: scenario.compensates("A mess"),
    }
    turn[how]().expects_undo_of("wrap_gift").stands(Status.COMPENSATING)

    scenario.answers(UNDONE["wrap_gift"]).expects_undo_of("authorize_payment")


def test_a_step_that_cannot_be_undone_cannot_be_skipped_and_turns_the_saga_back() -> None:
    scenario = refused("wrap_gift", WRAPPED).skips("wrap_gift")

    scenario.undo_is_refused("The ribbon is glued").expects_undo_of("authorize_payment")

    scenario.stands(Status.STUCK).notes_that(("undo_refused", "The ribbon is glued"))
    assert [each.step for each in scenario.desk] == ["wrap_gift"]
    assert scenario.saga
    assert scenario.saga.cause == Cause(
        "wrap_gift", "SkipFailed", "{}", "It could not be skipped: The ribbon is glued"
    )
    assert scenario.inputs == {}


# --- a wish to cancel


@pytest.mark.parametrize("step", PLAIN.steps[1:5])
def test_a_wish_turns_back_before_the_pivot(step: str) -> None:
    done = PLAIN.steps[: PLAIN.steps.index(step)]
    scenario = Scenario.of_order().succeeds_at(done).wishes_to_cancel(WISH)

    scenario.expects_undo_of(step).stands(Status.COMPENSATING)
    assert scenario.saga
    assert scenario.saga.cause == Cause(step, "CancelWished", "{}", WISH)
    scenario.notes_that(("turned_back", WISH)).tells_who_wished(CancelAccepted())
    assert scenario.inputs == {}


def test_a_wish_turns_back_what_waits_for_a_decision() -> None:
    scenario = refused("authorize_payment").wishes_to_cancel(WISH)

    scenario.expects_undo_of("freeze_price").stands(Status.COMPENSATING)
    scenario.tells_who_wished(CancelAccepted())


def test_a_wish_waits_for_the_pivot_that_was_sent() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:5])
    pending = scenario.pending

    scenario.wishes_to_cancel(WISH).expects().stands(Status.RUNNING).tells_who_wished()

    assert scenario.pending == pending
    scenario.notes_that(("cancel_wished", WISH))
    scenario.succeeds_at(PLAIN.steps[5:6]).tells_who_wished(CancelTooLate(step="capture_payment"))
    scenario.succeeds_at(PLAIN.steps[6:])
    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.CONFIRMED))
    scenario.tells_who_wished(CancelTooLate(step="capture_payment"))


@pytest.mark.parametrize("step", PLAIN.steps[6:])
def test_a_wish_behind_the_pivot_is_too_late(step: str) -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[: PLAIN.steps.index(step)])

    scenario.wishes_to_cancel(WISH).expects().stands(Status.RUNNING)

    scenario.tells_who_wished(CancelTooLate(step="capture_payment"))


def test_a_wish_is_told_once() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:5]).wishes_to_cancel(WISH)

    scenario.ignores(Wish("Once more")).tells_who_wished()


def test_a_wish_that_is_told_again_is_answered_again() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:2]).wishes_to_cancel(WISH)

    scenario.ignores(Wish(WISH)).tells_who_wished(CancelAccepted(), CancelAccepted())


def test_a_refused_pivot_that_waits_is_turned_back_at_once_where_that_is_wished() -> None:
    definition = with_step(
        PLACE_ORDER, "capture_payment", on_refusal=OnRefusal.WAIT, decide_within=600
    )
    scenario = Scenario.of(definition, PLAIN).succeeds_at(PLAIN.steps[:5]).wishes_to_cancel(WISH)

    scenario.answers(REFUSALS["capture_payment"]).expects_undo_of("create_shipment")
    scenario.stands(Status.COMPENSATING).tells_who_wished(CancelAccepted())


def test_a_wish_is_no_reason_to_stop_an_undoing() -> None:
    scenario = Scenario.of_order().starts().answers(REFUSALS["reserve_stock"])
    pending, cause = scenario.pending, scenario.saga and scenario.saga.cause

    scenario.wishes_to_cancel(WISH).expects().stands(Status.COMPENSATING)

    scenario.tells_who_wished(CancelAccepted())
    assert scenario.pending == pending
    assert scenario.saga
    assert scenario.saga.cause == cause


@pytest.mark.parametrize("end", [Status.CONFIRMED, Status.UNDONE])
def test_a_saga_that_has_ended_only_answers_a_wish(end: Status) -> None:
    scenario = Scenario.of_order().starts()
    too_late = CancelTooLate(step="capture_payment")
    if end is Status.CONFIRMED:
        scenario.succeeds_at(PLAIN.steps[1:])
    else:
        scenario.answers(REFUSALS["reserve_stock"]).answers(UNDONE["create_order"])

    scenario.stands(end).ignores(Wish(WISH))
    scenario.tells_who_wished(too_late if end is Status.CONFIRMED else CancelAccepted())


def test_a_wish_changes_no_course_where_only_the_desk_is_open() -> None:
    scenario = Scenario.of_order().starts().answers(REFUSALS["reserve_stock"])
    scenario.undo_is_refused("The order is archived").stands(Status.STUCK)

    scenario.wishes_to_cancel(WISH).expects().stands(Status.STUCK)
    scenario.tells_who_wished(CancelAccepted())
    scenario.changes_nothing("reserve_stock", Action.UNDO, UndoRefused(reason="no"))
