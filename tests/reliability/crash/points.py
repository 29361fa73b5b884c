"""Which process can die where: every failpoint that a scenario passes, by process, step and action.

What is not listed here cannot be passed, by the definition: README.md has the rules.
"""

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

from apps.contracts.catalogue import Action
from apps.processes import Kind
from apps.shipping.workspaces import HAND_OVER
from tests.reliability.crash.way import ENGINE, WISH, Asked, Hop, Way


class Job(enum.StrEnum):
    """What a process is there for."""

    CONSUMER = "consumer"  # of one context
    WORKER = "worker"  # makes the outside calls of one context
    WATCHDOG = "watchdog"
    INITIATOR = "initiator"  # starts a saga, as a web process does
    CUSTOMER = "customer"  # wishes to cancel, through a web process


class Role(NamedTuple):
    """A process of the platform."""

    job: Job
    context: str  # whose database it writes

    def __str__(self) -> str:
        return f"{self.context} {self.job}"


WATCHDOG = Role(Job.WATCHDOG, "sagas")
BATCH = ("batch.before_commit", "batch.after_commit")
CLAIMED = "intent.claimed"
CALL = (
    CLAIMED, "intent.called", "intent.answered", "intent.before_commit", "intent.recorded",
)  # fmt: skip
HEARD = ("intent.answered", "intent.before_commit")  # and nothing of it is written
UNRECORDED = CALL[:-1]  # afterwards the outcome is told, and nobody waits any more
WATCH = ("watchdog.before_commit", "watchdog.after_commit")
PRODUCED, OFFSETS = "relay.produced", "consumer.before_offsets"
ASKING = (CLAIMED, PRODUCED)  # of a worker that tells that it waits for a person
STARTED = "start.after_commit"
STARTS = ("starts.before_commit", "starts.after_commit")

# Which failpoints lie on the way of which process.
PASSED = {
    Job.CONSUMER: (*BATCH, PRODUCED, OFFSETS),
    Job.WORKER: (*CALL, PRODUCED),
    Job.WATCHDOG: (*WATCH, *STARTS, PRODUCED),
    Job.INITIATOR: (STARTED, PRODUCED),
    Job.CUSTOMER: (PRODUCED,),
}
ONCE = (Job.INITIATOR, Job.CUSTOMER)  # do one thing and end; they are not started again


class Time(enum.StrEnum):
    """How patient a scenario is."""

    ENOUGH = "enough"  # nothing is ever late: no watchdog helps
    LATE = "late"  # a command gets lost on its way, and is sent again
    OVER = "over"  # the deadline passes meanwhile
    LOST = "lost"  # its start never reaches anybody, until it is told again
    WISHED = "wished"  # the customer wishes to cancel meanwhile
    CARRIER = "carrier"  # the carrier comes later than the confirmation
    ANSWERED = "answered"  # a person answers when all others have come to rest


class Case(NamedTuple):
    """One process dies once."""

    role: Role
    failpoint: str
    asked: Asked
    late: Asked | None = None  # what is waited for meanwhile, for too long

    def __str__(self) -> str:
        return f"{self.role} at {self.failpoint} of {self.asked}" + (
            f", {self.late} being late" if self.late and self.late != self.asked else ""
        )


