"""What one saga makes happen, worked out from its definition and the contexts' own wiring.

Nothing here is a list of steps or messages written by hand: a step that is added to a definition,
a context that begins to listen and a handler that begins to call outside are found by themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args, get_type_hints

from apps.contracts.base import Command, Event, Message, context_of
from apps.contracts.catalogue import CONTEXTS, Action
from apps.contracts.orders import CancelRequested
from apps.contracts.plan import Mode
from apps.contracts.sagas import CancelAccepted
from apps.contracts.steps import Fenced, StepWaits
from apps.messaging.handling import CallOutside
from apps.messaging.wiring import key_of_type, wiring
from apps.orders.cancelling import CANCEL_ORDER
from apps.processes import Kind, Process

ENGINE = "sagas"


class Asked(NamedTuple):
    """Something that is asked of a step, as failpoints name it."""

    step: str
    action: Action

    def __str__(self) -> str:
        return f"{self.step}@{self.action}"


PERSON = "person"  # the provider who answers when it likes, in days perhaps
WISH = Asked(CANCEL_ORDER, Action.DO)  # the customer's, to cancel


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
    mode: Mode = Mode.ORCHESTRATED

    @property
    def by_events(self) -> bool:
        """Whether nobody sends commands: each asks its neighbour by what it tells."""
        return self.mode is Mode.CHOREOGRAPHED

    @property
    def owner(self) -> str:
        """The context that starts it."""
        return context_of(self.process.start)

    @property
    def forward(self) -> tuple[Asked, ...]:
        """All steps of its plan."""
        steps = self.process.plan(self.wishes, self.mode).steps
        return tuple(Asked(each, Action.DO) for each in steps)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """All that is asked, in order: forwards, and from a refusal on back."""
        if not self.refused:
            return self.forward
        done = self.forward[: self.forward.index(Asked(self.refused, Action.DO))]
        return (*done, Asked(self.refused, Action.DO), *back(done))

    @property
    def awaited(self) -> Asked | None:
        """What a person answers; None where no step is a person's."""
        return next((each for each in self.forward if self.is_for_a_person(each)), None)

    def is_for_a_person(self, asked: Asked) -> bool:
        """Whether a person is asked."""
        context = self.outside(asked)
        calls = wiring(context).calls.values() if context else ()
        return any(asked.step in each.steps and each.provider.name == PERSON for each in calls)

    def before(self, asked: Asked) -> Asked:
        """What was answered last when this is asked."""
        return self.asked[self.asked.index(asked) - 1]

    def can_be_undone(self, asked: Asked) -> bool:
        """Whether this is a step before the pivot, being done."""
        return asked.action is Action.DO and self.kind(asked) is Kind.COMPENSATABLE

    def kind(self, asked: Asked) -> Kind:
        return self.process.step(asked.step).kind

    # --- turning back while something is asked

    def turning_back(self, late: Asked) -> tuple[Asked, ...]:
        """What the engine asks that turns back by itself: what may have had its effect is undone
        too. What events drove may be further than is known: first the pivot is fenced, then every
        step before it is undone."""
        if self.by_events:
            [pivot] = [each for each in self.forward if self.kind(each) is Kind.PIVOT]
            all_before = self.forward[: self.forward.index(pivot)]
            return (Asked(pivot.step, Action.FENCE), *back(all_before))
        return back(self.asked[: self.asked.index(late) + 1])

    def turned_back_at(self, late: Asked) -> tuple[Asked, ...]:
        """What is answered where a saga shall turn back while this is asked. A pivot that was sent
        goes forward all the same, and so does what is behind it; of what events drove it is asked
        for its outcome first."""
        asked = self.asked[: self.asked.index(late)]
        if self.can_be_undone(late):
            return (*asked, *self.turning_back(late))
        if not self.by_events or self.kind(late) is Kind.RETRIABLE:
            return self.asked
        fence, *undoing = self.turning_back(late)
        return tuple(dict.fromkeys((*self.asked, fence, *(undoing if self.refused else ()))))

    def perhaps_at(self, late: Asked) -> frozenset[Asked]:
        """What may be answered beside that: what has been told by events is done all the same,
        where it comes before its undoing."""
        if not self.by_events or not self.can_be_undone(late):
            return frozenset()
        behind = self.forward[self.forward.index(late) :]
        return frozenset(each for each in behind if self.can_be_undone(each))

    # --- messages

    def command(self, asked: Asked) -> type[Command] | None:
        """By which it is asked, or what an event means to its neighbour; None of what the initiator
        did, and of a Fence."""
        step = self.process.step(asked.step)
        if asked.action is Action.FENCE:
            return None
        return step.compensation if asked.action is Action.UNDO else step.command

    def context(self, asked: Asked) -> str:
        """Whose step it is."""
        step = self.process.step(asked.step)
        return context_of(step.command or step.success)

    def answer(self, asked: Asked) -> type[Event]:
        """By which it is answered on this way."""
        step = self.process.step(asked.step)
        if asked.action is Action.FENCE:
            return Fenced
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

    def told(self, asked: Asked) -> tuple[Asked, ...]:
        """What a consumer sends that is asked this: nothing where its worker answers."""
        return () if self.outside(asked) else (asked,)

    # --- who hears what

    def hops(self) -> Iterator[Hop]:
        """Every message of this way, as each context that it concerns takes it in."""
        if not self.by_events:
            yield from self.commanded(self.asked)
            return
        for each, following in zip(self.asked, (*self.asked[1:], None), strict=True):
            if following:
                yield self.followed(each, following)
            ends = () if following else (each,)
            yield from heard(self.answer(each), each, ends)

    def unanswered(self) -> Iterator[Hop]:
        """Those until a person is awaited, if one ever is."""
        yield from (each for each in self.hops() if not self.follows_a_person(each))
        if self.awaited:
            yield from heard(StepWaits, self.awaited, ())

    def answered(self) -> Iterator[Hop]:
        """Those that come of a person's answer."""
        return filter(self.follows_a_person, self.hops())

    def follows_a_person(self, hop: Hop) -> bool:
        """Whether it comes of a person's answer."""
        if self.awaited is None:
            return False
        behind = self.asked[self.asked.index(self.awaited) :]
        asks = hop.asked == self.awaited and hop.context == self.context(self.awaited)
        return hop.heard in behind and not asks

    def commanded(self, path: Sequence[Asked]) -> Iterator[Hop]:
        """The same, where the engine asks."""
        for each, following in zip(path, (*path[1:], path[-1]), strict=True):
            if each != self.forward[0]:
                yield Hop(self.context(each), each, each, self.told(each))
            yield from heard(self.answer(each), each, (following,))

    def followed(self, each: Asked, following: Asked) -> Hop:
        """A context hears its neighbour's event, and does what follows from that."""
        return Hop(self.context(following), each, following, self.told(following))

    def wished(self, late: Asked) -> Iterator[Hop]:
        """The customer's wish to cancel while this is asked, and the news that it is granted."""
        first = self.forward[0]
        yield from heard(CancelRequested, WISH, (self.turning_back(late)[0],))
        yield from heard(CancelAccepted, first, ())


