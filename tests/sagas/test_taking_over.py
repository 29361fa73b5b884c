"""The engine takes a saga over that events drove: never back without a Fence."""

from collections.abc import Callable

import pytest

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.inventory import ReserveStock
from apps.contracts.payments import CapturePayment
from apps.contracts.plan import Mode
from apps.contracts.sagas import CancelAccepted, CancelTooLate, SagaEnded
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.steps import Fence, UndoRefused
from apps.messaging.request import Request
from apps.sagas.moves import MOVES
from apps.sagas.state import (
    Cause,
    Compensate,
    Driver,
    Move,
    Outcome,
    Overdue,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    Retry,
    Skip,
    Status,
    Substitute,
    Wish,
)
from apps.sagas.taking_over import WHY_NOT
from tests.sagas.scenarios import (
    BY_EVENTS,
    COMMANDS,
    LINES,
    ORDER,
    REFUSALS,
    SAGA,
    SUCCESSES,
    UNDONE,
    Scenario,
)
from tests.sagas.test_tracker import tracked

PIVOT = "capture_payment"
BEFORE = BY_EVENTS.steps[:5]
TURNS: dict[str, Callable[[Scenario], Scenario]] = {
    "deadline": lambda it: it.past_deadline(),
    "person": lambda it: it.compensates("A mess"),
    "wish": lambda it: it.wishes_to_cancel("A mistake"),
}


def is_taken_over(scenario: Scenario) -> Scenario:
    assert scenario.saga
    assert scenario.saga.driver is Driver.ENGINE
    return scenario


# --- forward


@pytest.mark.parametrize("steps", range(1, 8))
@pytest.mark.parametrize("how", ["time", "person", "restrained"])
def test_the_awaited_step_is_asked_by_command(steps: int, how: str) -> None:
    scenario = tracked(BY_EVENTS.steps[:steps])
    step = scenario.pending.step
    turn = {
        "time": scenario.is_overdue,
        "person": lambda: scenario.retries(step),
        "restrained": lambda: scenario.is_overdue(past_deadline=True, restrained=True),
    }

    is_taken_over(turn[how]()).stands(Status.RUNNING)

    assert scenario.pending == Request(SAGA, step, Action.DO, 1, Mode.ORCHESTRATED)
    scenario.expects(COMMANDS[step])


def test_a_step_that_was_done_meanwhile_tells_so_again_and_the_engine_goes_on() -> None:
    scenario = tracked(["create_order"]).is_overdue()
    scenario.expects(ReserveStock(order_id=ORDER, lines=LINES))

    scenario.succeeds_at(BY_EVENTS.steps[1:])

    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.CONFIRMED))


def test_events_that_come_after_all_answer_as_well() -> None:
    scenario = tracked(["create_order"]).is_overdue()

    scenario.happens("reserve_stock", SUCCESSES["reserve_stock"])

    scenario.expects(COMMANDS["freeze_price"])
    assert scenario.outcome is Outcome.DONE


def test_what_was_told_before_is_history_though_nothing_waits_for_it() -> None:
    scenario = tracked(["create_order", "freeze_price"]).is_overdue()
    before = scenario.saga

    scenario.happens("reserve_stock", SUCCESSES["reserve_stock"])

    assert scenario.saga == before
    assert scenario.outcome is Outcome.DONE
    scenario.expects()


@pytest.mark.parametrize("step", BY_EVENTS.steps[1:6])
def test_a_refusal_that_the_engine_meets_is_final_and_begins_with_a_fence(step: str) -> None:
    scenario = tracked(BY_EVENTS.steps[: BY_EVENTS.steps.index(step)]).is_overdue()

    scenario.answers(REFUSALS[step]).stands(Status.FENCING).expects(Fence())

    assert scenario.pending == Request(SAGA, PIVOT, Action.FENCE, 1, Mode.ORCHESTRATED)
    scenario.is_fenced().expects_undo_of("create_shipment").stands(Status.COMPENSATING)
    assert scenario.saga
    assert scenario.saga.cause
    assert (scenario.saga.cause.step, scenario.saga.cause.type) == (
        step, type(REFUSALS[step]).__name__,
    )  # fmt: skip


def test_a_refusal_that_is_heard_out_of_turn_turns_the_engine_back_as_well() -> None:
    """It would ask a step that is undone, and what is undone gives no answer."""
    scenario = tracked(["create_order"]).is_overdue().expects(COMMANDS["reserve_stock"])
    scenario.happens("freeze_price", SUCCESSES["freeze_price"]).expects()

    scenario.happens("authorize_payment", REFUSALS["authorize_payment"]).expects(Fence())

    assert scenario.outcome is Outcome.REFUSED
    scenario.is_fenced().expects_undo_of("create_shipment")
    assert scenario.saga
    assert scenario.saga.cause
    assert scenario.saga.cause.type == "PaymentDeclined"


