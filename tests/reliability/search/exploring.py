"""Breadth first over all reachable states, so that the first trace found is a shortest one."""

from array import array
from typing import NamedTuple

from tests.reliability.search.laws import Laws
from tests.reliability.search.moves import Moves
from tests.reliability.search.states import ACCEPTED, DECLINED, Configuration, Move

OPTIONAL, DUTY, GIVES_BACK, WILL_NOT = range(4)  # kinds of move, for progress
KINDS = {"": DUTY, ACCEPTED: GIVES_BACK, DECLINED: WILL_NOT}


class Found(NamedTuple):
    """What one search found."""

    states: int
    transitions: int
    acyclic: bool
    problem: str = ""
    trace: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        if self.problem:
            return f"VIOLATION: {self.problem}"
        return "clean, " + ("every run ends" if self.acyclic else "an end is always reachable")


class Search:
    """One search of one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self.moves = Moves(configuration)
        self.laws = Laws(self.moves)
        self.declines = configuration.declines
        start = self.moves.start()
        self.states = [start]
        self.numbers = {start: 0}
        self.parents: list[tuple[int, str]] = [(-1, "")]
        self.sources, self.targets, self.kinds = array("L"), array("L"), bytearray()

    def run(self) -> Found:
        at = 0
        while at < len(self.states):
            if problem := self._expand(at):
                return self._found(*problem)
            at += 1
        return self._found(*self._progress())

    def _expand(self, at: int) -> tuple[str, tuple[str, ...]] | None:
        """Follow every move of one state; the law that is broken, and how it came to that."""
        state = self.states[at]
        if problem := self.laws.broken(state):
            return problem, self._trace(at)
        for move in self.moves.of(state):
            if problem := move.complaint or self.laws.broken_by(state, move.state):
                return problem, (*self._trace(at), move.text)
            if move.state != state:
                self._follow(at, move)
        return None

    def _follow(self, at: int, move: Move) -> None:
        target = self.numbers.setdefault(move.state, len(self.states))
        if target == len(self.states):
            self.states.append(move.state)
            self.parents.append((at, move.text))
        self.sources.append(at)
        self.targets.append(target)
        self.kinds.append(OPTIONAL if move.optional else KINDS[move.choice])

    def _progress(self) -> tuple[str, tuple[str, ...]]:
        """From every state an end, or a rest on the desk, is reached without any person's help:
        though the outside world never refuses to undo, and though it always does."""
        good = [at for at, state in enumerate(self.states) if self.laws.good(state)]
        for never in (WILL_NOT, GIVES_BACK) if self.declines else (WILL_NOT,):
            if (lost := self._lost(good, never)) is not None:
                return "no end can be reached from here without help", self._trace(lost)
        return "", ()

    def _lost(self, good: list[int], never: int) -> int | None:
        """The first state from which none of these is reached."""
        into: list[list[int]] = [[] for _ in self.states]
        for source, target, kind in zip(self.sources, self.targets, self.kinds, strict=True):
            if kind not in (OPTIONAL, never):
                into[target].append(source)
        seen, reach = bytearray(len(self.states)), list(good)
        for at in reach:
            seen[at] = 1
        while reach:
            for source in into[reach.pop()]:
                if not seen[source]:
                    seen[source] = 1
                    reach.append(source)
        lost = seen.find(0)
        return None if lost < 0 else lost

    def _acyclic(self) -> bool:
        """Whether no state can come back: then every run that goes on moving ends."""
        waiting = array("L", [0]) * len(self.states)
        out: list[list[int]] = [[] for _ in self.states]
        for source, target in zip(self.sources, self.targets, strict=True):
            waiting[target] += 1
            out[source].append(target)
        ready, passed = [at for at, count in enumerate(waiting) if not count], 0
        while ready:
            passed += 1
            for target in out[ready.pop()]:
                waiting[target] -= 1
                if not waiting[target]:
                    ready.append(target)
        return passed == len(self.states)

    def _trace(self, at: int) -> tuple[str, ...]:
        steps = []
        while at > 0:
            at, text = self.parents[at]
            steps.append(text)
        return tuple(reversed(steps))

    def _found(self, problem: str, trace: tuple[str, ...]) -> Found:
        acyclic = not problem and self._acyclic()
        return Found(len(self.states), len(self.sources), acyclic, problem, trace)


def search(configuration: Configuration) -> Found:
    """Every reachable state of one configuration."""
    return Search(configuration).run()
