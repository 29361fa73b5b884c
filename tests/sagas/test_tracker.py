"""A saga that events drive: what is known of it is the same in whatever order they are heard."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.inventory import StockReserved
from apps.contracts.plan import Mode, Plan
from apps.contracts.sagas import CancelAccepted, CancelTooLate, SagaEnded
from apps.contracts.sagas import Outcome as Ending
from apps.contracts.steps import StepWaits
from apps.messaging.request import Request
from apps.processes import CANCEL_ORDER, PLACE_ORDER, newest, process
from apps.processes.course import course_of
from apps.sagas.decide import decide
from apps.sagas.errors import UnexpectedAnswer
from apps.sagas.outcomes import cause_of
from apps.sagas.state import Answer, Decision, Driver, Outcome, SagaState, Status
from tests.sagas.scenarios import (
    BY_EVENTS,
    LINES,
    REFUSALS,
    SAGA,
    SUCCESSES,
    UNDONE,
    Scenario,
)

WRAPPED = PLACE_ORDER.plan({"gift_wrap"}, Mode.CHOREOGRAPHED)
CHECKED = newest("place_order").plan({"gift_wrap", "check_fraud"}, Mode.CHOREOGRAPHED)
TAKEN_BACK = CANCEL_ORDER.plan({"gift_wrap"}, Mode.CHOREOGRAPHED)
Fact = tuple[str, Action, Event]


def facts_of(plan: Plan, refused: str = "") -> list[Fact]:
    """All that is told of a saga in which that step is refused, or none."""
    steps = plan.steps[: plan.steps.index(refused)] if refused else plan.steps
    done = [(step, Action.DO, SUCCESSES[step]) for step in steps]
    if not refused:
        return done
    back = [(step, Action.UNDO, UNDONE[step]) for step in reversed(steps)]
    return [*done, (refused, Action.DO, REFUSALS[refused]), *back]


def hear(plan: Plan, saga: SagaState | None, fact: Fact) -> Decision:
    step, action, event = fact
    request = Request(SAGA, step, action, 1, Mode.CHOREOGRAPHED)
    course = course_of(plan.to_header())
    decision = decide(course, saga, Answer(request, event, inputs_behind(plan, step, event)))
    assert decision.outcome  # each is a line of the history
    assert {type(each.message) for each in decision.sends} <= {SagaEnded}
    return decision


def inputs_behind(plan: Plan, step: str, event: Event) -> str:
    """What a success carries: here only which step it was, so that it can be told apart."""
    success = process(plan.process, plan.version).step(step).success
    first = step == plan.steps[0] or type(event) is not success
    return "" if first else f'{{"after": "{step}"}}'


@pytest.mark.parametrize(
    ("plan", "refused"),
    [
        (BY_EVENTS, ""),
        (WRAPPED, ""),
        *((BY_EVENTS, step) for step in BY_EVENTS.steps[1:6]),
        (WRAPPED, "wrap_gift"),
        (WRAPPED, "capture_payment"),
        (CHECKED, ""),
        (CHECKED, "check_fraud"),
        (CHECKED, "authorize_payment"),  # so that the check is undone
        (TAKEN_BACK, ""),
        (TAKEN_BACK, "recall_shipment"),
    ],
    ids=lambda each: each if isinstance(each, str) else f"{each.process}, {len(each.steps)} steps",
)
def test_what_is_known_does_not_depend_on_the_order_in_which_it_is_told(
    plan: Plan, refused: str
) -> None:
    """Of each set of facts, whichever came last: so it holds for every permutation. The start is
    the first: what overtakes it waits for it."""
    start, *others = facts_of(plan, refused)
    began = hear(plan, None, start).saga
    known: dict[frozenset[int], SagaState] = {frozenset(): began}
    told_of: set[Request] = set()
    for _ in others:
        following: dict[frozenset[int], SagaState] = {}
        for heard, saga in known.items():
            for number in set(range(len(others))) - heard:
                decision = hear(plan, saga, others[number])
                now = following.setdefault(heard | {number}, decision.saga)
                assert decision.saga == now
                assert len(decision.sends) == (now.ended and not saga.ended)
                told_of.update(each.request for each in decision.sends)
        known = following
    [end] = known.values()
    assert end.status is (Status.UNDONE if refused else Status.CONFIRMED)
    cause = refused and cause_of(course_of(plan.to_header()).legs[refused], REFUSALS[refused])
    assert end.cause == (cause or None)
    assert (end.pending, end.inputs, end.driver) == (None, "{}", Driver.EVENTS)
    step, action = (plan.steps[0], Action.UNDO) if refused else (plan.steps[-1], Action.DO)
    assert told_of == {Request(began.saga_id, step, action, 1, Mode.CHOREOGRAPHED)}


@pytest.mark.parametrize("refused", ["", *BY_EVENTS.steps[1:6]])
def test_a_repeated_fact_changes_nothing(refused: str) -> None:
    saga: SagaState | None = None
    for number, fact in enumerate(facts := facts_of(BY_EVENTS, refused)):
        saga = hear(BY_EVENTS, saga, fact).saga
        for again in facts[: number + 1]:
            repeated = hear(BY_EVENTS, saga, again)
            assert (repeated.saga, repeated.sends, repeated.wait) == (saga, (), None)


def tracked(steps: Iterable[str], plan: Plan = BY_EVENTS) -> Scenario:
    """A saga of which these steps have told their success."""
    scenario = Scenario.of_order(plan)
    for step in steps:
        scenario.happens(step, SUCCESSES[step])
    return scenario


def test_it_waits_for_the_step_after_the_last_that_is_done() -> None:
    scenario = tracked(["create_order", "reserve_stock"])

    assert scenario.pending == Request(SAGA, "freeze_price", Action.DO, 1, Mode.CHOREOGRAPHED)
    assert scenario.wait == 10
    scenario.expects().stands(Status.RUNNING)


def test_it_waits_for_the_undoing_of_the_step_before_the_last_that_is_undone() -> None:
    scenario = tracked(BY_EVENTS.steps[:4]).happens("create_shipment", REFUSALS["create_shipment"])
    scenario.stands(Status.COMPENSATING)
    assert (scenario.pending.step, scenario.pending.action) == ("authorize_payment", Action.UNDO)
    assert scenario.inputs == {}

    scenario.happens("authorize_payment", UNDONE["authorize_payment"], Action.UNDO)
    assert (scenario.pending.step, scenario.pending.action) == ("freeze_price", Action.UNDO)


def test_how_it_ended_is_told_once_and_who_refused() -> None:
    scenario = tracked(["create_order"]).happens("reserve_stock", REFUSALS["reserve_stock"])
    scenario.happens("create_order", UNDONE["create_order"], Action.UNDO)

    scenario.expects_end(
        SagaEnded(process="place_order", outcome=Ending.UNDONE, refused_step="reserve_stock")
    )


def test_it_keeps_what_the_steps_ahead_need() -> None:
    scenario = tracked(["create_order"])
    assert set(scenario.inputs) == {
        "order_id", "customer_id", "currency", "lines", "total_cents", "payment_method", "address",
        "card",
    }  # fmt: skip
    scenario.happens("reserve_stock", StockReserved(lines=LINES))
    assert "payment_method" in scenario.inputs


def test_a_step_that_waits_gets_its_time() -> None:
    until = datetime(2026, 3, 1, 12, tzinfo=UTC)
    scenario = tracked(BY_EVENTS.steps[:3])
    scenario.happens("authorize_payment", StepWaits(reason="3-D Secure", until=until))

    assert scenario.wait == until + timedelta(seconds=90)  # it asks then, and is answered
    scenario.notes_that(("waits", "3-D Secure")).expects().stands(Status.RUNNING)


def test_a_step_that_waits_again_gets_its_time_again() -> None:
    scenario = tracked(BY_EVENTS.steps[:3])
    for hour in (12, 13, 14):
        until = datetime(2026, 3, 1, hour, tzinfo=UTC)
        scenario.happens("authorize_payment", StepWaits(reason="it does not answer", until=until))
        assert scenario.wait == until + timedelta(seconds=90)
    scenario.stands(Status.RUNNING)
    assert scenario.saga
    assert scenario.saga.driver is Driver.EVENTS


def test_that_another_step_waits_is_nothing_to_wait_for() -> None:
    until = datetime(2026, 3, 1, 12, tzinfo=UTC)
    scenario = tracked(BY_EVENTS.steps[:3])
    scenario.happens("reserve_stock", StepWaits(reason="busy", until=until))

    assert scenario.wait is None


def test_an_event_that_its_definition_does_not_know_is_refused() -> None:
    with pytest.raises(UnexpectedAnswer, match="wrap_gift"):
        tracked(["create_order"]).happens("wrap_gift", SUCCESSES["wrap_gift"])
    with pytest.raises(UnexpectedAnswer, match="StockReserved"):
        tracked(["create_order"]).happens("freeze_price", SUCCESSES["reserve_stock"])


# --- a wish to cancel that comes too late, or is granted anyway


def test_a_wish_behind_the_pivot_is_too_late_and_nobody_takes_over() -> None:
    scenario = tracked(BY_EVENTS.steps[:6]).wishes_to_cancel("no")

    scenario.tells_who_wished(CancelTooLate(step="capture_payment")).expects()
    assert scenario.saga
    assert scenario.saga.driver is Driver.EVENTS


def test_a_wish_for_what_turned_back_by_itself_is_granted() -> None:
    scenario = tracked(["create_order"]).happens("reserve_stock", REFUSALS["reserve_stock"])

    scenario.wishes_to_cancel("no").tells_who_wished(CancelAccepted()).expects()
    assert scenario.saga
    assert scenario.saga.driver is Driver.EVENTS
    assert scenario.outcomes[-1] == ("reserve_stock", Outcome.REFUSED)
