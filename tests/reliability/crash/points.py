"""Which process can die where: every failpoint that a scenario passes, by process, step and action.

What is not listed here cannot be passed, by the definition: README.md has the rules.
"""

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from apps.contracts.catalogue import Action
from apps.processes import Kind
from tests.reliability.crash.way import Asked, Way


class Job(enum.StrEnum):
    """What a process is there for."""

    CONSUMER = "consumer"  # of one context
    WORKER = "worker"  # makes the outside calls of one context
    WATCHDOG = "watchdog"
    INITIATOR = "initiator"  # starts a saga, as a web process does


class Role(NamedTuple):
    """A process of the platform."""

    job: Job
    context: str  # whose database it writes

    def __str__(self) -> str:
        return f"{self.context} {self.job}"


WATCHDOG = Role(Job.WATCHDOG, "sagas")
BATCH = ("batch.before_commit", "batch.after_commit")
CALL = (
    "intent.claimed", "intent.called", "intent.answered", "intent.before_commit", "intent.recorded",
)  # fmt: skip
UNRECORDED = CALL[:-1]  # afterwards the outcome is told, and nobody waits any more
WATCH = ("watchdog.before_commit", "watchdog.after_commit")
PRODUCED, OFFSETS = "relay.produced", "consumer.before_offsets"
STARTED = "start.after_commit"
STARTS = ("starts.before_commit", "starts.after_commit")

# Which failpoints lie on the way of which process.
PASSED = {
    Job.CONSUMER: (*BATCH, PRODUCED, OFFSETS),
    Job.WORKER: (*CALL, PRODUCED),
    Job.WATCHDOG: (*WATCH, *STARTS, PRODUCED),
    Job.INITIATOR: (STARTED, PRODUCED),
}


class Time(enum.StrEnum):
    """How patient a scenario is."""

    ENOUGH = "enough"  # nothing is ever late: no watchdog helps
    LATE = "late"  # a command gets lost on its way, and is sent again
    OVER = "over"  # the deadline passes meanwhile
    LOST = "lost"  # its start never reaches anybody, until it is told again


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
    begin: Callable[[], UUID]  # start such a saga, in this process
    time: Time = Time.ENOUGH
    calls: tuple[tuple[str, str], ...] = ()  # what the outside world makes of operations

    def __str__(self) -> str:
        return self.name

    def cases(self) -> list[Case]:
        """Every death that can happen on this way, each once."""
        return list(dict.fromkeys(CASES[self.time](self.way)))

    def answers(self, late: Asked | None) -> tuple[Asked, ...]:
        """What the saga is told in the end, in order."""
        if self.time is Time.OVER and late:
            return self.way.turned_back_at(late)
        return self.way.asked

    @property
    def roles(self) -> list[Role]:
        """The workers that this way needs."""
        contexts = {self.way.outside(each) for each in self.way.asked} - {""}
        return [Role(Job.WORKER, each) for each in sorted(contexts)]


def in_time(way: Way) -> Iterator[Case]:
    """The initiator, every consumer that a message concerns, every worker that calls."""
    for each in PASSED[Job.INITIATOR]:
        yield Case(Role(Job.INITIATOR, way.owner), each, way.asked[0])
    for hop in way.hops():
        role = Role(Job.CONSUMER, hop.context)
        yield from (Case(role, each, hop.asked) for each in BATCH)
        yield from (Case(role, PRODUCED, each) for each in hop.sent)
        yield Case(role, OFFSETS, hop.heard)
    for asked in way.asked:
        yield from calling(way, asked, PASSED[Job.WORKER])


def calling(
    way: Way, asked: Asked, places: Iterable[str], late: Asked | None = None
) -> Iterator[Case]:
    """A worker, where one calls outside for this."""
    if context := way.outside(asked):
        for each in places:
            yield Case(Role(Job.WORKER, context), each, asked, late)


def late(way: Way) -> Iterator[Case]:
    """The watchdog sends again. Where a way turns back, only what is asked from there on: what
    comes before is the same as on a way that does not."""
    undone = any(each.action is Action.UNDO for each in way.asked)
    for asked in way.asked[1:]:
        if not undone or asked.action is Action.UNDO:
            yield from watching(asked, asked)


def over(way: Way) -> Iterator[Case]:
    """The watchdog turns back; or a worker is dead in the middle of a call meanwhile."""
    for asked in way.asked[1:]:
        if asked.action is Action.DO:
            if way.process.step(asked.step).kind is Kind.COMPENSATABLE:
                yield from watching(asked, Asked(asked.step, Action.UNDO))
            yield from calling(way, asked, UNRECORDED, late=asked)


def watching(late: Asked, sent: Asked) -> Iterator[Case]:
    """The watchdog, when something is late and this is what it sends."""
    yield from (Case(WATCHDOG, each, late, late) for each in WATCH)
    yield Case(WATCHDOG, PRODUCED, sent, late)


def lost(way: Way) -> Iterator[Case]:
    """The watchdog tells the start again."""
    start = way.asked[0]
    yield from (Case(WATCHDOG, each, start, start) for each in (*STARTS, PRODUCED))


CASES: dict[Time, Callable[[Way], Iterable[Case]]] = {
    Time.ENOUGH: in_time,
    Time.LATE: late,
    Time.OVER: over,
    Time.LOST: lost,
}


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


def sample(scenarios: Iterable[Scenario]) -> dict[str, list[Case]]:
    """As few cases as show each scenario, each failpoint of each kind of process, each process,
    each step and action."""
    waiting = [(each, case) for each in scenarios for case in each.cases()]
    missing = {shown for pair in waiting for shown in shows(*pair)}
    chosen: dict[str, list[Case]] = {}
    while missing:
        scenario, best = max(waiting, key=lambda pair: len(missing & shows(*pair)))
        chosen.setdefault(scenario.name, []).append(best)
        missing -= shows(scenario, best)
    return chosen


def shows(scenario: Scenario, case: Case) -> set[object]:
    """What a case is an example of."""
    return {scenario.name, (case.role.job, case.failpoint), case.asked, case.role}