@dataclass(frozen=True)
class Scenario:
    """A way of a saga, how it is begun, and how much time it has."""

    name: str
    way: Way
    begin: Callable[[], object]  # start such a saga, in this process
    time: Time = Time.ENOUGH
    calls: tuple[tuple[str, str], ...] = ()  # what the outside world makes of operations
    before: Callable[[], UUID] | None = None  # starts a saga that has to end before this one begins
    settings: tuple[tuple[str, str], ...] = ()  # of all processes, where not the usual ones
    who_dies: frozenset[Job] = frozenset(Job)
    sampled: bool = True  # else a sample has it only for what no other one shows

    def __str__(self) -> str:
        return self.name

    def cases(self) -> list[Case]:
        """Every death that can happen on this way, each once."""
        found = dict.fromkeys(CASES[self.time](self.way))
        return [each for each in found if each.role.job in self.who_dies]

    def answers(self, late: Asked | None) -> tuple[Asked, ...]:
        """What the saga is told in the end; in order, where the engine drives it."""
        if late and self.time in TURNING_BACK:
            return self.way.turned_back_at(late)
        if late and self.way.by_events and late.action is Action.UNDO:
            return tuple(dict.fromkeys((*self.way.asked, *self.way.turning_back(late))))
        return self.way.asked

    def as_it_ends(self, case: Case) -> "Scenario":
        """The same, or refused by a pivot whose call was claimed and not made when a Fence came:
        what is wanted no more is declined."""
        made = case.role.job is Job.WORKER and case.failpoint != CLAIMED
        fenced = self.way.by_events and self.time in TURNING_BACK
        if not fenced or made or not case.late or self.way.kind(case.late) is not Kind.PIVOT:
            return self
        return replace(self, way=replace(self.way, refused=case.late.step))

    def perhaps(self, late: Asked | None) -> frozenset[Asked]:
        """What it may be told beside."""
        turns_back = late and self.time in TURNING_BACK
        return self.way.perhaps_at(late) if late and turns_back else frozenset()


def in_time(way: Way) -> Iterator[Case]:
    """The initiator, every consumer that a message concerns, every worker that calls; where a
    person is awaited, until then."""
    for each in PASSED[Job.INITIATOR]:
        yield Case(Role(Job.INITIATOR, way.owner), each, way.asked[0])
    yield from consuming(way.unanswered())
    for asked in way.asked:
        if asked == way.awaited:
            yield from calling(way, asked, ASKING)
            return
        yield from calling(way, asked, PASSED[Job.WORKER])


def answered(way: Way) -> Iterator[Case]:
    """The same from a person's answer on."""
    assert way.awaited
    yield from consuming(way.answered())
    for asked in way.asked[way.asked.index(way.awaited) :]:
        yield from calling(way, asked, PASSED[Job.WORKER])


def consuming(hops: Iterable[Hop], late: Asked | None = None) -> Iterator[Case]:
    """A consumer, for each message that concerns it."""
    for hop in hops:
        role = Role(Job.CONSUMER, hop.context)
        yield from (Case(role, each, hop.asked, late) for each in BATCH)
        yield from (Case(role, PRODUCED, each, late) for each in hop.sent)
        yield Case(role, OFFSETS, hop.heard, late)


def calling(
    way: Way, asked: Asked, places: Iterable[str], late: Asked | None = None
) -> Iterator[Case]:
    """A worker, where one calls outside for this."""
    if context := way.outside(asked):
        for each in places:
            yield Case(Role(Job.WORKER, context), each, asked, late)


def late(way: Way) -> Iterator[Case]:
    """The watchdog sends again, or has the engine take over. Where a way turns back, only what is
    asked from there on: what comes before is the same as on a way that does not."""
    undone = any(each.action is Action.UNDO for each in way.asked)
    for asked in way.asked[1:]:
        if not undone or asked.action is Action.UNDO:
            fences = way.by_events and undone
            yield from watching(asked, way.turning_back(asked)[0] if fences else asked)
    if way.by_events and not undone:
        yield from engine_asking(way, way.asked[1:], way.asked[1])


def over(way: Way) -> Iterator[Case]:
    """The watchdog turns back; or a worker is dead in the middle of a call meanwhile."""
    for asked in way.asked[1:]:
        if asked.action is Action.DO:
            if way.can_be_undone(asked) or (way.by_events and way.outside(asked)):
                yield from watching(asked, way.turning_back(asked)[0])
            yield from calling(way, asked, UNRECORDED, late=asked)
    if way.by_events:
        last = last_undone(way)
        yield from engine_asking(way, way.turning_back(last), last)


def wished(way: Way) -> Iterator[Case]:
    """The wish turns back; or a worker is dead in the middle of a call meanwhile. All who take part
    in turning back die of it once, where the most has to be undone."""
    last = last_undone(way)
    for asked in filter(way.can_be_undone, way.asked[1:]):
        yield from calling(way, asked, UNRECORDED, late=asked)
        if asked != last:
            yield from consuming([next(way.wished(asked))], asked)
    yield Case(Role(Job.CUSTOMER, way.owner), PRODUCED, WISH, last)
    yield from consuming(way.wished(last), last)
    yield Case(Role(Job.CONSUMER, ENGINE), PRODUCED, way.forward[0], last)  # that it is granted
    yield from engine_asking(way, way.turning_back(last), last)


