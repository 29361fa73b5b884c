"""The services' side: the shipped barrier, answers and recording, with a row in place of tables.

What is here in place of a transaction is only what storage does: a row is claimed, settled, a call
is added, withdrawn, remembered, held. What is decided about it is the shipped code's.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from apps.contracts.base import Event
from apps.contracts.catalogue import Action, command_topic
from apps.contracts.plan import Mode
from apps.contracts.steps import (
    Fence,
    Fenced,
    RecordHappened,
    RecordRefused,
    ResolveOutside,
    UndoRefused,
)
from apps.messaging import answers, barrier, batch, intents, recording
from apps.messaging.barrier import Decision, Status
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.handling import CallOutside, OutsideCall, Task
from apps.messaging.models import IntentStatus
from apps.messaging.recording import CallChange, What, Who
from apps.messaging.request import Request
from apps.messaging.saga_log import Answer as Kept
from apps.messaging.saga_log import Entry
from apps.messaging.sorting import Item
from apps.processes import choreography
from tests.reliability.search.plans import Searched
from tests.reliability.search.states import (
    ACCEPTED,
    Letter,
    Numbered,
    OpenCall,
    StepRow,
)
from tests.sagas.scenarios import SAGA

A_TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)
AN_ID = UUID(int=1)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NO = "no"
MAKE, GIVE_BACK = "make", "give_back"
CALL = OutsideCall(None, None, None, msgspec.Struct, 1.0, frozenset(), None)  # type: ignore[arg-type]


class Change(NamedTuple):
    """What may become of a row, and what is told."""

    decision: str
    row: StepRow
    told: tuple[int, ...] = ()
    complaint: str = ""


class Participants:
    """All services of one saga. Rows are given and returned; nothing is kept but numbers."""

    def __init__(self, searched: Searched, letters: Numbered[Letter]) -> None:
        self.searched = searched
        self.letters = letters

    # --- an event of a saga that nobody coordinates

    def follows(self, number: int) -> int | None:
        """The command that an event stands for to a neighbour of its step; None: it asks nobody."""
        request, event = self.letters[number]
        if request.mode is not Mode.CHOREOGRAPHED:
            return None
        asked = choreography.asked_on(
            self.searched.course, request.step, request.action, type(event)
        )
        if asked is None:
            return None
        forward = asked.action is Action.DO
        command = self.searched.command(asked.step) if forward else asked.command()
        told = request_of(asked.step, asked.action, mode=Mode.CHOREOGRAPHED)
        return self.letters.of(Letter(told, command))

    # --- a request arrives

    def receive(self, row: StepRow, number: int) -> list[Change]:
        """What may become of a row when a command arrives: one local transaction each."""
        letter = self.letters[number]
        decision = self._verdict(row, letter)
        if decision not in batch.HANDLED:
            return [self._concluded(row, number, decision, None)]
        return [
            self._concluded(row, number, decision, answer)
            for answer in self._handled(row, letter, decision)
        ]

    def _verdict(self, row: StepRow, letter: Letter) -> Decision:
        found = _as_barrier_row(row)
        if isinstance(letter.message, RecordHappened):
            return barrier.decide_by_hand(found, leased=bool(row.call and row.call.lease))
        own = not isinstance(letter.message, Fence | ResolveOutside)
        return (barrier.decide if own else barrier.decide_resolved)(found, letter.request)

    def _handled(
        self, row: StepRow, letter: Letter, decision: Decision
    ) -> Iterator[Event | CallOutside]:
        """What the context's handlers may answer."""
        step = letter.request.step
        if decision is Decision.UNDO:
            yield self._undone(row, letter)
        elif decision is Decision.RECORD:
            assert row.call  # only of an open call can a person tell the outcome
            yield self.searched.successes[step]
        elif step in self.searched.outside:
            yield CallOutside(MAKE, step, msgspec.Struct())
        else:
            yield self.searched.successes[step]
            if step in self.searched.refusals:
                yield self.searched.refusals[step]

    def _undone(self, row: StepRow, letter: Letter) -> Event | CallOutside:
        """What a compensation's handler answers; a substitute needs no call."""
        step, message = letter.request.step, letter.message
        own = self.searched.course.legs[step].step.compensation
        if isinstance(message, ResolveOutside):
            assert row.call  # the same
            return self.searched.undone[step]
        if step in self.searched.outside and type(message) is own:
            return CallOutside(GIVE_BACK, step, msgspec.Struct())
        return self.searched.undone[step]

    def _concluded(
        self, row: StepRow, number: int, decision: Decision, answer: Event | CallOutside | None
    ) -> Change:
        letter, entry = self.letters[number], _entry(row)
        item = _item(letter)
        if decision is Decision.ANSWER_AGAIN and entry:
            return Change(decision, row, (self._answer(letter, answers.again(item, entry, NO)),))
        if decision is Decision.NOTHING_OUTSIDE:
            return Change(decision, row, (self._answer(letter, UndoRefused(reason=NO)),))
        if decision is Decision.NOT_RECORDED:
            refused = self._answer(letter, RecordRefused(reason=NO))
            return Change(decision, self._left(row, number, decision), (refused,))
        if decision in batch.CLOSING:
            answer = answers.nothing_happened(item.envelope, letter.message)
        if decision not in batch.HANDLED | batch.CLOSING:
            return Change(decision, self._left(row, number, decision))
        settled = row._replace(
            status=answers.status_after(decision, answer),
            generation=answers.generation_after(decision, _as_barrier_row(row), letter.request),
            call=self._call_after(row, number, decision, answer),
        )
        if isinstance(answer, CallOutside):
            return Change(decision, settled)
        assert answer  # only reactions answer nothing
        settled = _with_effect(settled, decision, answer, outside=self._is_outside(letter))
        told = self._answer(letter, answer)
        return Change(decision, settled._replace(kept=self._kept(told)), (told,))

    def _left(self, row: StepRow, number: int, decision: Decision) -> StepRow:
        """A row that nobody settles: a call may remember the request; a claim stays as it is."""
        letter = self.letters[number]
        if row.status is None and batch.claims_row(letter.message):
            return row._replace(status=Status.DOING, generation=letter.request.generation)
        if row.call and recording.CHANGES_CALL.get(decision) is CallChange.REMEMBERS:
            return row._replace(call=self._remembering(row.call, number))
        return row

    def _remembering(self, call: OpenCall, number: int) -> OpenCall:
        """As the statement REMEMBER: the first one is answered."""
        if self.letters[number].request.action is Action.UNDO:
            return call._replace(undo=number if call.undo is None else call.undo)
        return call._replace(fence=number if call.fence is None else call.fence)

    def _call_after(
        self, row: StepRow, number: int, decision: Decision, answer: Event | CallOutside | None
    ) -> OpenCall | None:
        """The call that the row stands for then."""
        if isinstance(answer, CallOutside):
            return self._new_call(number, answer)
        return None if recording.CHANGES_CALL.get(decision) else row.call

    def _new_call(self, number: int, wanted: CallOutside) -> OpenCall:
        request = self.letters[number].request
        return OpenCall(request, number, intents.key_of(request, wanted.operation))

    # --- a worker

    def claimed(self, call: OpenCall) -> tuple[OpenCall, str]:
        """A call in the hands of a worker, and the key under which it is made."""
        claims = min(call.claims + 1, 2)
        now = call._replace(status=IntentStatus.CLAIMED, touched=True, lease=claims, claims=claims)
        found = intents.Claimed(
            AN_ID, AN_ID, call.request, MAKE, "", call.key, b"{}", claims, A_TIME,
            call.touched, False, "{}",
        )  # fmt: skip
        return now, intents.call_of(found, CALL).key

    def record(self, row: StepRow, request: Request, status: str) -> Change:
        """A worker records what the outside world answered to the call of this request."""
        call = row.call
        undo = call.undo if call else None
        fence = call.fence if call else None
        event = self._event(request, status)
        waits = {"undo": undo is not None, "fence": fence is not None}
        found = recording.recorded(request.action, event, **waits)
        if found is None:
            assert undo is not None
            return self._undone_at_once(row, undo, event)
        asked = call.asked if call else self.letters.of(self._guessed(request))
        who = {Who.REQUEST: asked, Who.UNDO: undo, Who.FENCE: fence}
        now = _recorded_row(row, request, found.status, event)
        return self._told(now, found, event, who)

    def _guessed(self, request: Request) -> Letter:
        """What a worker had been asked whose call is not open any more."""
        step = self.searched.course.legs[request.step].step
        if request.action is Action.UNDO:
            assert step.compensation
            return Letter(request, step.compensation())
        return Letter(request, Fence())  # only its request is looked at

    def _event(self, request: Request, status: str) -> Event:
        step, accepted = request.step, status == ACCEPTED
        if request.action is Action.UNDO:
            return self.searched.undone[step] if accepted else UndoRefused(reason=NO)
        return (self.searched.successes if accepted else self.searched.refusals)[step]

    def _undone_at_once(self, row: StepRow, undo: int, event: Event) -> Change:
        """It succeeded, and a compensation has waited for that."""
        letter = self.letters[undo]
        done = row._replace(done=row.done + 1, call=None)
        if isinstance(letter.message, ResolveOutside):
            assert row.call
            found = recording.undone_at_once(None)
            who: dict[Who, int | None] = {Who.UNDO: undo, Who.REQUEST: row.call.asked}
            return self._told(done._replace(status=found.status), found, event, who)
        answer = self._undone(done, letter)
        found = recording.undone_at_once(answer)
        if isinstance(answer, CallOutside):
            kept = self._kept(self._answer(letter, event))
            call = self._new_call(undo, answer)
            return Change("recorded", done._replace(status=found.status, call=call, kept=kept))
        now = _with_effect(done._replace(status=found.status), Decision.UNDO, answer, outside=True)
        return self._told(now, found, answer, {Who.UNDO: undo})

    def _told(
        self,
        row: StepRow,
        found: recording.Recorded,
        event: Event,
        who: dict[Who, int | None],
    ) -> Change:
        told: dict[Who, int] = {}
        for each, what in found.tells:
            asked = who[each]
            assert asked is not None  # the rule names only those who wait
            told[each] = self._answer(self.letters[asked], self._what(what, event, told, asked))
        if found.keeps:
            row = row._replace(kept=self._kept(told[found.keeps]))
        return Change("recorded", row, tuple(told.values()))

    def _what(self, what: What, event: Event, told: dict[Who, int], asked: int) -> Event:
        if what is What.NOTHING_TO_UNDO:
            return answers.nothing_happened(_envelope(self.letters[asked]))
        if what is What.FENCED:
            return Fenced()
        if what is What.NOT_UNDONE:
            return UndoRefused(reason=NO)
        return answers.happened(self._kept(told[Who.REQUEST])) if what is What.HAPPENED else event

    # --- answers

    def _answer(self, asked: Letter, event: Event) -> int:
        """An answer repeats the request."""
        request = answers.answered_request(_item(asked))
        return self.letters.of(Letter(request, event))

    def _kept(self, told: int) -> Kept:
        return answers.kept_answer(_envelope(self.letters[told]))

    def _is_outside(self, letter: Letter) -> bool:
        return letter.request.step in self.searched.outside


