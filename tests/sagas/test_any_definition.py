"""Whatever the definition and whatever arrives: a saga ends, undone in reverse or confirmed."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.contracts.base import Command, Compensation, Event, Refusal, Undone
from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode, Plan
from apps.contracts.sagas import SagaEnded
from apps.processes.definition import Kind, Process, Step
from apps.sagas.state import LIVE, Outcome, Status
from tests.sagas.scenarios import Scenario


class Started(Event, frozen=True, kw_only=True):
    order_id: int = 1
    customer_id: int = 2


class Do(Command, frozen=True, kw_only=True):
    order_id: int


class Done(Event, frozen=True, kw_only=True): ...


class No(Refusal, frozen=True, kw_only=True):
    reason = "no"


class Reversed(Undone, frozen=True, kw_only=True): ...


class Undo(Compensation, frozen=True, kw_only=True):
    answer = Reversed


@dataclass
class Case:
    """A definition, one of its plans, and a supply of chance."""

    definition: Process
    plan: Plan
    chance: st.DataObject


@st.composite
def definitions(draw: st.DrawFn) -> Process:
    first = Step("start", Kind.COMPENSATABLE, success=Started, compensation=Undo)
    before = [
        Step(
            f"before_{number}",
            Kind.COMPENSATABLE,
            Do,
            success=Done,
            refusal=draw(st.sampled_from([No, None])),
            compensation=Undo,
            wish=draw(st.sampled_from(["", "extra", "more"])),
        )
        for number in range(draw(st.integers(0, 5)))
    ]
    pivot = Step("pivot", Kind.PIVOT, Do, success=Done, refusal=draw(st.sampled_from([No, None])))
    behind = [
        Step(f"behind_{number}", Kind.RETRIABLE, Do, success=Done)
        for number in range(draw(st.integers(0, 3)))
    ]
    return Process("some", 1, (first, *before, pivot, *behind))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    definition = draw(definitions())
    wished = draw(st.sets(st.sampled_from(sorted(definition.wishes)))) if definition.wishes else ()
    plan = definition.plan(wished, Mode.ORCHESTRATED)
    return Case(definition, plan, draw(st.data()))


@settings(max_examples=300, deadline=None)
@given(cases())
def test_every_saga_ends_legally(case: Case) -> None:
    scenario = Scenario.of(case.definition, case.plan)
    scenario.starts(Started())

    for _ in range(2 * len(case.plan.steps)):
        assert scenario.saga
        if scenario.saga.pending is None:
            break
        disturb(scenario, case)
        scenario.answers(some_answer(scenario, case))

    ends_legally(scenario, case.plan)


def some_answer(scenario: Scenario, case: Case) -> Event:
    """Any answer that the definition allows to what is pending."""
    step = case.definition.step(scenario.pending.step)
    if scenario.pending.action is Action.UNDO:
        return Reversed(nothing_to_undo=case.chance.draw(st.booleans()))
    refuses = step.refusal and case.chance.draw(st.integers(0, 3)) == 0
    return No() if refuses else Done()


def disturb(scenario: Scenario, case: Case) -> None:
    """Let anything arrive that is not the awaited answer: duplicates, late and foreign ones."""
    for _ in range(case.chance.draw(st.integers(0, 3))):
        step = case.chance.draw(st.sampled_from(case.plan.steps))
        action = case.chance.draw(st.sampled_from([Action.DO, Action.UNDO]))
        generation = case.chance.draw(st.integers(0, 3))
        event = case.chance.draw(st.sampled_from([Started(), Done(), No(), Reversed()]))
        awaited = (scenario.pending.step, scenario.pending.action, scenario.pending.generation)
        if (step, action, generation) != awaited:
            scenario.changes_nothing(step, action, event, generation)


def ends_legally(scenario: Scenario, plan: Plan) -> None:
    saga, outcomes = scenario.saga, scenario.outcomes
    assert saga
    assert saga.pending is None
    assert saga.status not in LIVE
    assert [type(each.message) for each in scenario.said] == [SagaEnded]
    done = [step for step, outcome in outcomes if outcome is Outcome.DONE]
    refused = [step for step, outcome in outcomes if outcome is Outcome.REFUSED]
    undone = [step for step, _ in outcomes[len(done) + len(refused) :]]
    if saga.status is Status.CONFIRMED:
        assert (done, refused, undone) == (list(plan.steps), [], [])
    else:
        assert done + refused == list(plan.steps[: len(done) + 1])
        assert saga.cause
        assert refused == [saga.cause.step]
        assert undone == done[::-1]
        assert "pivot" not in undone
