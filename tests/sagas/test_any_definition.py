"""Whatever the definition and whatever happens: a saga ends confirmed, or undone in reverse.

A saga is said anything that may be said to it, in any order: answers, often late, again or refused,
time, wishes, pauses, and any move of a person. The services behind it keep what was really done.
"""

from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.contracts import payments
from apps.contracts.base import Command, Event, Refusal
from apps.contracts.catalogue import Action
from apps.contracts.payments import CreditInstead, PaymentCaptured, RefundPayment
from apps.contracts.plan import Mode, Plan
from apps.contracts.sagas import CancelAccepted, CancelTooLate, SagaEnded
from apps.messaging import barrier
from apps.messaging.request import Request
from apps.processes.course import Course, lay_out
from apps.processes.definition import Kind, OnRefusal, Patience, Process, Step
from apps.sagas.decide import decide
from apps.sagas.errors import MoveNotAllowed
from apps.sagas.state import (
    LIVE,
    Compensate,
    Decision,
    DeskOverdue,
    Overdue,
    Pause,
    RecordOutcome,
    Resolve,
    Resume,
    Retry,
    SagaState,
    Said,
    Skip,
    Status,
    Substitute,
    Told,
    Wish,
)
from tests.sagas.participants import Participants
from tests.sagas.scenarios import SAGA

DONE, REFUSED = barrier.Status.DONE, barrier.Status.REFUSED
CLOSED = (barrier.Status.UNDONE, barrier.Status.TOMBSTONE)


class Started(Event, frozen=True, kw_only=True):
    order_id: int = 1
    customer_id: int = 2


class Do(Command, frozen=True, kw_only=True):
    order_id: int


class Tell(Command, frozen=True, kw_only=True):
    order_id: int
    amount_cents: int  # that the pivot told, by its own answer or by that to a Fence


class Done(Event, frozen=True, kw_only=True): ...


class No(Refusal, frozen=True, kw_only=True):
    reason = "no"


# As if payments had declared them: a step is done, answered and undone by one context.
for each in (Started, Do, Tell, Done, No):
    each.__module__ = payments.__name__

EVENTS = {Done: Done(), No: No(), PaymentCaptured: PaymentCaptured(amount_cents=7)}


# --- any definition


@st.composite
def steps(draw: st.DrawFn, kind: Kind, name: str) -> Step:
    undone, behind = kind is Kind.COMPENSATABLE, kind is Kind.RETRIABLE
    refusal = None if behind else draw(st.sampled_from([No, No, None]))
    waits = refusal is not None and draw(st.booleans())
    return Step(
        name,
        kind,
        Tell if behind else Do,
        success=PaymentCaptured if kind is Kind.PIVOT else Done,
        refusal=refusal,
        compensation=RefundPayment if undone else None,
        gives=("amount_cents",) if kind is Kind.PIVOT else (),
        wish=draw(st.sampled_from(["", "extra", "more"])) if undone else "",
        patience=Patience(attempts=draw(st.integers(1, 4))),
        on_refusal=OnRefusal.WAIT if waits else OnRefusal.TURN_BACK,
        decide_within=60 if waits else 0,
        skippable=undone and draw(st.booleans()),
        substitutes=(CreditInstead,) if undone and draw(st.booleans()) else (),
    )


@st.composite
def definitions(draw: st.DrawFn) -> Process:
    first = Step("start", Kind.COMPENSATABLE, success=Started, compensation=RefundPayment)
    before = [
        draw(steps(Kind.COMPENSATABLE, f"before_{each}")) for each in range(draw(st.integers(1, 4)))
    ]
    behind = [
        draw(steps(Kind.RETRIABLE, f"behind_{each}")) for each in range(draw(st.integers(0, 2)))
    ]
    return Process("some", 1, (first, *before, draw(steps(Kind.PIVOT, "pivot")), *behind))


# --- a saga and the services behind it


