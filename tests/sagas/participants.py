"""Services that keep what was really done, so that they never tell what is not so.

Their rows are decided by the barrier itself. A step may have an outside call: its row is DOING
until the call comes to its end. Everything that was ever asked or told may arrive again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from apps.contracts.base import Compensation, Event, Message
from apps.contracts.catalogue import Action
from apps.contracts.steps import (
    Fenced,
    Happened,
    RecordHappened,
    RecordRefused,
    ResolveOutside,
    StepWaits,
    UndoRefused,
)
from apps.messaging import barrier
from apps.messaging.barrier import Decision, Intent, Row, Status
from apps.messaging.request import Request
from apps.processes import Process, Step
from apps.sagas.state import Answer

LATER = StepWaits(reason="busy", until=datetime(2026, 3, 1, 12, tzinfo=UTC))


@dataclass
class Participants:
    """All services of one saga."""

    definition: Process
    events: Mapping[type[Event], Event]  # what each kind of answer is
    once_in: Callable[[int], bool]  # chance: true once in so many times
    rows: dict[str, Row] = field(default_factory=dict)
    effects: list[tuple[str, Action]] = field(default_factory=list)  # in their order
    waiting: dict[str, list[Request]] = field(default_factory=dict)  # for an outside call's end
    told: list[Answer] = field(default_factory=list)

    def status(self, step: str) -> Status | None:
        return self.rows[step].status if step in self.rows else None

    def begins(self, step: str) -> None:
        """The initiator has done the first step."""
        self.rows[step] = Row(Status.DONE, 1)
        self.effects.append((step, Action.DO))

    def hears(self, request: Request, message: Message) -> None:
        """A command arrives, be it late or again."""
        row = self.rows.get(request.step)
        if isinstance(message, RecordHappened):
            self.hears_finding(row, request)
            return
        undoing = message if isinstance(message, Compensation) else None
        decision = barrier.decide(row, request)
        if decision is Decision.RUN:
            self.run(request)
        elif decision is Decision.UNDO:
            self.undo(request, undoing)
        elif decision is Decision.BURY:
            self.rows[request.step] = Row(Status.TOMBSTONE, request.generation)
            self.answer_again(request, undoing)
        elif decision is Decision.ANSWER_AGAIN:
            self.answer_again(request, undoing)
        elif decision in (Decision.UNDO_LATER, Decision.TELL_LATER):
            self.waiting[request.step].append(request)
            undo = request.action is Action.UNDO
            self.set_intent(request.step, undo_requested=undo)

    def hears_finding(self, row: Row | None, request: Request) -> None:
        """A person says that the step's call happened."""
        decision = barrier.decide_by_hand(row, leased=False)
        if decision is Decision.RECORD:
            self.call_ends(request.step, well=True)
        elif decision is Decision.ANSWER_AGAIN:
            self.answer_again(request, None)
        else:
            self.tell(request, RecordRefused(reason=barrier.why_not_recorded(row)))

    def run(self, request: Request) -> None:
        step, asked = request.step, Row(Status.DOING, request.generation)
        self.rows[step] = asked._replace(intent=Intent(request.generation, tried=True))
        self.waiting[step] = [request]
        if not self.once_in(3):
            self.call_ends(step, well=not self.once_in(3))
        elif self.once_in(2):
            self.tell(request, LATER)

    def call_ends(self, step: str, *, well: bool) -> None:
        """The outcome of a step's call is definite; who waited for it is answered."""
        row, (first, *others) = self.rows[step], self.waiting.pop(step)
        undo = next((each for each in others if each.action is Action.UNDO), None)
        fences = [each for each in others if each.action is Action.FENCE]
        well = well or self.step(step).refusal is None
        if well:
            self.effects.append((step, Action.DO))
            self.rows[step] = Row(Status.DONE, row.generation)
        else:
            closed = Status.TOMBSTONE if others else Status.REFUSED
            self.rows[step] = Row(closed, row.generation)
        if undo and well:
            self.undo(undo, None)
        elif undo:
            self.answer_again(undo, None)
        else:
            self.tell(first, self.event_of(step, well=well))
        for each in fences:
            self.answer_again(each, None)

    def undo(self, request: Request, message: Compensation | None) -> None:
        row = self.rows[request.step]
        if self.once_in(4) and not isinstance(message, ResolveOutside):
            refused = Intent(request.generation, tried=True, refused=True)
            self.rows[request.step] = Row(Status.UNDOING, row.generation, refused)
            self.tell(request, UndoRefused(reason="no"))
            return
        self.effects.append((request.step, Action.UNDO))
        self.rows[request.step] = Row(Status.UNDONE, row.generation)
        self.answer_again(request, message)

    def answer_again(self, request: Request, message: Compensation | None) -> None:
        """The outcome, as an answer to this very request."""
        status = self.rows[request.step].status
        if status is Status.UNDOING:  # the barrier answers for a refused one only
            self.tell(request, UndoRefused(reason="no"))
            return
        if request.action is Action.UNDO:
            compensation = message or self.step(request.step).compensation
            assert compensation
            self.tell(request, compensation.answer(nothing_to_undo=status is Status.TOMBSTONE))
            return
        if request.action is Action.FENCE and status is not Status.DONE:
            self.tell(request, Fenced())
            return
        event = self.event_of(request.step, well=status is Status.DONE)
        self.tell(request, happened(event) if request.action is Action.FENCE else event)

    def event_of(self, step: str, *, well: bool) -> Event:
        kind = self.step(step).success if well else self.step(step).refusal
        assert kind
        return self.events[kind]

    def set_intent(self, step: str, *, undo_requested: bool) -> None:
        row = self.rows[step]
        assert row.intent
        asked = row.intent.undo_requested or undo_requested
        self.rows[step] = row._replace(intent=row.intent._replace(undo_requested=asked))

    def step(self, name: str) -> Step:
        return self.definition.step(name)

    def tell(self, request: Request, event: Event) -> None:
        self.told.append(Answer(request, event))


def happened(event: Event) -> Happened:
    payload = msgspec.Raw(msgspec.json.encode(event))
    return Happened(type=type(event).__name__, event_version=event.version, event=payload)
