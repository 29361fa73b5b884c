"""What one saga makes happen, worked out from its definition and the contexts' own wiring.

Nothing here is a list of steps or messages written by hand: a step that is added to a definition,
a context that begins to listen and a handler that begins to call outside are found by themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args, get_type_hints

from apps.contracts.base import Command, Event, Message, context_of
from apps.contracts.catalogue import CONTEXTS, Action
from apps.contracts.plan import Mode
from apps.messaging.handling import CallOutside
from apps.messaging.wiring import wiring
from apps.processes import Kind, Process

ENGINE = "sagas"


class Asked(NamedTuple):
    """Something that is asked of a step, as failpoints name it."""

    step: str
    action: Action

    def __str__(self) -> str:
        return f"{self.step}@{self.action}"


class Hop(NamedTuple):
    """One message as one context takes it in."""

    context: str
    heard: Asked  # what the message asks or tells of
    asked: Asked  # what the context does about it: of a reaction, a step of its own
    sent: tuple[Asked, ...]  # what it sends right away


@dataclass(frozen=True)
class Way:
    """One way of a saga through its definition."""

    process: Process
    wishes: frozenset[str] = frozenset()
    refused: str = ""  # the step that says no; empty: none does
    inside: frozenset[str] = frozenset()  # steps that could call outside and on this way do not

    @property
    def owner(self) -> str:
        """The context that starts it."""
        return context_of(self.process.start)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """All that is asked, in order: forwards, and from a refusal on back."""
        steps = self.process.plan(self.wishes, Mode.ORCHESTRATED).steps
        last = steps.index(self.refused) + 1 if self.refused else len(steps)
        forward = tuple(Asked(each, Action.DO) for each in steps[:last])
        return (*forward, *back(forward[:-1])) if self.refused else forward

    def turned_back_at(self, late: Asked) -> tuple[Asked, ...]:
        """What is answered where time runs out while this is asked: what may have had its effect
        is undone too. A pivot that was sent, and what is behind it, goes forward all the same."""
        if self.process.step(late.step).kind is not Kind.COMPENSATABLE:
            return self.asked
        forward = self.asked[: self.asked.index(late)]
        return (*forward, *back((*forward, late)))

    def before(self, asked: Asked) -> Asked:
        """What was answered last when this is asked."""
        return self.asked[self.asked.index(asked) - 1]

    def command(self, asked: Asked) -> type[Command] | None:
        """By which it is asked; None of what the initiator did."""
        step = self.process.step(asked.step)
        return step.compensation if asked.action is Action.UNDO else step.command

    def answer(self, asked: Asked) -> type[Event]:
        """By which it is answered on this way."""
        step = self.process.step(asked.step)
        if asked.action is Action.UNDO:
            assert step.compensation  # a definition is checked: only what can be undone is undone
            return step.compensation.answer
        if asked.step == self.refused:
            assert step.refusal, f"{asked.step} cannot be refused"
            return step.refusal
        return step.success

    def outside(self, asked: Asked) -> str:
        """The context whose worker makes an outside call for this; empty where none is made."""
        command = self.command(asked)
        if command is None or asked.step in self.inside or not may_call_outside(command):
            return ""
        return context_of(command)

    def hops(self) -> Iterator[Hop]:
        """Every message of this way, as each context that it concerns takes it in."""
        path = self.asked
        for each, following in zip(path, (*path[1:], path[-1]), strict=True):
            if command := self.command(each):
                sent = () if self.outside(each) else (each,)
                yield Hop(context_of(command), each, each, sent)
            yield from heard(self.answer(each), each, following)


def back(done: Sequence[Asked]) -> tuple[Asked, ...]:
    """The undoing of what was done."""
    return tuple(Asked(each.step, Action.UNDO) for each in reversed(done))


def heard(event: type[Event], told: Asked, following: Asked) -> Iterator[Hop]:
    """Who listens to an event, who reacts to it, and what follows from that."""
    key = (event.__name__, event.version)
    for context in CONTEXTS:
        table = wiring(context)
        if key in table.listeners:
            yield Hop(context, told, told, (following,) if context == ENGINE else ())
        if reaction := table.reactions.get(key):
            own = Asked(reaction.step, Action.DO)
            tells = [each for each in returned(reaction.decide) if issubclass(each, Event)]
            yield Hop(context, told, own, (own,) if tells else ())
            for each in tells:
                yield from heard(each, own, own)


def may_call_outside(command: type[Message]) -> bool:
    """Whether the handler of a command says that it may return CallOutside."""
    handler = wiring(context_of(command)).commands[command.__name__, command.version]
    return CallOutside in returned(handler.decide)


def returned(decide: Any) -> tuple[type, ...]:
    """The types that a handler says it returns."""
    hint = get_type_hints(decide)["return"]
    return get_args(hint) or (hint,)