def engine_asking(way: Way, path: Sequence[Asked], late: Asked) -> Iterator[Case]:
    """Whoever takes part, while the engine asks these since something was late or wished. A late
    call that is not wanted any more is closed by its own worker: no other call undoes it."""
    yield from consuming(way.commanded(path), late)
    for asked in path:
        if asked != Asked(late.step, Action.UNDO):
            yield from calling(way, asked, PASSED[Job.WORKER], late)


def last_undone(way: Way) -> Asked:
    """The last step before the pivot."""
    return [each for each in way.asked if way.can_be_undone(each)][-1]


def watching(late: Asked, sent: Asked) -> Iterator[Case]:
    """The watchdog, when something is late and this is what it sends."""
    yield from (Case(WATCHDOG, each, late, late) for each in WATCH)
    yield Case(WATCHDOG, PRODUCED, sent, late)


def lost(way: Way) -> Iterator[Case]:
    """The watchdog tells the start again."""
    start = way.asked[0]
    yield from (Case(WATCHDOG, each, start, start) for each in (*STARTS, PRODUCED))


def carried(way: Way) -> Iterator[Case]:
    """The watchdog gives the carrier what has waited for it."""
    handed_over = Asked(HAND_OVER, Action.DO)
    yield from watching(handed_over, handed_over)


CASES: dict[Time, Callable[[Way], Iterable[Case]]] = {
    Time.ENOUGH: in_time,
    Time.LATE: late,
    Time.OVER: over,
    Time.LOST: lost,
    Time.WISHED: wished,
    Time.CARRIER: carried,
    Time.ANSWERED: answered,
}
TURNING_BACK = (Time.OVER, Time.WISHED)
TAKEN_OVER = (Time.LATE, *TURNING_BACK)  # what events drove


def rounds(cases: Iterable[Case]) -> list[list[Case]]:
    """Cases that can be had in one go, each in a process of its own, so that each has one death.

    Where time matters they come one by one: the watchdog looks at all sagas."""
    result: list[list[Case]] = []
    for case in cases:
        room = (each for each in result if case.late is None and fits(case, each))
        found = next(room, None)
        result.append([case]) if found is None else found.append(case)
    return result


def fits(case: Case, others: Sequence[Case]) -> bool:
    return all(each.late is None and each.role != case.role for each in others)


def sample(scenarios: Sequence[Scenario]) -> dict[str, list[Case]]:
    """As few cases as show each scenario that is for it, each failpoint of each kind of process,
    each process, each step and action, and each worker that has heard an answer with each outside
    world; where there is a choice, of different processes, for a round has each once."""
    waiting = [(each, case) for each in scenarios for case in each.cases()]
    missing = {shown for pair in waiting for shown in shows(*pair)}
    chosen: dict[str, list[Case]] = {each.name: [] for each in scenarios}

    def is_new(scenario: Scenario, case: Case) -> bool:
        return all(each.role != case.role for each in chosen[scenario.name])

    while missing:
        scenario, best = max(waiting, key=lambda pair: (len(missing & shows(*pair)), is_new(*pair)))
        chosen[scenario.name].append(best)
        missing -= shows(scenario, best)
    return chosen


def thinned(scenarios: Sequence[Scenario], every: int) -> dict[str, list[Case]]:
    """The sample, and every so-manieth of all cases beside it."""
    covering = sample(scenarios)
    pairs = [(each.name, case) for each in scenarios for case in each.cases()]
    kept: dict[str, list[Case]] = {each.name: [] for each in scenarios}
    for at, (name, case) in enumerate(pairs):
        if at % every == 0 or case in covering[name]:
            kept[name].append(case)
    return kept


def shows(scenario: Scenario, case: Case) -> set[object]:
    """What a case is an example of."""
    shown: set[object] = {(case.role.job, case.failpoint), case.asked, case.role}
    if scenario.sampled:
        shown.add(scenario.name)
    if case.failpoint in HEARD:
        shown.add((case.role, case.failpoint, scenario.settings))
    return shown
