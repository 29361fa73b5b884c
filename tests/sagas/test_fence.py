"""A person turns an order back whose pivot was sent: first a Fence finds out what became of it."""

import msgspec
import pytest

from apps.contracts.catalogue import Action
from apps.contracts.payments import PaymentCaptured
from apps.contracts.plan import Mode
from apps.contracts.pricing import FreezePrice, PriceFreezeFailed, PriceFrozen
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.sagas import SagaEnded
from apps.contracts.steps import Fence, Fenced, Happened, RecordHappened
from apps.processes import PLACE_ORDER, Kind, Process, Step
from apps.sagas.errors import UnexpectedAnswer
from apps.sagas.state import (
    Cause,
    Compensate,
    Concern,
    Outcome,
    RecordOutcome,
    Status,
    concerns,
)
from tests.sagas.scenarios import (
    COMMANDS,
    CREATED,
    PLAIN,
    REFUSALS,
    SUCCESSES,
    UNDONE,
    Scenario,
)

WHY = "The customer is on the phone"
PIVOT = "capture_payment"
BEFORE = PLAIN.steps[:5]

# A sale whose pivot gives later steps what it told: the price.
FIXED_PRICE = Process(
    "fixed_price",
    1,
    (
        Step(
            "create_order",
            Kind.COMPENSATABLE,
            success=type(CREATED),
            compensation=PLACE_ORDER.step("create_order").compensation,
        ),
        Step(
            "freeze_price",
            Kind.PIVOT,
            FreezePrice,
            success=PriceFrozen,
            refusal=PriceFreezeFailed,
            gives=("total_cents",),
        ),
        PLACE_ORDER.step("send_confirmation"),
    ),
)


def capturing() -> Scenario:
    """An order whose payment is being captured."""
    return Scenario.of_order().succeeds_at(BEFORE).expects(COMMANDS[PIVOT])


def fencing() -> Scenario:
    return capturing().compensates(WHY)


def test_a_person_who_turns_back_a_sent_pivot_has_it_fenced() -> None:
    scenario = capturing()
    inputs = scenario.inputs

    scenario.compensates(WHY).expects(Fence()).stands(Status.FENCING)

    assert scenario.asked == [(PIVOT, Action.FENCE, 1)]
    assert [each.topic for each in scenario.said] == ["payments-commands"]
    assert scenario.wait == 90
    assert scenario.inputs == inputs
    assert scenario.saga
    assert scenario.saga.cause is None
    scenario.notes_that(("fencing", WHY))


def test_the_fence_of_a_stuck_pivot_takes_it_from_the_desk_while_it_is_asked() -> None:
    scenario = capturing().times_out().stands(Status.STUCK)
    assert concerns(scenario.saga) == {Concern(PIVOT, Action.DO)}

    scenario.compensates(WHY).expects(Fence()).stands(Status.FENCING)

    assert concerns(scenario.saga) == frozenset()


def test_a_fenced_pivot_never_happens_and_all_before_it_is_undone() -> None:
    scenario = fencing().is_fenced()

    assert scenario.outcome is Outcome.FENCED
    assert scenario.saga
    assert scenario.saga.cause == Cause(PIVOT, "TurnedBack", "{}", WHY)
    assert scenario.inputs == {}
    for step in reversed(BEFORE):
        scenario.expects_undo_of(step).stands(Status.COMPENSATING).answers(UNDONE[step])
    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.UNDONE))


def test_a_pivot_that_happened_is_followed_by_what_comes_behind_it() -> None:
    scenario = fencing().happened(SUCCESSES[PIVOT])

    assert scenario.outcome is Outcome.HAPPENED
    scenario.expects(COMMANDS["confirm_order"]).stands(Status.RUNNING)
    assert scenario.saga
    assert scenario.saga.cause is scenario.saga.detours.cause is None
    scenario.succeeds_at(PLAIN.steps[6:])
    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.CONFIRMED))


def test_what_the_pivot_told_is_an_input_of_the_later_steps() -> None:
    plan = FIXED_PRICE.plan((), Mode.ORCHESTRATED)
    scenario = Scenario.of(FIXED_PRICE, plan).starts().compensates(WHY).expects(Fence())

    scenario.happened(PriceFrozen(total_cents=1500))

    scenario.expects(COMMANDS["send_confirmation"])
    assert set(scenario.inputs) == {"order_id", "customer_id", "currency", "total_cents"}


