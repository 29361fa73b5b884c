"""The engine's side: the shipped decide(), and what its row keeps of a decision."""

from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from apps.contracts.base import Command
from apps.contracts.sagas import SagaEnded
from apps.sagas import decide as deciding
from apps.sagas.desk import Desk
from apps.sagas.errors import MoveNotAllowed
from apps.sagas.state import Answer, Cause, Decision, SagaState, Said
from tests.reliability.search.plans import FIRST, Searched
from tests.reliability.search.states import Case, Letter, Numbered, Record

A_CAUSE = Cause(FIRST, "", "", "")  # of a cause it only matters that there is one


class Step(NamedTuple):
    """What follows from what was said."""

    record: Record
    sent: tuple[int, ...]
    complaint: str = ""


class Engine:
    """Decides, and saves as the engine's statements would."""

    def __init__(self, searched: Searched, letters: Numbered[Letter]) -> None:
        self.searched = searched
        self.letters = letters

    def hear(self, record: Record, number: int) -> Step | None:
        """A fact reaches the saga; None where it waited for none."""
        letter = self.letters[number]
        return self.say(record, Answer(letter.request, letter.message))  # type: ignore[arg-type]

    def say(self, record: Record, said: Said) -> Step | None:
        """Anything is said to the saga; None where nothing follows or the move is not allowed."""
        try:
            decision = deciding.decide(self.searched.course, record.state, said)
        except MoveNotAllowed:
            return None
        if isinstance(said, Answer) and decision.outcome is None:
            return None
        if decision == Decision(record.state):  # type: ignore[arg-type]  # None is no decision
            return None
        return self._followed(record, decision)

    def _followed(self, record: Record, decision: Decision) -> Step:
        complaint = sends_while_paused(decision) or ends_untold(record, decision)
        sent = tuple(
            self.letters.of(Letter(told.request, told.message))
            for told in decision.sends
            if isinstance(told.message, Command)
        )
        return Step(self._saved(record, decision), sent, complaint)

    def _saved(self, record: Record, decision: Decision) -> Record:
        """As MOVE_SAGAS and the statements of the desk save it."""
        saga = decision.saga
        timed = decision.wait is not None or record.due
        desk_timed = decision.desk_wait is not None or record.desk_due
        return Record(
            self._plain(saga),
            due=saga.pending is not None and timed,
            desk_due=bool(saga.detours.desk) and desk_timed,
            cases=_cases(record, decision),
        )

    def _plain(self, saga: SagaState) -> SagaState:
        """Without what only grows or is for people to read."""
        most = 1
        if saga.pending:
            most = self.searched.course.legs[saga.pending.step].step.patience.attempts
        detours = replace(
            saga.detours,
            desk=tuple(replace(each, attempt=0) for each in saga.detours.desk),
            generations=dict(sorted(saga.detours.generations.items())),
            cause=saga.detours.cause and A_CAUSE,
        )
        attempt, cause = min(saga.attempt, most), saga.cause and A_CAUSE
        return replace(saga, attempt=attempt, cause=cause, detours=detours)


def _cases(record: Record, decision: Decision) -> frozenset[Case]:
    desk = Desk(None)  # type: ignore[arg-type]  # it writes nothing before it saves
    desk.follow(record.state, decision, "", "")
    closed = {(step, action) for _, step, action, _ in desk.closed}
    still = {each for each in record.cases if each[:2] not in closed}
    return frozenset(still | {(str(it.step), str(it.action), it.kind) for it in desk.opened})


def sends_while_paused(decision: Decision) -> str:
    commands = [each for each in decision.sends if isinstance(each.message, Command)]
    return "a paused saga sends something" if decision.saga.paused and commands else ""


def ends_untold(record: Record, decision: Decision) -> str:
    """An end is told once, when it comes."""
    ended = decision.saga.ended and not (record.state and record.state.ended)
    told = [each for each in decision.sends if isinstance(each.message, SagaEnded)]
    return "" if len(told) == ended else f"the saga's end is told {len(told)} times"


def key_of(record: Record) -> object:
    """By which records are the same."""
    saga = record.state and msgspec.json.encode(record.state)
    return (saga, *record[1:])
