"""The engine: loads the sagas of a batch under lock, decides what is said, saves what changed."""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, Self, cast
from uuid import UUID

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.catalogue import MESSAGES, Action
from apps.contracts.orders import CancelRequested
from apps.contracts.plan import Mode, Plan
from apps.contracts.reading import read
from apps.contracts.steps import PersonNeeded
from apps.messaging.database import Database, Row, columns, touches
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.handling import Heard, Outgoing, Task, Workspace
from apps.messaging.metrics import count_decisions
from apps.messaging.request import Request
from apps.messaging.starting import new_traceparent
from apps.processes import process
from apps.processes.course import course_of
from apps.processes.inputs import read_document
from apps.sagas.decide import decide
from apps.sagas.desk import Desk, NewCase
from apps.sagas.metrics import observe_history
from apps.sagas.outcomes import expected_outcome
from apps.sagas.state import (
    STAYS_OPEN,
    Answer,
    Cause,
    Decision,
    Detours,
    Driver,
    Note,
    Outcome,
    SagaState,
    Said,
    Status,
    Wish,
)
from apps.sagas.statements import (
    FORGET_EARLY,
    KEEP_EARLY,
    LOCK_EARLY,
    LOCK_SAGAS,
    MOVE_SAGAS,
    NOTE_UNMATCHED,
    START_SAGAS,
    TELL_EVENTS,
    TELL_HISTORY,
)

START_LOST = "start_lost"  # the kind of case that a start settles
JITTER = 0.25  # a wait is longer by a random share of up to so much


def hear(heard: Heard, sagas: "Sagas") -> list[Outgoing]:
    """Take an answer to its saga; the commands that follow, or the news that it ended."""
    known = sagas.known.get(heard.request.saga_id)
    if known is None and overtakes_start(heard):
        return sagas.keep(heard)
    plan = known.plan if known else heard.plan
    answer = Answer(heard.request, heard.event, heard.inputs)
    decision = decide(course_of(plan), known.state if known else None, answer)
    if decision.outcome is None:
        sagas.note(heard)
        return []
    starts = known is None
    known = known or sagas.start(heard)
    if decision.outcome not in STAYS_OPEN:
        sagas.history.append(line(heard, known, decision.outcome))
    sent = sagas.remember(known, decision)
    return [*sent, *hear_early(sagas, heard.request.saga_id)] if starts else sent


def overtakes_start(heard: Heard) -> bool:
    """Whether an event of a saga that nobody coordinates is not the one that starts it: it may be
    heard before that. Raises UnexpectedAnswer where its definition does not know it."""
    course, request = course_of(heard.plan), heard.request
    if request.mode is not Mode.CHOREOGRAPHED or type(heard.event) is course.start:
        return False
    expected_outcome(course, Answer(request, heard.event))
    return True


def hear_early(sagas: "Sagas", saga_id: UUID) -> list[Outgoing]:
    """What was told before the start of a saga was heard of."""
    return [out for early in sagas.take_early(saga_id) for out in hear_any(early, sagas)]


def hear_any(heard: Heard, sagas: "Sagas") -> list[Outgoing]:
    """An answer, or a wish."""
    return (hear_wish if isinstance(heard.event, CancelRequested) else hear)(heard, sagas)


def hear_wish(heard: Heard, sagas: "Sagas") -> list[Outgoing]:
    """The customer wishes to cancel; a wish that overtakes the start waits for it."""
    wish, saga_id = heard.event, heard.request.saga_id
    assert isinstance(wish, CancelRequested)
    if saga_id not in sagas.known:
        return sagas.keep(heard)
    return sagas.tell(saga_id, Wish(wish.reason))


def hear_of_need(heard: Heard, sagas: "Sagas") -> list[Outgoing]:
    """Another context asks for a person; not for a start that was heard of meanwhile."""
    need = heard.event
    assert isinstance(need, PersonNeeded)
    saga_id, step = heard.request.saga_id, heard.request.step
    if need.kind == START_LOST and saga_id in sagas.known:
        return []
    of = (saga_id, step, "", need.reason, heard.plan, heard.traceparent)
    sagas.desk.opened.append(NewCase(need.kind, need.context, *of))
    return []