@dataclass
class World:
    """One saga, its services, and all that was ever sent. The laws are looked at in each step."""

    course: Course
    services: Participants
    saga: SagaState | None = None
    sent: list[Told] = field(default_factory=list)  # commands, any of which may arrive at any time
    ends: int = 0
    must_turn_back: bool = False

    @property
    def plan(self) -> Plan:
        return self.course.plan

    def __repr__(self) -> str:
        return f"World({self.plan.to_header()}, {self.saga})"

    def begin(self) -> None:
        first = self.plan.steps[0]
        self.services.begins(first)
        self.services.tell(Request(SAGA, first, Action.DO, 1, Mode.ORCHESTRATED), Started())
        self.say(self.services.told[0])

    def say(self, said: Said) -> None:
        before, sent_pivot = self.saga, self.was_asked("pivot")
        try:
            decision = decide(self.course, before, said)
        except MoveNotAllowed:
            return
        self.saga = decision.saga
        if before and before.ended:
            assert decision == Decision(before, sends=decision.sends)
        for each in decision.sends:
            self.look_at(each)
        if isinstance(said, Wish | Compensate) and not sent_pivot and self.saga != before:
            self.must_turn_back = True
        assert self.saga.ended or self.saga.pending or self.saga.detours.desk

    def look_at(self, told: Told) -> None:
        """Every command is one that the truth allows."""
        assert self.saga
        if isinstance(told.message, SagaEnded):
            self.ends += 1
        if isinstance(told.message, CancelAccepted):
            assert self.saga.status in (Status.COMPENSATING, Status.STUCK, Status.UNDONE)
        if isinstance(told.message, CancelTooLate):
            assert self.services.status("pivot") is DONE
        if isinstance(told.message, Event):
            return
        assert not self.saga.paused
        {
            Action.DO: self.all_before_is_done,
            Action.UNDO: self.all_behind_is_undone,
            Action.FENCE: self.only_a_sent_pivot_is_fenced,
        }[told.request.action](told.request.step)
        self.sent.append(told)

    def all_before_is_done(self, step: str) -> None:
        for each in self.plan.steps[: self.plan.steps.index(step)]:
            assert self.services.status(each) in (CLOSED if self.skipped(each) else (DONE,))

    def all_behind_is_undone(self, step: str) -> None:
        """But for what stands on the desk; and never if the pivot has happened, or still may."""
        assert self.saga
        assert not self.skipped(step)
        on_desk = {each.step for each in self.saga.detours.desk}
        behind = self.plan.steps[self.plan.steps.index(step) + 1 :]
        for each in behind:
            if self.was_asked(each) and each not in on_desk:
                assert self.services.status(each) in (REFUSED, *CLOSED)

    def only_a_sent_pivot_is_fenced(self, step: str) -> None:
        assert step == "pivot"
        assert self.was_asked("pivot")

    def was_asked(self, step: str) -> bool:
        wanted = (step, Action.DO)
        return any((each.request.step, each.request.action) == wanted for each in self.sent)

    def skipped(self, step: str) -> bool:
        return self.saga is not None and step in self.saga.detours.skipped

    def arrives(self, told: Told) -> None:
        self.services.hears(told.request, told.message)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, Random]:
    definition = draw(definitions())
    wished = draw(st.sets(st.sampled_from(sorted(definition.wishes)))) if definition.wishes else ()
    chance = draw(st.randoms(use_true_random=True))
    services = Participants(definition, EVENTS, once_in=lambda times: not chance.randrange(times))
    plan = definition.plan(wished, Mode.ORCHESTRATED)
    return World(lay_out(definition, plan), services), chance


# --- anything happens


def something_happens(world: World, chance: Random) -> None:
    """What was sent or told arrives, often what is new; or anything else."""
    assert world.saga
    services, kind = world.services, chance.randrange(10)
    if kind < 3 and world.sent:
        world.arrives(world.sent[-1] if kind else chance.choice(world.sent))
    elif kind < 6:
        world.say(services.told[-1] if kind > 3 else chance.choice(services.told))
    elif kind < 7 and services.waiting:
        services.call_ends(chance.choice(sorted(services.waiting)), well=chance.random() < 0.7)
    elif kind < 8 and world.saga.pending:
        world.say(Overdue(world.saga.pending, chance.random() < 0.05, chance.random() < 0.3))
    else:
        world.say(any_move(world, chance))


def any_move(world: World, chance: Random) -> Said:
    assert world.saga
    open_steps = [each.step for each in (world.saga.pending, *world.saga.detours.desk) if each]
    step = chance.choice([*open_steps, chance.choice(world.plan.steps)])
    late = chance.random() < 0.2
    return chance.choice([
        Wish("wish"), Compensate("person"), Pause(), Resume(late), Resume(late), Resume(late),
        Retry(step), Retry(step), Retry(step), Skip(step), Skip(step), DeskOverdue(), DeskOverdue(),
        Resolve(step, "letter"), Substitute(step, "CreditInstead"), RecordOutcome(step, "letter"),
    ])  # fmt: skip


def everything_is_answered(world: World) -> None:
    """Nothing is refused any more, all that was sent arrives, and all that is told."""
    world.services.once_in = lambda times: False
    for _ in range(4 * len(world.plan.steps)):
        assert world.saga
        if world.saga.ended:
            return
        world.say(Resume())
        if world.saga.pending:
            world.say(Overdue(world.saga.pending))
        for each in world.saga.detours.desk:
            world.say(Retry(each.step))
        everything_arrives(world)
    raise AssertionError(f"it does not end: {world.saga}")


def everything_arrives(world: World) -> None:
    for sent in tuple(world.sent):
        world.arrives(sent)
    for step in tuple(world.services.waiting):
        world.services.call_ends(step, well=True)
    for told in tuple(world.services.told):
        world.say(told)


# --- the laws at the end


def ended_legally(world: World) -> None:
    saga, steps = world.saga, world.plan.steps
    assert saga
    assert saga.status not in LIVE
    assert (saga.pending, saga.inputs, saga.detours.desk, saga.paused) == (None, "{}", (), False)
    assert world.ends == 1
    stands = [step for step in steps if world.services.status(step) is DONE]
    if saga.status is Status.CONFIRMED:
        assert stands == [step for step in steps if not world.skipped(step)]
        assert not world.must_turn_back
        assert saga.cause is None
    else:
        assert stands == []
        assert saga.cause


def had_each_effect_once(world: World) -> None:
    done = [step for step, action in world.services.effects if action is Action.DO]
    undone = [step for step, action in world.services.effects if action is Action.UNDO]
    assert len(done) == len(set(done))
    assert len(undone) == len(set(undone))
    assert set(undone) <= set(done)


@settings(max_examples=1000, deadline=None)
@given(worlds(), st.integers(10, 80))
def test_every_saga_ends_legally_whatever_happens(
    given_: tuple[World, Random], length: int
) -> None:
    world, chance = given_
    world.begin()

    for _ in range(length):
        something_happens(world, chance)
    everything_is_answered(world)

    ended_legally(world)
    had_each_effect_once(world)
    ended, effects = world.saga, list(world.services.effects)
    everything_arrives(world)
    assert (world.saga, world.services.effects) == (ended, effects)
