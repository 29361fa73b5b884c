"""Choreography: what an event asks of the step beside it, by the plan that came with it. Pure.

A success asks the following step to be done; a refusal, and an undoing, ask the step before to be
undone. No context keeps a list of the others' steps: which events it has to hear follows from the
live definitions.
"""

from functools import lru_cache
from typing import NamedTuple

from apps.contracts.base import Command, Event, Message, context_of
from apps.contracts.catalogue import Action
from apps.processes.course import Course, course_of
from apps.processes.definition import Process
from apps.processes.registry import LIVE
from apps.processes.step import Step


class Asked(NamedTuple):
    """What an event means to the context of a neighbouring step, as if it were sent a command."""

    step: str
    action: Action
    command: type[Command]

    @property
    def context(self) -> str:
        """Whose step it is."""
        return context_of(self.command)


@lru_cache(maxsize=4096)
def asked_by(plan: str, step: str, action: Action, event: type[Message]) -> Asked | None:
    """What an event asks that answers an action of a step, in a saga of that plan (a header).

    None where nothing follows from it: at both ends of the plan, for what any step may answer, and
    for steps that are in no plan. Raises NoDefinition.
    """
    return asked_on(course_of(plan), step, action, event)


def asked_on(course: Course, step: str, action: Action, event: type[Message]) -> Asked | None:
    """The same, on a course."""
    leg = course.legs.get(step)
    if leg is None or leg.answers.get(event) is not action:
        return None
    forward = event is leg.step.success
    neighbour = leg.following if forward else leg.previous
    if not neighbour:
        return None
    asked = course.legs[neighbour].step
    command = asked.command if forward else asked.compensation
    assert command  # a definition is checked: all but the first are asked, all before are undone
    return Asked(neighbour, Action.DO if forward else Action.UNDO, command)


@lru_cache(maxsize=32)
def events_beside(context: str, definitions: tuple[Process, ...] = LIVE) -> frozenset[type[Event]]:
    """The events by which the steps of a context are asked: those of their neighbours in any plan
    of these definitions."""
    found: set[type[Event]] = set()
    for definition in definitions:
        for earlier, later in neighbours(definition.steps):
            if later.command and context_of(later.command) == context:
                found.add(earlier.success)
            if earlier.compensation and context_of(earlier.compensation) == context:
                found.update(turning_back(later))
    return frozenset(found)


def neighbours(steps: tuple[Step, ...]) -> list[tuple[Step, Step]]:
    """Pairs that follow one another in some plan: only optional steps lie between them."""
    return [
        (earlier, later)
        for at, earlier in enumerate(steps)
        for to, later in enumerate(steps[at + 1 :], at + 1)
        if all(between.wish for between in steps[at + 1 : to])
    ]


def turning_back(step: Step) -> list[type[Event]]:
    """What a step tells when the one before it has to be undone."""
    undone = step.compensation.answer if step.compensation else None
    return [each for each in (step.refusal, undone) if each]