class Early(msgspec.Struct, frozen=True):
    """An event that overtook its saga's start, as it is kept until that is heard."""

    message_id: UUID
    request: Request
    type: str
    version: int
    event: msgspec.Raw
    plan: str
    traceparent: str
    inputs: str

    @classmethod
    def of(cls, heard: Heard) -> "Early":
        event = heard.event
        told = (type(event).__name__, event.version, msgspec.Raw(msgspec.json.encode(event)))
        return cls(
            heard.message_id, heard.request, *told, heard.plan, heard.traceparent, heard.inputs
        )

    def heard(self) -> Heard:
        """The event again."""
        event = read(self.event, MESSAGES[self.type, self.version])
        assert isinstance(event, Event)
        return Heard(self.message_id, self.request, event, self.plan, self.traceparent, self.inputs)


class Known(NamedTuple):
    """A saga of the batch, as it was loaded and as it is now."""

    state: SagaState | None  # None: it starts in this batch, and nothing is decided yet
    plan: str
    loaded: int  # its revision in the database; 0: it starts in this batch
    revision: int  # as it is now
    asked_at: datetime | None  # None: asked in this batch
    paused_until: datetime | None
    traceparent: str
    decision: Decision | None = None  # the last one of this batch

    @property
    def request(self) -> Request | None:
        """What it waits for."""
        return self.state.pending if self.state else None