def back(done: Sequence[Asked]) -> tuple[Asked, ...]:
    """The undoing of what was done."""
    return tuple(Asked(each.step, Action.UNDO) for each in reversed(done))


def heard(event: type[Event], told: Asked, asks: tuple[Asked, ...]) -> Iterator[Hop]:
    """Who listens to an event, who reacts to it, and what follows from that; `asks` is what the
    engine sends then."""
    key = key_of_type(event)
    for context in CONTEXTS:
        table = wiring(context)
        if key in table.listeners:
            yield Hop(context, told, told, asks if context == ENGINE else ())
        if reaction := table.reactions.get(key):
            own = Asked(reaction.step, Action.DO)
            tells = [each for each in returned(reaction.decide) if issubclass(each, Event)]
            yield Hop(context, told, own, (own,) if tells else ())
            for each in tells:
                yield from heard(each, own, (own,))


def may_call_outside(command: type[Message]) -> bool:
    """Whether the handler of a command says that it may return CallOutside."""
    handler = wiring(context_of(command)).commands[command.__name__, command.version]
    return CallOutside in returned(handler.decide)


def returned(decide: Any) -> tuple[type, ...]:
    """The types that a handler says it returns."""
    hint = get_type_hints(decide)["return"]
    return get_args(hint) or (hint,)
