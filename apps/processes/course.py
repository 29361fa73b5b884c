"""A plan laid over its definition: what is looked up for each message, worked out once."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from apps.contracts.base import Command, Event, Message, context_of
from apps.contracts.catalogue import EVENT_TOPICS, Action
from apps.contracts.plan import Plan
from apps.contracts.reading import reader_of
from apps.processes import Kind, Process, Step, process
from apps.processes.errors import NoDefinition, UnknownProcess, UnknownStep


class Leg(NamedTuple):
    """One step of a course. Empty names stand before the first and behind the last one."""

    step: Step
    previous: str
    following: str
    reader: msgspec.json.Decoder[Command] | None  # of its command, from the inputs
    gives: tuple[str, ...]  # fields of its success that are inputs from then on
    needed: frozenset[str]  # the inputs that the steps behind it need
    changes_inputs: bool
    answers: Mapping[type[Message], Action]  # what may be answered, and to what


class Course(NamedTuple):
    """The way of all sagas with the same plan."""

    plan: Plan
    start: type[Event]
    deadline: float  # seconds from the start
    pivot: str
    legs: Mapping[str, Leg]


@lru_cache(maxsize=1024)
def course_of(header: str) -> Course:
    """The course of a plan, as the header says it.

    Raises NoDefinition where it is no plan, or no live definition has it.
    """
    try:
        plan = Plan.from_header(header)
        return lay_out(process(plan.process, plan.version), plan)
    except (ValueError, UnknownProcess, UnknownStep) as error:
        raise NoDefinition(plan=header, problem=str(error)) from error


def answer_topic(header: str, step: str) -> str:
    """The topic that answers of a step come from. Raises NoDefinition."""
    leg = course_of(header).legs.get(step)
    if leg is None:
        raise NoDefinition(plan=header, problem=f"It has no step {step!r}")
    asked = leg.step
    owner = asked.command or asked.compensation
    assert owner  # a definition is checked: the first step has a compensation, others a command
    return EVENT_TOPICS[context_of(owner)]


def lay_out(definition: Process, plan: Plan) -> Course:
    """Raises UnknownStep where the plan has a step that the definition has not."""
    names = ("", *plan.steps, "")
    neighbours = zip(names, plan.steps, names[2:], strict=False)
    needs = {name: definition.inputs_from(plan, name) for name in plan.steps} | {"": frozenset()}
    legs = {
        name: _leg(definition.step(name), previous, following, needs)
        for previous, name, following in neighbours
    }
    [pivot] = [name for name, leg in legs.items() if leg.step.kind is Kind.PIVOT]
    return Course(plan, definition.start, definition.deadline, pivot, legs)


def _leg(step: Step, previous: str, following: str, needs: Mapping[str, frozenset[str]]) -> Leg:
    needed = needs[following]
    gives = step.gives if step.command else step.success.__struct_fields__
    gives = tuple(name for name in gives if name in needed)
    return Leg(
        step=step,
        previous=previous,
        following=following,
        reader=reader_of(step.command) if step.command else None,
        gives=gives,
        needed=needed,
        changes_inputs=bool(gives) or needed != needs[step.name],
        answers=_answers(step),
    )


def _answers(step: Step) -> dict[type[Message], Action]:
    answers: dict[type[Message], Action] = {step.success: Action.DO}
    if step.refusal:
        answers[step.refusal] = Action.DO
    if step.compensation:
        answers[step.compensation.answer] = Action.UNDO
    return answers