def test_the_pivots_own_answer_does_not_answer_the_fence() -> None:
    """It is in the answer to the Fence as well, so nothing is lost."""
    scenario = fencing()

    scenario.changes_nothing(PIVOT, Action.DO, SUCCESSES[PIVOT])
    scenario.changes_nothing(PIVOT, Action.DO, REFUSALS[PIVOT])


def test_a_fence_that_is_answered_twice_is_taken_once() -> None:
    scenario = fencing().is_fenced()
    scenario.changes_nothing(PIVOT, Action.FENCE, Fenced())

    scenario = fencing().happened(SUCCESSES[PIVOT])
    told = msgspec.Raw(msgspec.json.encode(SUCCESSES[PIVOT]))
    happened = Happened(type="PaymentCaptured", event_version=1, event=told)
    scenario.changes_nothing(PIVOT, Action.FENCE, happened)


def test_only_the_steps_own_success_can_have_happened() -> None:
    scenario = fencing()
    before = scenario.saga

    with pytest.raises(UnexpectedAnswer, match="PriceFrozen"):
        scenario.happened(SUCCESSES["freeze_price"])

    assert scenario.saga is before


def test_an_unanswered_fence_is_sent_again_and_then_stuck() -> None:
    scenario = fencing()

    for attempt in (2, 3, 4, 5):
        scenario.is_overdue().expects(Fence()).stands(Status.FENCING)
        scenario.notes_that(("sent_again", f"Sending {attempt}"))
    scenario.is_overdue().expects(Fence()).stands(Status.STUCK)

    scenario.notes_that(("stuck", "No answer after 5 sendings"))
    assert scenario.asked == [(PIVOT, Action.FENCE, 1)]
    assert concerns(scenario.saga) == {Concern(PIVOT, Action.FENCE)}
    scenario.is_overdue().expects(Fence()).stands(Status.STUCK)


@pytest.mark.parametrize("restrained", [False, True])
def test_no_deadline_decides_for_the_fence(restrained: bool) -> None:
    scenario = fencing().is_overdue(past_deadline=True, restrained=restrained)

    scenario.expects(Fence()).stands(Status.FENCING)


def test_a_stuck_fence_leads_on_when_it_is_answered() -> None:
    fencing().times_out().is_fenced().expects_undo_of(BEFORE[-1]).stands(Status.COMPENSATING)
    scenario = fencing().times_out().happened(PaymentCaptured(amount_cents=1500))

    scenario.expects(COMMANDS["confirm_order"]).stands(Status.RUNNING)


def test_a_stuck_fence_is_retried() -> None:
    scenario = fencing().times_out().retries(PIVOT)

    scenario.expects(Fence()).stands(Status.STUCK)
    assert scenario.asked == [(PIVOT, Action.FENCE, 1)]


def test_a_wish_changes_nothing_about_a_fence() -> None:
    scenario = fencing().wishes_to_cancel("Me too").expects().stands(Status.FENCING)

    scenario.is_fenced().expects_undo_of(BEFORE[-1])
    assert scenario.saga
    assert scenario.saga.cause == Cause(PIVOT, "TurnedBack", "{}", WHY)


def test_a_saga_that_is_being_fenced_is_turning_back_already() -> None:
    fencing().forbids(
        Compensate("again"), "It is turning back already: capture_payment is asked."
    ).stands(Status.FENCING)


def test_that_the_pivot_happened_can_be_recorded_while_its_fence_is_stuck() -> None:
    """The Fence waits for a call whose outcome nobody tells; a person has seen it at the bank."""
    scenario = fencing().times_out()
    before = scenario.saga

    scenario.records(PIVOT, "Bank letter 17")

    assert [each.message for each in scenario.said] == [RecordHappened(evidence="Bank letter 17")]
    assert scenario.asked == [(PIVOT, Action.DO, 1)]
    assert scenario.saga is before
    scenario.is_overdue().expects(Fence())
    scenario.happened(SUCCESSES[PIVOT]).expects(COMMANDS["confirm_order"])


def test_a_fence_that_is_not_stuck_is_left_to_its_answer() -> None:
    fencing().forbids(
        RecordOutcome(PIVOT, "Bank letter 17"),
        "Only the outcome of a pivot, or of a step behind it, that is stuck can be recorded; "
        "capture_payment is not.",
    )