@pytest.mark.parametrize("answer", [UNDONE["freeze_price"], UndoRefused(reason="Not now")])
def test_an_undoing_that_is_heard_out_of_turn_does_too_and_why_is_learned_later(
    answer: Event,
) -> None:
    scenario = tracked(["create_order"]).is_overdue().expects(COMMANDS["reserve_stock"])

    scenario.happens("freeze_price", answer, Action.UNDO).expects(Fence())
    scenario.happens("authorize_payment", REFUSALS["authorize_payment"]).expects()

    scenario.is_fenced().expects_undo_of("create_shipment")
    assert scenario.saga
    assert scenario.saga.cause
    assert scenario.saga.cause.type == "PaymentDeclined"


def test_why_is_learned_while_it_is_being_undone() -> None:
    scenario = tracked(["create_order"]).is_overdue()
    scenario.happens("freeze_price", UNDONE["freeze_price"], Action.UNDO).is_fenced()

    scenario.happens("authorize_payment", REFUSALS["authorize_payment"]).expects()
    scenario.happens("freeze_price", UNDONE["freeze_price"], Action.UNDO).expects()

    assert scenario.saga
    assert scenario.saga.cause
    assert scenario.saga.cause.type == "PaymentDeclined"


# --- back


@pytest.mark.parametrize("steps", range(1, 6))
@pytest.mark.parametrize("how", TURNS)
def test_turning_back_begins_with_a_fence_and_undoes_every_step_before_the_pivot(
    steps: int, how: str
) -> None:
    scenario = tracked(BY_EVENTS.steps[:steps])

    is_taken_over(TURNS[how](scenario)).stands(Status.FENCING).expects(Fence())

    assert scenario.pending == Request(SAGA, PIVOT, Action.FENCE, 1, Mode.ORCHESTRATED)
    scenario.is_fenced()
    for step in reversed(BEFORE):
        scenario.expects_undo_of(step).answers(UNDONE[step])
    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.UNDONE))


@pytest.mark.parametrize("how", ["time", *TURNS])
def test_what_turned_back_by_itself_is_taken_over_with_its_own_cause(how: str) -> None:
    scenario = tracked(BEFORE[:3]).happens("authorize_payment", REFUSALS["authorize_payment"])
    cause = scenario.saga and scenario.saga.cause
    if how == "wish":  # it is granted, and events go on
        scenario.wishes_to_cancel("A mistake").tells_who_wished(CancelAccepted()).is_overdue()
    elif how == "time":
        scenario.is_overdue()
    else:
        TURNS[how](scenario)

    is_taken_over(scenario).stands(Status.FENCING).expects(Fence())

    scenario.is_fenced().expects_undo_of("create_shipment")
    assert scenario.saga
    assert scenario.saga.cause == cause


def test_a_wish_that_comes_again_while_the_pivot_is_fenced_is_granted_again() -> None:
    scenario = tracked(BEFORE[:1]).happens("reserve_stock", REFUSALS["reserve_stock"])
    scenario.wishes_to_cancel("A mistake").is_overdue().stands(Status.FENCING)

    scenario.ignores(Wish("A mistake")).tells_who_wished(CancelAccepted(), CancelAccepted())


def test_where_the_pivot_had_happened_the_awaited_step_is_asked_again_and_then_forward() -> None:
    """What the steps between told is needed by those behind the pivot."""
    scenario = tracked(["create_order", "reserve_stock"]).compensates("A mess")

    scenario.happened(SUCCESSES[PIVOT]).expects(COMMANDS["freeze_price"]).stands(Status.RUNNING)

    scenario.succeeds_at(BY_EVENTS.steps[2:])
    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.CONFIRMED))


def test_where_the_pivot_had_happened_nothing_turns_back_any_more() -> None:
    scenario = tracked(["create_order"]).wishes_to_cancel("A mistake")
    scenario.happened(SUCCESSES[PIVOT]).tells_who_wished(CancelTooLate(step=PIVOT))

    scenario.past_deadline().expects(COMMANDS["reserve_stock"])
    scenario.times_out().stands(Status.STUCK)

    scenario.forbids(
        Compensate("still"),
        "The pivot has happened: the saga only goes forward. Retry reserve_stock, or record its "
        "outcome.",
    )


def test_a_pivot_that_is_awaited_is_fenced_and_goes_forward_with_what_it_told() -> None:
    scenario = tracked(BEFORE).compensates("A mess")
    scenario.happened(SUCCESSES[PIVOT]).expects(COMMANDS["confirm_order"])


