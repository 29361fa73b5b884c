"""The shortest ways into the engine's holes, as the search of tests/reliability finds them where a
rule is broken. Each comes out right.

They are told of the order with all its steps; the names are those of the broken rules.
"""

import psycopg
import pytest

from apps.contracts.catalogue import Action
from apps.contracts.payments import RefundPayment
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.sagas import SagaEnded
from apps.contracts.steps import Fence, ResolveOutside, UndoRefused
from apps.messaging.context import context
from apps.processes import PLACE_ORDER, OnRefusal
from apps.sagas.decide import decide
from apps.sagas.desk import Desk
from apps.sagas.state import Answer, Decision, SagaState, Status
from tests.sagas.scenarios import COMMANDS, PLAIN, REFUSALS, SUCCESSES, UNDONE, Scenario, with_step

PIVOT = "capture_payment"
BEFORE_THE_PIVOT = PLAIN.steps[: PLAIN.steps.index(PIVOT)]


def at_the_pivot() -> Scenario:
    """Everything before the pivot is done, and the pivot is asked."""
    return Scenario.of_order().succeeds_at(BEFORE_THE_PIVOT).expects(COMMANDS[PIVOT])


def refund_on_the_desk() -> Scenario:
    """The shipment was refused, the refund gave no answer; everything else is undone."""
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:4])
    scenario.answers(REFUSALS["create_shipment"]).expects_undo_of("authorize_payment")
    scenario.times_out()
    for step in ("freeze_price", "reserve_stock", "create_order"):
        scenario.answers(UNDONE[step])
    return scenario.stands(Status.STUCK)


def test_outcome_recorded_past_the_barrier() -> None:
    at_the_pivot().compensates("It takes too long").expects(Fence()).stands(Status.FENCING)


def test_compensate_after_pivot_sent() -> None:
    scenario = at_the_pivot().past_deadline()

    scenario.expects(COMMANDS[PIVOT]).stands(Status.RUNNING)


def test_cancel_turns_the_pivot() -> None:
    scenario = at_the_pivot().wishes_to_cancel("Ordered by mistake")

    scenario.expects().stands(Status.RUNNING)
    scenario.answers(SUCCESSES[PIVOT]).expects(COMMANDS["confirm_order"])


def test_wish_forgotten() -> None:
    definition = with_step(PLACE_ORDER, PIVOT, on_refusal=OnRefusal.WAIT, decide_within=600)
    scenario = Scenario.of(definition, PLAIN).succeeds_at(BEFORE_THE_PIVOT)

    scenario.wishes_to_cancel("Ordered by mistake").answers(REFUSALS[PIVOT])

    scenario.expects_undo_of("create_shipment")


def test_answers_matched_loosely() -> None:
    step = "reserve_stock"
    definition = with_step(PLACE_ORDER, step, on_refusal=OnRefusal.WAIT, decide_within=600)
    scenario = Scenario.of(definition, PLAIN).starts().answers(REFUSALS[step]).retries(step)

    scenario.changes_nothing(step, Action.DO, REFUSALS[step])

    assert scenario.pending.generation == 2


def test_doubtful_step_left_out() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:2]).times_out()

    scenario.expects_undo_of("freeze_price")


def test_stuck_answer_ignored() -> None:
    scenario = refund_on_the_desk()

    scenario.answers_on_desk("authorize_payment", UNDONE["authorize_payment"])

    refused = SagaEnded(
        process="place_order", outcome=Ending.UNDONE, refused_step="create_shipment"
    )
    scenario.expects_end(refused)


def test_undo_refusal_matched_loosely() -> None:
    scenario = refund_on_the_desk().resolves("authorize_payment", "seen")

    scenario.changes_nothing("authorize_payment", Action.UNDO, UndoRefused(reason="no"))

    assert [(each.generation, each.refused) for each in scenario.desk] == [(2, False)]


def test_undone_after_all_ignored() -> None:
    """The money was given back for an earlier request, while a later one was refused."""
    scenario = refund_on_the_desk().resolves("authorize_payment", "seen")
    scenario.expects_of_desk(("authorize_payment", 2, ResolveOutside(evidence="seen")))
    scenario.answers_on_desk("authorize_payment", UndoRefused(reason="Nothing is outside"))

    scenario.told("authorize_payment", Action.UNDO, UNDONE["authorize_payment"])

    assert scenario.saga
    assert scenario.saga.status is Status.UNDONE
    assert scenario.desk == ()


def test_skipped_in_spite_of_refusal() -> None:
    definition = with_step(PLACE_ORDER, "authorize_payment", skippable=True)
    scenario = Scenario.of(definition, PLAIN).succeeds_at(PLAIN.steps[:3])
    scenario.skips("authorize_payment").expects_undo_of("authorize_payment")

    scenario.undo_is_refused("no")

    scenario.expects_undo_of("freeze_price").stands(Status.STUCK)


def test_pause_sends() -> None:
    scenario = Scenario.of_order().starts().pauses()

    scenario.answers(SUCCESSES["reserve_stock"]).expects()

    scenario.resumes().expects(COMMANDS["freeze_price"])


def test_no_time_for_the_desk() -> None:
    scenario = Scenario.of_order().succeeds_at(PLAIN.steps[:4])
    scenario.answers(REFUSALS["create_shipment"]).times_out()

    assert scenario.desk_wait == 300
    scenario.desk_is_due().expects_of_desk(("authorize_payment", 1, RefundPayment()))


# --- the desk's cases, on their table


@pytest.fixture
def owner(databases: dict[str, psycopg.Connection]) -> psycopg.Connection:
    return databases["sagas"]


def follow(before: SagaState, decision: Decision) -> None:
    database = context("sagas").database
    with database.transaction():
        desk = Desk(database)
        desk.follow(before, decision, PLAIN.to_header(), "")
        desk.save()


@pytest.mark.usefixtures("quiet")
def test_a_stuck_pivot_that_then_refuses_is_a_decision(owner: psycopg.Connection) -> None:
    definition = with_step(PLACE_ORDER, PIVOT, on_refusal=OnRefusal.WAIT, decide_within=600)
    scenario = Scenario.of(definition, PLAIN).succeeds_at(BEFORE_THE_PIVOT)
    asked, running = scenario.pending, scenario.saga
    stuck = scenario.times_out().saga
    assert stuck
    assert running
    follow(running, Decision(stuck))

    decision = decide(scenario.course, stuck, Answer(asked, REFUSALS[PIVOT]))
    follow(stuck, decision)

    cases = owner.execute("SELECT kind, closed_at IS NULL FROM sagas_case ORDER BY id").fetchall()
    assert cases == [("stuck", False), ("decision", True)]