class Sagas(Workspace):
    """The sagas of one batch, under lock."""

    def __init__(self, database: Database, known: dict[UUID, Known]) -> None:
        super().__init__(database)
        self.known = known
        self.started: dict[UUID, Row] = {}  # by saga: what is written once
        self.moved: set[UUID] = set()
        self.history: list[Row] = []
        self.events: list[Row] = []
        self.unmatched: list[Row] = []
        self.early: dict[UUID, list[Early]] = defaultdict(list)  # by saga: there, or kept now
        self.kept: list[Row] = []
        self.taken: list[UUID] = []
        self.desk = Desk(database)

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        wanted = {task.request.saga_id for task in tasks}
        sagas = cls.lock(database, wanted)
        if unknown := wanted - sagas.known.keys():
            sagas.lock_early(unknown)
        return sagas

    @classmethod
    def lock(cls, database: Database, saga_ids: set[UUID]) -> Self:
        """Lock and read these sagas; those that do not exist are left out."""
        rows = database.fetch(LOCK_SAGAS, [sorted(saga_ids)])
        return cls(database, {row[0]: known_from(row) for row in rows})

    def lock_early(self, saga_ids: set[UUID]) -> None:
        """Lock and read what was told of these sagas before their start was heard of."""
        for _, saga_id, text in self.database.fetch(LOCK_EARLY, [sorted(saga_ids)]):
            self.early[saga_id].append(read(text, Early))

    def keep(self, heard: Heard) -> list[Outgoing]:
        """Keep what overtook its saga's start until that comes."""
        early, saga_id = Early.of(heard), heard.request.saga_id
        self.early[saga_id].append(early)
        self.kept.append((heard.message_id, saga_id, msgspec.json.encode(early).decode()))
        return []

    def take_early(self, saga_id: UUID) -> list[Heard]:
        """What waited for the start of a saga, which is known now."""
        waited = self.early.pop(saga_id, [])
        self.taken += [each.message_id for each in waited]
        return [each.heard() for each in waited]

    def tell(
        self, saga_id: UUID, said: Said, *, paused_until: datetime | None = None
    ) -> list[Outgoing]:
        """Say something that is no answer to a saga that was loaded; what it sends.

        `paused_until` is the end of a pause that begins. Raises MoveNotAllowed.
        """
        known = self.known[saga_id]
        decision = decide(course_of(known.plan), known.state, said)
        if decision == Decision(known.state):  # type: ignore[arg-type]  # what is loaded is known
            return []
        return self.remember(
            known._replace(paused_until=paused_until or known.paused_until), decision
        )

    def start(self, heard: Heard) -> Known:
        """A saga begins."""
        self.started[heard.request.saga_id] = written_once(heard)
        return Known(None, heard.plan, 0, 0, None, None, heard.traceparent)

    def remember(self, known: Known, decision: Decision) -> list[Outgoing]:
        """Keep what was decided; what is sent for it."""
        state, saga_id = decision.saga, decision.saga.saga_id
        if saga_id not in self.started:
            self.moved.add(saga_id)
        self.desk.follow(known.state, decision, known.plan, known.traceparent)
        decision = with_waits_of(known.decision, decision)
        still_asked = known.state is not None and known.state.pending == state.pending
        now = known._replace(
            state=state,
            revision=known.revision + 1,
            decision=decision,
            asked_at=known.asked_at if still_asked else None,
            paused_until=known.paused_until if state.paused else None,
        )
        self.events += [event(each, state, now.revision) for each in decision.notes]
        self.known[saga_id] = now
        return [
            Outgoing(told.message, told.request, known.plan, told.topic) for told in decision.sends
        ]

    def envelope(self, out: Outgoing) -> Envelope:
        """What is sent because of something that is no message: in the trace of its start."""
        known = self.known[out.request.saga_id]
        traceparent = known.traceparent or new_traceparent()
        return new_envelope(
            out.message, out.request, plan=out.plan, traceparent=traceparent, topic=out.topic
        )

    def note(self, heard: Heard) -> None:
        """Keep that nothing waited for this answer."""
        asked = heard.request
        self.unmatched.append(
            (heard.message_id, asked.saga_id, asked.step, asked.action, asked.generation)
        )

    def save(self) -> None:
        """Raises RivalMovedFirst where another transaction was faster."""
        starting = [self._row(each) + once for each, once in self.started.items()]
        moving = [
            (*self._row(each), bool(_state(self.known[each]).detours.desk), self.known[each].loaded)
            for each in self.moved
        ]
        self._write(START_SAGAS, starting, width=28)
        self._write(MOVE_SAGAS, moving, width=20)
        if self.kept:
            self.database.send(KEEP_EARLY, columns(self.kept, 3))
        if self.taken:
            self.database.send(FORGET_EARLY, [self.taken])
        if self.history:
            self.database.send(TELL_HISTORY, columns(self.history, 10), self._observe)
        if self.events:
            self.database.send(TELL_EVENTS, columns(self.events, 8))
        if self.unmatched:
            self.database.send(NOTE_UNMATCHED, columns(self.unmatched, 5), self._count_unmatched)
        self.desk.opened = [each for each in self.desk.opened if not self._is_over(each)]
        self.desk.save()

    def _is_over(self, case: NewCase) -> bool:
        """A start that was missed and heard of in the same batch."""
        return case.kind == START_LOST and case.saga_id in self.started

    def _row(self, saga_id: UUID) -> Row:
        known = self.known[saga_id]
        state, decision = _state(known), known.decision
        pending, cause = state.pending, state.cause
        assert decision
        wait, until = times(decision.wait)
        return (
            saga_id, known.revision, state.status, state.driver, state.inputs, state.attempt,
            "{}" if state.detours == STRAIGHT else msgspec.json.encode(state.detours).decode(),
            *((pending.step, pending.action, pending.generation) if pending else (None,) * 3),
            *(msgspec.structs.astuple(cause) if cause else ("", "", None, "")),
            known.paused_until, wait, until, decision.desk_wait,
        )  # fmt: skip

    def _write(self, statement: str, rows: list[Row], *, width: int) -> None:
        if rows:
            self.database.send(statement, columns(rows, width), touches(len(rows)))

    def _observe(self, told: psycopg.Cursor[Row]) -> None:
        observe_history(self.database, told.fetchall())

    def _count_unmatched(self, noted: psycopg.Cursor[Row]) -> None:
        count_decisions(self.database, ["unmatched"] * noted.rowcount)


