"""What people may do to a saga and what not, in words; and a pause."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from apps.contracts.catalogue import Action
from apps.contracts.payments import RefundPayment
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.sagas import SagaEnded
from apps.contracts.steps import Fence, RecordHappened, RecordRefused
from apps.processes import PLACE_ORDER, OnRefusal
from apps.sagas.state import (
    Cause,
    Compensate,
    DeskOverdue,
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
)
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

WHY = "The customer is on the phone"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAUSED = "The saga is paused; resume it first."


def waiting_for(step: str) -> Scenario:
    """An order whose step was asked once."""
    return Scenario.of_order(WRAPPED).succeeds_at(WRAPPED.steps[: WRAPPED.steps.index(step)])


def awaiting_decision() -> Scenario:
    definition = with_step(
        PLACE_ORDER, "authorize_payment", on_refusal=OnRefusal.WAIT, decide_within=600
    )
    scenario = Scenario.of(definition, PLAIN).succeeds_at(PLAIN.steps[:3])
    return scenario.answers(REFUSALS["authorize_payment"])


def compensating() -> Scenario:
    """The payment is being given back."""
    return waiting_for("wrap_gift").answers(REFUSALS["wrap_gift"])


def only_the_desk_is_open() -> Scenario:
    return Scenario.of_order().starts().answers(REFUSALS["reserve_stock"]).times_out()


def confirmed() -> Scenario:
    return Scenario.of_order().succeeds_at(PLAIN.steps)


def undone() -> Scenario:
    scenario = Scenario.of_order().starts().answers(REFUSALS["reserve_stock"])
    return scenario.answers(UNDONE["create_order"])


# --- what is not allowed

FORWARD = "The pivot has happened: the saga only goes forward. Retry {}, or record its outcome."
NOT_STUCK = (
    "Only the outcome of a pivot, or of a step behind it, that is stuck can be recorded; {} is not."
)
NOT_SKIPPED = "It does not wait for wrap_gift to be done, so nothing is skipped."
ONLY_DESK = (
    "Nothing else can be {}: it waits only for what stands on the desk (create_order), "
    "which can be retried, resolved or substituted."
)

FORBIDDEN: list[tuple[Callable[[], Scenario], Move, str]] = [
    (confirmed, Compensate(WHY), "The saga has ended as confirmed; nothing can be turned back."),
    (confirmed, Retry("capture_payment"),
     "The saga has ended as confirmed; nothing can be retried."),
    (undone, Skip("wrap_gift"), "The saga has ended as undone; nothing can be skipped."),
    (undone, RecordOutcome("capture_payment", "x"),
     "The saga has ended as undone; nothing can be recorded."),
    (confirmed, Pause(), "The saga has ended; there is nothing to pause."),
    (confirmed, Resume(), "The saga is not paused."),
    (confirmed, Resolve("authorize_payment", "x"),
     "The undoing of authorize_payment does not stand on the desk."),
    (only_the_desk_is_open, Compensate(WHY), ONLY_DESK.format("turned back")),
    (only_the_desk_is_open, Retry("reserve_stock"), ONLY_DESK.format("retried")),
    (only_the_desk_is_open, Skip("wrap_gift"), ONLY_DESK.format("skipped")),
    (only_the_desk_is_open, RecordOutcome("capture_payment", "x"), ONLY_DESK.format("recorded")),
    (compensating, Compensate(WHY), "It is turning back already: authorize_payment is asked."),
    (lambda: waiting_for("confirm_order"), Compensate(WHY), FORWARD.format("confirm_order")),
    (lambda: waiting_for("send_confirmation").times_out(), Compensate(WHY),
     FORWARD.format("send_confirmation")),
    (lambda: waiting_for("freeze_price"), Retry("reserve_stock"),
     "It does not wait for reserve_stock, but for freeze_price."),
    (lambda: waiting_for("freeze_price"), Retry("fly"),
     "It does not wait for fly, but for freeze_price."),
    (awaiting_decision, Retry("freeze_price"),
     "It does not wait for freeze_price, but for authorize_payment."),
    (lambda: waiting_for("freeze_price"), Skip("freeze_price"),
     "freeze_price cannot be skipped: its definition does not say so."),
    (lambda: waiting_for("freeze_price"), Skip("fly"),
     "fly cannot be skipped: its definition does not say so."),
    (lambda: waiting_for("freeze_price"), Skip("wrap_gift"), NOT_SKIPPED),
    (lambda: waiting_for("create_shipment"), Skip("wrap_gift"), NOT_SKIPPED),
    (lambda: waiting_for("create_shipment").answers(REFUSALS["create_shipment"]),
     Skip("wrap_gift"), NOT_SKIPPED),
    (lambda: waiting_for("wrap_gift").skips("wrap_gift"), Skip("wrap_gift"), NOT_SKIPPED),
    (lambda: waiting_for("freeze_price"), Resume(), "The saga is not paused."),
    (lambda: waiting_for("capture_payment"), RecordOutcome("capture_payment", "x"),
     NOT_STUCK.format("capture_payment")),
    (lambda: waiting_for("capture_payment").times_out(), RecordOutcome("confirm_order", "x"),
     NOT_STUCK.format("confirm_order")),
    (lambda: waiting_for("reserve_stock"), RecordOutcome("reserve_stock", "x"),
     NOT_STUCK.format("reserve_stock")),
    (lambda: compensating().times_out(), RecordOutcome("freeze_price", "x"),
     NOT_STUCK.format("freeze_price")),
    (compensating, Resolve("authorize_payment", "x"),
     "The undoing of authorize_payment does not stand on the desk."),
    (compensating, Substitute("authorize_payment", "CreditInstead"),
     "The undoing of authorize_payment does not stand on the desk."),
    (compensating, Substitute("fly", "CreditInstead"),
     "CreditInstead is no substitute of fly; there are: none."),
]  # fmt: skip


@pytest.mark.parametrize(("given", "move", "words"), FORBIDDEN)
def test_a_move_that_is_not_allowed_says_why_and_changes_nothing(
    given: Callable[[], Scenario], move: Move, words: str
) -> None:
    given().forbids(move, words)


# --- turning back and asking again


@pytest.mark.parametrize("step", WRAPPED.steps[1:6])
def test_a_person_turns_back_before_the_pivot(step: str) -> None:
    scenario = waiting_for(step).compensates(WHY)

    scenario.expects_undo_of(step).stands(Status.COMPENSATING)
    scenario.notes_that(("turned_back", WHY))
    assert scenario.saga
    assert scenario.saga.cause == Cause(step, "TurnedBack", "{}", WHY)
    assert scenario.inputs == {}


@pytest.mark.parametrize("step", WRAPPED.steps[1:])
def test_a_retry_without_a_refusal_asks_the_same_again(step: str) -> None:
    scenario = waiting_for(step)
    asked = scenario.pending

    scenario.retries(step).expects(COMMANDS[step]).stands(Status.RUNNING)

    assert scenario.pending == asked
    scenario.notes_that(("sent_again", "Sending 2"))


def test_a_retry_of_what_is_stuck_has_all_its_sendings_again() -> None:
    scenario = waiting_for("capture_payment").times_out().retries("capture_payment")

    scenario.expects(COMMANDS["capture_payment"]).stands(Status.STUCK)
    assert scenario.wait == 180
    scenario.notes_that(("sent_again", "Sending 2"))


def test_a_retry_of_a_compensation_asks_it_again() -> None:
    scenario = compensating().retries("authorize_payment")

    scenario.expects_undo_of("authorize_payment").stands(Status.COMPENSATING)


# --- recording an outcome


@pytest.mark.parametrize("step", ["capture_payment", "send_confirmation"])
def test_that_a_stuck_step_happened_is_told_to_its_own_service(step: str) -> None:
    definition = with_step(PLACE_ORDER, step, outside=True)
    scenario = Scenario.of(definition, PLAIN)
    scenario.succeeds_at(PLAIN.steps[: PLAIN.steps.index(step)]).times_out()
    before = scenario.saga

    scenario.records(step, "Bank letter 17").expects(RecordHappened(evidence="Bank letter 17"))

    assert scenario.saga is before
    assert scenario.asked == [(step, Action.DO, 1)]
    assert scenario.wait is None
    scenario.notes_that(("outcome_recorded", ""))
    scenario.answers(SUCCESSES[step])
    assert scenario.saga
    assert scenario.saga.status in (Status.RUNNING, Status.CONFIRMED)


def test_a_step_that_happens_in_our_own_database_is_not_recorded() -> None:
    waiting_for("confirm_order").times_out().forbids(
        RecordOutcome("confirm_order", "I saw it"),
        "confirm_order happens in our own database, which knows whether it did: retry it, or "
        "replay its parked message.",
    )


def test_that_a_record_is_refused_is_noted_and_changes_nothing() -> None:
    scenario = waiting_for("capture_payment").times_out()
    before = scenario.saga
    scenario.records("capture_payment", "Bank letter 17")

    scenario.answers(RecordRefused(reason="No call was made"))

    assert (scenario.saga, scenario.wait) == (before, None)
    assert scenario.outcome is Outcome.RECORD_REFUSED
    scenario.expects().notes_that(("record_refused", "No call was made"))
    scenario.answers(SUCCESSES["capture_payment"]).expects(COMMANDS["confirm_order"])


def test_that_a_record_is_refused_is_old_news_to_a_saga_that_went_on() -> None:
    scenario = waiting_for("confirm_order")

    refusal = RecordRefused(reason="No call was made")
    scenario.changes_nothing("capture_payment", Action.DO, refusal)


# --- a pause


def test_a_pause_says_so_and_changes_nothing_else() -> None:
    scenario = waiting_for("freeze_price")
    pending = scenario.pending

    scenario.pauses().expects().stands(Status.RUNNING).notes_that(("paused", ""))

    assert scenario.saga
    assert scenario.saga.paused
    assert scenario.pending == pending


def test_while_it_is_paused_nothing_is_overdue() -> None:
    scenario = waiting_for("freeze_price").pauses()

    scenario.ignores(Overdue(scenario.pending))
    scenario.ignores(Overdue(scenario.pending, past_deadline=True))


def test_a_paused_saga_keeps_the_answer_and_holds_the_next_command_back() -> None:
    scenario = waiting_for("freeze_price").pauses().answers(SUCCESSES["freeze_price"])

    scenario.expects().stands(Status.RUNNING)
    assert scenario.pending.step == "authorize_payment"
    assert scenario.inputs["total_cents"] == 1500
    assert scenario.wait is None

    scenario.resumes().expects(COMMANDS["authorize_payment"]).notes_that(("resumed", ""))
    assert scenario.wait == 90
    scenario.forbids(Resume(), "The saga is not paused.")


def test_what_was_sent_before_a_pause_is_asked_again_after_it() -> None:
    scenario = waiting_for("freeze_price").pauses().resumes()

    scenario.expects(COMMANDS["freeze_price"])
    assert scenario.wait == 20
    scenario.answers(SUCCESSES["freeze_price"]).expects(COMMANDS["authorize_payment"])


def test_a_paused_saga_keeps_a_refusal_and_holds_the_undoing_back() -> None:
    scenario = waiting_for("freeze_price").pauses().answers(REFUSALS["freeze_price"])

    scenario.expects().stands(Status.COMPENSATING)

    scenario.resumes().expects_undo_of("reserve_stock")
    scenario.pauses().answers(UNDONE["reserve_stock"]).expects()
    scenario.resumes().expects_undo_of("create_order")


def test_a_saga_may_end_while_it_is_paused_and_is_paused_no_more() -> None:
    scenario = waiting_for("send_confirmation").pauses().answers(SUCCESSES["send_confirmation"])

    scenario.expects_end(SagaEnded(process="place_order", outcome=Ending.CONFIRMED))
    assert scenario.saga
    assert not scenario.saga.paused


def test_a_pause_may_be_made_longer() -> None:
    waiting_for("freeze_price").pauses().pauses().expects().notes_that(("paused", ""))


@pytest.mark.parametrize("move", [Retry("freeze_price"), Resolve("freeze_price", "x")])
def test_nothing_is_asked_again_of_a_paused_saga(move: Move) -> None:
    waiting_for("freeze_price").pauses().forbids(move, PAUSED)


def test_no_outcome_is_recorded_of_a_paused_saga() -> None:
    scenario = waiting_for("capture_payment").times_out().pauses()

    scenario.forbids(RecordOutcome("capture_payment", "Bank letter 17"), PAUSED)


def test_a_decision_that_is_awaited_is_awaited_anew_after_a_pause() -> None:
    scenario = (
        awaiting_decision()
        .pauses()
        .ignores(Overdue(awaiting_decision().pending, past_deadline=True))
    )

    scenario.resumes().expects().stands(Status.AWAITING_DECISION)

    assert scenario.wait == 600


def test_a_step_is_skipped_when_the_pause_is_over() -> None:
    scenario = waiting_for("wrap_gift").pauses().skips("wrap_gift")

    scenario.expects().stands(Status.SKIPPING)
    scenario.resumes().expects_undo_of("wrap_gift").stands(Status.SKIPPING)


def test_waiting_told_during_a_pause_is_forgotten_with_it() -> None:
    scenario = waiting_for("authorize_payment").pauses().waits(NOON, "The bank is closed")

    scenario.resumes().expects(COMMANDS["authorize_payment"])
    assert scenario.wait == 180


@pytest.mark.parametrize("how", ["wish", "person"])
def test_a_pivot_that_a_pause_held_back_may_still_be_turned_back(how: str) -> None:
    scenario = waiting_for("create_shipment").pauses().answers(SUCCESSES["create_shipment"])
    assert scenario.pending.step == "capture_payment"

    turn = {"wish": scenario.wishes_to_cancel, "person": scenario.compensates}[how]
    turn(WHY).expects().stands(Status.COMPENSATING)

    scenario.resumes().expects_undo_of("create_shipment")


def test_a_deadline_that_a_pause_outlasted_turns_back_before_the_pivot_is_sent() -> None:
    scenario = waiting_for("create_shipment").pauses().answers(SUCCESSES["create_shipment"])

    scenario.resumes(past_deadline=True).expects_undo_of("create_shipment")

    scenario.stands(Status.COMPENSATING)
    scenario.notes_that(("resumed", ""), ("turned_back", "The order took too long"))
    assert scenario.saga
    assert not scenario.saga.paused


def test_a_decision_that_was_awaited_past_the_deadline_is_not_awaited_anew() -> None:
    scenario = awaiting_decision().pauses().resumes(past_deadline=True)

    scenario.expects_undo_of("freeze_price").stands(Status.COMPENSATING)


@pytest.mark.parametrize("step", WRAPPED.steps[6:])
def test_past_the_deadline_too_what_the_pivot_may_have_decided_is_sent_after_a_pause(
    step: str,
) -> None:
    scenario = waiting_for(step).pauses().resumes(past_deadline=True)

    scenario.expects(COMMANDS[step]).stands(Status.RUNNING).notes_that(("resumed", ""))


def test_past_the_deadline_too_an_undoing_goes_on_after_a_pause() -> None:
    scenario = compensating().pauses().resumes(past_deadline=True)

    scenario.expects_undo_of("authorize_payment").notes_that(("resumed", ""))
    only_the_desk_is_open().pauses().resumes(past_deadline=True).expects().stands(Status.STUCK)


def test_a_pivot_that_was_sent_before_the_pause_is_not_turned_back_by_a_wish() -> None:
    scenario = waiting_for("capture_payment").pauses().wishes_to_cancel(WHY)

    scenario.expects().stands(Status.RUNNING).notes_that(("cancel_wished", WHY))
    scenario.resumes().expects(COMMANDS["capture_payment"])


def test_a_pivot_that_was_sent_before_the_pause_is_fenced_after_it() -> None:
    scenario = waiting_for("capture_payment").pauses().compensates(WHY)

    scenario.expects().stands(Status.FENCING)
    scenario.changes_nothing("capture_payment", Action.DO, SUCCESSES["capture_payment"])
    scenario.resumes().expects(Fence()).stands(Status.FENCING)


def test_a_pivot_that_was_sent_after_a_pause_is_not_turned_back() -> None:
    scenario = waiting_for("create_shipment").pauses().answers(SUCCESSES["create_shipment"])
    scenario.resumes().expects(COMMANDS["capture_payment"])

    scenario.pauses().wishes_to_cancel(WHY).stands(Status.RUNNING)


def test_a_paused_desk_is_not_asked() -> None:
    scenario = compensating().times_out().pauses()
    before = scenario.saga

    scenario.says(DeskOverdue()).expects()

    assert scenario.saga is before
    assert scenario.desk_wait == 300
    scenario.forbids(Retry("authorize_payment"), PAUSED)
    scenario.forbids(Substitute("authorize_payment", "CreditInstead"), PAUSED)
    scenario.resumes().expects_undo_of("freeze_price")
    scenario.desk_is_due().expects_of_desk(("authorize_payment", 1, RefundPayment()))


def test_where_only_the_desk_is_open_a_pause_holds_that() -> None:
    scenario = only_the_desk_is_open().pauses().desk_is_due().expects()

    scenario.resumes().expects().stands(Status.STUCK)
    scenario.answers_on_desk("create_order", UNDONE["create_order"]).stands(Status.UNDONE)