def test_a_pivot_that_happened_is_not_turned_back() -> None:
    scenario = tracked(BY_EVENTS.steps[:6])
    scenario.forbids(Compensate("still"), "The pivot has happened: the saga only goes forward.")

    is_taken_over(scenario.past_deadline()).expects(COMMANDS["confirm_order"])


def test_an_undoing_that_is_refused_brings_the_engine() -> None:
    scenario = tracked(BEFORE[:4]).happens("create_shipment", REFUSALS["create_shipment"])
    refused = UndoRefused(reason="The bank says no")
    scenario.happens("authorize_payment", refused, Action.UNDO)

    is_taken_over(scenario).expects(Fence())
    scenario.is_fenced().answers(UNDONE["create_shipment"])
    scenario.undo_is_refused("The bank says no").expects_undo_of("freeze_price")
    scenario.stands(Status.STUCK)


def test_an_undoing_that_is_heard_before_its_refusal_has_a_cause_all_the_same() -> None:
    scenario = tracked(BEFORE[:3]).happens("freeze_price", UNDONE["freeze_price"], Action.UNDO)

    is_taken_over(scenario.is_overdue()).expects(Fence())

    assert scenario.saga
    text = "A step was refused; its event was not heard yet"
    assert scenario.saga.detours.cause == Cause("authorize_payment", "NotHeardYet", "{}", text)


# --- what cannot be done to it


ON_NO_DESK = (
    "Events drive this saga, so that nothing stands on the desk. Compensate lets the engine take "
    "it over and turn it back if it still can; an undoing that fails then comes to the desk."
)
NOT_SKIPPED = (
    "Events drive this saga, or did, so that others may have undone their steps: nothing is "
    "skipped. Compensate turns it back if it still can."
)


@pytest.mark.parametrize(
    ("move", "why_not"),
    [
        (
            Pause(),
            "Events drive this saga, so that nothing holds it. Retry lets the engine take it over "
            "and ask the awaited step again, and what the engine asks can be paused; compensate "
            "takes it over and turns it back if it still can.",
        ),
        (Resume(), "The saga is not paused."),
        (Skip("reserve_stock"), NOT_SKIPPED),
        (Resolve("create_order", "a letter"), ON_NO_DESK),
        (Substitute("create_order", "CreditInstead"), ON_NO_DESK),
        (
            RecordOutcome("reserve_stock", "a letter"),
            "Events drive this saga, so that nobody knows it to be stuck. Retry lets the engine "
            "take it over and ask the awaited step again; what gives no answer then can be "
            "recorded.",
        ),
        (Retry("freeze_price"), "It does not wait for freeze_price, but for reserve_stock."),
    ],
)
def test_what_does_not_take_over_says_what_does(move: Move, why_not: str) -> None:
    tracked(["create_order"]).forbids(move, why_not)


def test_every_move_has_its_words() -> None:
    """Those that take over have none: they are done."""
    assert set(WHY_NOT) == set(MOVES) - {Compensate, Retry}


def test_what_was_taken_over_can_be_paused_and_what_is_heard_meanwhile_is_taken() -> None:
    scenario = tracked(["create_order"]).is_overdue().expects(COMMANDS["reserve_stock"])

    scenario.pauses().happens("reserve_stock", SUCCESSES["reserve_stock"]).expects()

    scenario.resumes().expects(COMMANDS["freeze_price"])


def test_what_was_taken_over_and_then_gave_no_answer_can_be_recorded() -> None:
    scenario = tracked(BY_EVENTS.steps[:7]).retries("send_confirmation").times_out()

    scenario.stands(Status.STUCK).records("send_confirmation", "seen")


def test_after_a_take_over_nothing_is_skipped() -> None:
    tracked(["create_order"]).is_overdue().forbids(Skip("wrap_gift"), NOT_SKIPPED)


def test_a_time_out_of_what_is_not_awaited_any_more_changes_nothing() -> None:
    scenario = tracked(["create_order"])
    old = scenario.pending
    scenario.happens("reserve_stock", SUCCESSES["reserve_stock"])
    scenario.ignores(Overdue(old))


def test_what_events_told_after_a_take_over_does_not_end_the_saga() -> None:
    """The engine that is undoing would otherwise be told that it is over."""
    scenario = tracked(["create_order"]).compensates("A mess").is_fenced()

    scenario.happens("create_order", UNDONE["create_order"], Action.UNDO)

    scenario.stands(Status.COMPENSATING).expects()
    assert scenario.outcome is Outcome.UNDONE
    assert scenario.pending.step == "create_shipment"


def test_a_capture_by_events_answers_an_engine_that_asks_for_it() -> None:
    scenario = tracked(BEFORE).is_overdue().expects(CapturePayment())
    scenario.happens(PIVOT, SUCCESSES[PIVOT]).expects(COMMANDS["confirm_order"])