STRAIGHT = Detours()


def _state(known: Known) -> SagaState:
    assert known.state  # something was decided
    return known.state


def with_waits_of(earlier: Decision | None, decision: Decision) -> Decision:
    """What an earlier message of the same batch had a saga wait for still holds, unless the later
    one says otherwise."""
    if earlier is None:
        return decision
    return decision._replace(
        wait=earlier.wait if decision.wait is None else decision.wait,
        desk_wait=earlier.desk_wait if decision.desk_wait is None else decision.desk_wait,
    )


def times(wait: float | datetime | None) -> tuple[float | None, datetime | None]:
    """A wait in seconds, with jitter so that those who failed together do not come back together;
    or the time until which is waited."""
    if isinstance(wait, datetime):
        return None, wait
    return (None if wait is None else wait * (1 + JITTER * random.random())), None  # noqa: S311


# --- from and to rows


def known_from(row: Row) -> Known:
    """Read what COLUMNS names."""
    saga_id, plan, revision, asked_at, paused_until, traceparent, *of_state = row
    status, by, inputs, attempt, detours, step, action, generation, *cause = of_state
    driver = Driver(by)
    pending = step and Request(saga_id, step, Action(action), generation, MODE_OF[driver])
    state = SagaState(
        saga_id=saga_id,
        status=Status(status),
        pending=pending,
        driver=driver,
        attempt=attempt,
        inputs=inputs,
        cause=Cause(*cause) if cause[0] else None,
        paused=paused_until is not None,
        detours=STRAIGHT if detours == "{}" else read(detours, Detours),
    )
    return Known(state, plan, revision, revision, asked_at, paused_until, traceparent)


MODE_OF = {Driver.EVENTS: Mode.CHOREOGRAPHED, Driver.ENGINE: Mode.ORCHESTRATED}


class Start(Protocol):
    """What every event that starts a saga tells; the check of definitions sees to it."""

    order_id: UUID
    customer_id: int


def written_once(heard: Heard) -> Row:
    """What never changes of a saga: its plan, whose it is, over how much, how long it may take."""
    course = course_of(heard.plan)
    plan, start = course.plan, cast(Start, heard.event)
    return (
        heard.plan, plan.process, plan.version, plan.mode, start.order_id, start.customer_id,
        getattr(start, "total_cents", None), getattr(start, "currency", ""),  # if it tells them
        heard.traceparent, course.deadline,
    )  # fmt: skip


def line(heard: Heard, known: Known, outcome: Outcome) -> Row:
    """A line of the history: what was asked, and what was answered."""
    asked, event = heard.request, heard.event
    return (
        asked.saga_id, asked.step, asked.action, asked.generation, known.revision + 1, outcome,
        asked_at(known, asked), type(event).__name__, facts(event, course_of(known.plan).plan),
        heard.message_id,
    )  # fmt: skip


def asked_at(known: Known, asked: Request) -> datetime | None:
    """When the pending request was asked; None of another one, and of one of this batch."""
    pending = known.state.pending if known.state else None
    return known.asked_at if pending == asked else None


def event(note: Note, state: SagaState, revision: int) -> Row:
    """A line of the timeline that is no answer."""
    asked = note.request
    of = (asked.step, asked.action, asked.generation) if asked else ("", "", 0)
    return (uuid7(), state.saga_id, revision, note.kind, *of, note.text)


def facts(event: Event, plan: Plan) -> str:
    """An event's payload without what is personal, as JSON text."""
    payload = msgspec.json.encode(event)
    personal = process(plan.process, plan.version).personal
    if not any(hasattr(event, name) for name in personal):
        return payload.decode()
    kept = {name: value for name, value in read_document(payload).items() if name not in personal}
    return msgspec.json.encode(kept).decode()
