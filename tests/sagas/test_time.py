"""What an order's saga does when no answer comes in time."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.contracts.catalogue import Action
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.sagas import SagaEnded
from apps.contracts.steps import StepWaits
from apps.sagas.state import Cause, Outcome, Overdue, Status
from tests.sagas.scenarios import (
    COMMANDS,
    PLAIN,
    REFUSALS,
    SUCCESSES,
    UNDONE,
    WRAPPED,
    Scenario,
)

COMPENSATABLE = PLAIN.steps[1:5]
FROM_PIVOT = PLAIN.steps[5:]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def waiting_for(step: str) -> Scenario:
    """An order whose step was asked once."""
    return Scenario.of_order().succeeds_at(PLAIN.steps[: PLAIN.steps.index(step)])


# --- sending again


def test_a_command_that_is_not_answered_is_sent_again_under_the_same_request() -> None:
    scenario = waiting_for("reserve_stock")
    asked = scenario.pending

    scenario.is_overdue().expects(COMMANDS["reserve_stock"]).stands(Status.RUNNING)

    assert scenario.pending == asked
    scenario.notes_that(("sent_again", "Sending 2"))


@pytest.mark.parametrize(
    ("step", "waits"),
    [
        ("reserve_stock", [10, 20, 40, 80]),
        ("authorize_payment", [90, 180, 300, 300, 300]),  # it may ask a bank
    ],
)
def test_it_waits_longer_after_each_sending(step: str, waits: list[float]) -> None:
    scenario = waiting_for(step)
    waited = [scenario.wait]

    for _ in waits[1:]:
        waited.append(scenario.is_overdue().wait)

    assert waited == waits
    assert scenario.stands(Status.RUNNING).asked == [(step, Action.DO, 1)]


def test_a_step_has_all_its_sendings_whatever_the_step_before_took() -> None:
    scenario = waiting_for("reserve_stock").is_overdue().is_overdue()

    scenario.answers(SUCCESSES["reserve_stock"]).expects(COMMANDS["freeze_price"])

    assert scenario.wait == 10
    assert scenario.is_overdue().wait == 20


def test_an_answer_to_any_of_the_sendings_is_taken_once() -> None:
    scenario = waiting_for("reserve_stock").is_overdue()

    scenario.answers(SUCCESSES["reserve_stock"]).expects(COMMANDS["freeze_price"])
    scenario.changes_nothing("reserve_stock", Action.DO, SUCCESSES["reserve_stock"])


def test_what_was_answered_meanwhile_is_not_overdue() -> None:
    scenario = waiting_for("reserve_stock")
    before = scenario.pending
    scenario.answers(SUCCESSES["reserve_stock"])

    scenario.ignores(Overdue(before)).ignores(Overdue(before, past_deadline=True))


def test_a_saga_that_has_ended_is_not_overdue() -> None:
    scenario = waiting_for("send_confirmation")
    last = scenario.pending
    scenario.answers(SUCCESSES["send_confirmation"])

    scenario.ignores(Overdue(last, past_deadline=True))


# --- after the last sending


@pytest.mark.parametrize("silent", COMPENSATABLE)
def test_a_silent_step_is_undone_with_those_before_it_in_reverse(silent: str) -> None:
    done = PLAIN.steps[: PLAIN.steps.index(silent)]
    scenario = waiting_for(silent)

    scenario.times_out()
    for step in (silent, *reversed(done)):
        scenario.expects_undo_of(step).stands(Status.COMPENSATING).answers(UNDONE[step])

    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.UNDONE))
    assert [each for each in scenario.outcomes if each[1] is Outcome.UNDONE] == [
        (step, Outcome.UNDONE) for step in (silent, *reversed(done))
    ]


def test_that_nothing_was_answered_is_remembered_as_the_cause() -> None:
    scenario = waiting_for("reserve_stock").times_out()

    assert scenario.saga
    assert scenario.saga.cause == Cause(
        step="reserve_stock", type="NoAnswer", payload="{}", reason="No answer after 4 sendings"
    )
    scenario.notes_that(("turned_back", "No answer after 4 sendings"))
    assert scenario.inputs == {}


def test_a_success_that_comes_too_late_changes_nothing() -> None:
    scenario = waiting_for("reserve_stock").times_out()

    scenario.changes_nothing("reserve_stock", Action.DO, SUCCESSES["reserve_stock"])
    scenario.changes_nothing("reserve_stock", Action.DO, REFUSALS["reserve_stock"])


def test_the_pivot_is_never_turned_back_by_time() -> None:
    scenario = waiting_for("capture_payment")
    asked = scenario.pending

    scenario.times_out().expects(COMMANDS["capture_payment"]).stands(Status.STUCK)

    assert scenario.pending == asked
    assert scenario.wait == 300
    assert scenario.desk == ()
    scenario.notes_that(("stuck", "No answer after 5 sendings"))
    for sendings in (6, 7, 8):
        scenario.is_overdue().expects(COMMANDS["capture_payment"]).stands(Status.STUCK)
        scenario.notes_that(("sent_again", f"Sending {sendings + 1}"))


@pytest.mark.parametrize("silent", FROM_PIVOT[1:])
def test_a_step_behind_the_pivot_is_asked_for_ever(silent: str) -> None:
    scenario = waiting_for(silent).times_out()

    scenario.expects(COMMANDS[silent]).stands(Status.STUCK)
    scenario.is_overdue().expects(COMMANDS[silent]).stands(Status.STUCK)
    assert scenario.asked == [(silent, Action.DO, 1)]


def test_an_answer_leads_on_from_where_it_was_stuck() -> None:
    scenario = waiting_for("capture_payment").times_out()

    scenario.answers(SUCCESSES["capture_payment"])
    scenario.expects(COMMANDS["confirm_order"]).stands(Status.RUNNING)
    assert scenario.wait == 10


def test_a_refusal_turns_a_stuck_pivot_back() -> None:
    scenario = waiting_for("capture_payment").times_out()

    scenario.answers(REFUSALS["capture_payment"]).expects_undo_of("create_shipment")
    scenario.stands(Status.COMPENSATING)


def test_a_compensation_is_sent_again_with_its_own_patience() -> None:
    scenario = waiting_for("freeze_price").answers(REFUSALS["freeze_price"])
    waited = [scenario.wait]

    for _ in range(3):
        waited.append(scenario.is_overdue().expects_undo_of("reserve_stock").wait)

    assert waited == [10, 20, 40, 80]


# --- the deadline


@pytest.mark.parametrize("silent", COMPENSATABLE)
def test_past_its_deadline_a_saga_turns_back_at_once(silent: str) -> None:
    scenario = waiting_for(silent).past_deadline()

    scenario.expects_undo_of(silent).stands(Status.COMPENSATING)
    scenario.notes_that(("turned_back", "The order took too long"))
    assert scenario.saga
    assert scenario.saga.cause == Cause(
        step=silent, type="DeadlinePassed", payload="{}", reason="The order took too long"
    )
    assert scenario.inputs == {}


@pytest.mark.parametrize("silent", FROM_PIVOT)
def test_no_deadline_turns_back_what_the_pivot_may_have_decided(silent: str) -> None:
    scenario = waiting_for(silent)

    scenario.past_deadline().expects(COMMANDS[silent]).stands(Status.RUNNING)
    assert scenario.saga
    assert scenario.saga.cause is None
    while scenario.saga.status is Status.RUNNING:
        scenario.past_deadline().expects(COMMANDS[silent])
    scenario.stands(Status.STUCK)


def test_past_the_deadline_an_undoing_goes_on() -> None:
    scenario = waiting_for("freeze_price").answers(REFUSALS["freeze_price"])
    before = scenario.saga and scenario.saga.cause

    scenario.past_deadline().expects_undo_of("reserve_stock").stands(Status.COMPENSATING)

    scenario.notes_that(("sent_again", "Sending 2"))
    assert scenario.saga
    assert scenario.saga.cause == before


# --- restrained, while too many are late at once


@pytest.mark.parametrize("past_deadline", [False, True])
@pytest.mark.parametrize("silent", PLAIN.steps[1:5])
def test_restrained_a_saga_only_sends_again(silent: str, past_deadline: bool) -> None:
    scenario = waiting_for(silent)
    attempts = scenario.course.legs[silent].step.patience.attempts

    for attempt in range(2, 9):
        scenario.is_overdue(past_deadline=past_deadline, restrained=True)
        scenario.expects(COMMANDS[silent]).stands(Status.RUNNING)
        scenario.notes_that(("sent_again", f"Sending {min(attempt, attempts - 1)}"))


@pytest.mark.parametrize("silent", PLAIN.steps[5:])
def test_restrained_what_goes_forward_only_comes_onto_the_desk_all_the_same(silent: str) -> None:
    """Nothing is turned back by that; and who looks may record what happened."""
    scenario = waiting_for(silent)
    attempts = scenario.course.legs[silent].step.patience.attempts

    for _ in range(attempts - 1):
        scenario.is_overdue(restrained=True).expects(COMMANDS[silent]).stands(Status.RUNNING)
    scenario.is_overdue(restrained=True).expects(COMMANDS[silent]).stands(Status.STUCK)


def test_restrained_a_compensation_does_not_come_onto_the_desk() -> None:
    scenario = waiting_for("freeze_price").answers(REFUSALS["freeze_price"])

    for _ in range(8):
        scenario.is_overdue(restrained=True).expects_undo_of("reserve_stock")

    assert scenario.stands(Status.COMPENSATING).desk == ()


def test_what_was_restrained_has_one_more_wait_once_it_is_free() -> None:
    scenario = waiting_for("reserve_stock")
    for _ in range(8):
        scenario.is_overdue(restrained=True)

    scenario.is_overdue().expects(COMMANDS["reserve_stock"]).stands(Status.RUNNING)
    scenario.is_overdue().expects_undo_of("reserve_stock").stands(Status.COMPENSATING)
    scenario.notes_that(("turned_back", "No answer after 4 sendings"))


# --- a step that says that it waits


@pytest.mark.parametrize("step", ["authorize_payment", "capture_payment"])
def test_a_step_that_waits_has_the_time_that_it_needs(step: str) -> None:
    scenario = waiting_for(step)
    before = scenario.saga

    scenario.waits(NOON, "The customer is asked by the bank").expects().stands(Status.RUNNING)

    assert scenario.saga == before
    assert scenario.wait == NOON + timedelta(seconds=90)  # it asks at noon, and is answered then
    assert scenario.outcome is Outcome.WAITS
    scenario.notes_that(("waits", "The customer is asked by the bank"))
    scenario.answers(SUCCESSES[step])
    assert scenario.outcome is Outcome.DONE


def test_a_step_that_waited_has_all_its_attempts_again() -> None:
    scenario = waiting_for("reserve_stock")
    for _ in range(3):
        scenario.is_overdue()
    scenario.waits(NOON, "The shelf is being counted")

    for _ in range(3):
        scenario.is_overdue().expects(COMMANDS["reserve_stock"])
    scenario.is_overdue().expects_undo_of("reserve_stock")


@pytest.mark.parametrize("step", ["authorize_payment", "capture_payment"])
def test_a_step_that_waits_again_and_again_is_never_given_up(step: str) -> None:
    """A provider that does not answer is asked anew every half minute, for as long as it takes."""
    scenario = waiting_for(step)
    for minute in range(20):
        scenario.waits(NOON.replace(minute=minute), "The bank does not answer").expects()
        assert scenario.wait == NOON.replace(minute=minute) + timedelta(seconds=90)
        if minute % 3 == 0:  # the next telling comes late
            scenario.is_overdue().expects(COMMANDS[step])

    scenario.stands(Status.RUNNING).answers(SUCCESSES[step])
    assert scenario.outcome is Outcome.DONE


def test_a_compensation_may_wait_too() -> None:
    scenario = waiting_for("create_shipment").answers(REFUSALS["create_shipment"])

    scenario.waits(NOON, "The bank is closed").expects().stands(Status.COMPENSATING)

    assert scenario.wait == NOON + timedelta(seconds=90)
    scenario.answers(UNDONE["authorize_payment"]).expects_undo_of("freeze_price")


def test_when_its_time_is_over_a_step_that_waited_is_asked_again() -> None:
    scenario = waiting_for("authorize_payment").waits(NOON, "The bank is closed")

    scenario.is_overdue().expects(COMMANDS["authorize_payment"])

    assert scenario.wait == 180


def test_no_wait_outlasts_the_deadline() -> None:
    scenario = waiting_for("authorize_payment").waits(NOON, "The customer is asked by the bank")

    scenario.past_deadline().expects_undo_of("authorize_payment").stands(Status.COMPENSATING)


@pytest.mark.parametrize(("step", "generation"), [("authorize_payment", 2), ("freeze_price", 1)])
def test_a_wait_that_belongs_to_another_request_changes_nothing(step: str, generation: int) -> None:
    later = StepWaits(until=NOON, reason="The bank is closed")

    waiting_for("authorize_payment").changes_nothing(step, Action.DO, later, generation)


def test_a_wished_step_has_its_patience_too() -> None:
    scenario = Scenario.of_order(WRAPPED).succeeds_at(WRAPPED.steps[:4])

    scenario.times_out().expects_undo_of("wrap_gift").answers(UNDONE["wrap_gift"])
    scenario.expects_undo_of("authorize_payment")