def holds(call: OpenCall | None, request: Request, lease: int) -> bool:
    """Whether a worker may still record: what the statement HOLD asks for."""
    return (
        call is not None
        and call.request == request
        and call.status is IntentStatus.CLAIMED
        and call.lease == lease
    )


def _as_barrier_row(row: StepRow) -> barrier.Row | None:
    if row.status is None:
        return None
    return barrier.Row(row.status, row.generation, row.call and _as_open(row.call).for_barrier)


def _as_open(call: OpenCall) -> intents.OpenIntent:
    undo, fence = ("" if each is None else "asked" for each in (call.undo, call.fence))
    return intents.OpenIntent(
        AN_ID, call.request, MAKE, "", call.key, b"{}", call.status, call.claims,
        A_TIME if call.touched else None, undo, fence, bool(call.lease), NO,
    )  # fmt: skip


def _entry(row: StepRow) -> Entry | None:
    found = _as_barrier_row(row)
    return Entry(found, row.kept) if found else None


def _envelope(letter: Letter) -> Envelope:
    topic = command_topic("payments")
    return new_envelope(letter.message, letter.request, plan="-", traceparent=TRACE, topic=topic)


def _item(letter: Letter) -> Item:
    task = Task(letter.request, letter.message)
    return Item(None, _envelope(letter), task, None)  # type: ignore[arg-type]


def _recorded_row(row: StepRow, request: Request, status: Status, event: Event) -> StepRow:
    """The row after a worker's call has its outcome; a refused undo stays open."""
    assert row.call or row.status
    if isinstance(event, UndoRefused):
        closed = row.call and row.call._replace(status=IntentStatus.REFUSED, lease=0)
        return row._replace(status=status, call=closed)
    undone = request.action is Action.UNDO
    return row._replace(
        status=status,
        call=None,
        done=row.done + (not undone and status is Status.DONE),
        undone=row.undone + undone,
    )


def _with_effect(row: StepRow, decision: Decision, answer: Event, *, outside: bool) -> StepRow:
    """Count what a handler did: an undo of an outside step that needed no call is another way."""
    if row.status is Status.DONE and decision in (Decision.RUN, Decision.RECORD):
        return row._replace(done=row.done + 1)
    if row.status is Status.UNDONE and decision is Decision.UNDO:
        return row._replace(undone=row.undone + 1, instead=row.instead + outside)
    return row


def request_of(
    step: str, action: Action, generation: int = 1, mode: Mode = Mode.ORCHESTRATED
) -> Request:
    """A command's, or what an event asks."""
    return Request(SAGA, step, action, generation, mode)
