"""The engine: loads the sagas of a batch under lock, decides each answer, saves what changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, Self, cast
from uuid import UUID

import msgspec

from apps.contracts.base import Event
from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode, Plan
from apps.messaging.database import Database, Row, columns
from apps.messaging.errors import RivalMovedFirst
from apps.messaging.handling import Heard, Outgoing, Task, Workspace
from apps.messaging.metrics import count_decisions
from apps.messaging.request import Request
from apps.processes import process
from apps.sagas.course import course_of
from apps.sagas.decide import (
    Answer,
    Outcome,
    Refused,
    SagaState,
    Status,
    decide,
    read_document,
)
from apps.sagas.metrics import observe_history
from apps.sagas.statements import (
    LOCK_SAGAS,
    MOVE_SAGAS,
    NOTE_UNMATCHED,
    START_SAGAS,
    TELL_HISTORY,
)


def hear(heard: Heard, sagas: "Sagas") -> list[Outgoing]:
    """Take an answer to its saga; the commands that follow, or the news that it ended."""
    known = sagas.known.get(heard.request.saga_id)
    plan = known.plan if known else heard.plan
    state = known.state if known else None
    decision = decide(course_of(plan), state, Answer(heard.request, heard.event))
    if decision.outcome is None:
        sagas.note(heard)
    else:
        sagas.remember(heard, decision.saga, decision.outcome)
    return [Outgoing(told.message, told.request, plan) for told in decision.sends]


class Known(NamedTuple):
    """A saga of the batch, as it was loaded and as it is now."""

    state: SagaState
    plan: str
    loaded: int  # its revision in the database; 0: it starts in this batch
    revision: int  # as it is now
    asked_at: datetime | None  # None: asked in this batch


class Sagas(Workspace):
    """The sagas of one batch, under lock."""

    def __init__(self, database: Database, known: dict[UUID, Known]) -> None:
        super().__init__(database)
        self.known = known
        self.started: dict[UUID, Row] = {}  # by saga: what is written once
        self.moved: set[UUID] = set()
        self.history: list[Row] = []
        self.unmatched: list[Row] = []

    @classmethod
    def load(cls, database: Database, tasks: Sequence[Task]) -> Self:
        ids = sorted({task.request.saga_id for task in tasks})
        return cls(database, {row[0]: known_from(row) for row in database.fetch(LOCK_SAGAS, [ids])})

    def remember(self, heard: Heard, state: SagaState, outcome: Outcome) -> None:
        """Keep what was decided, and its line in the history."""
        saga_id = state.saga_id
        known = self.known.get(saga_id)
        if known is None:
            self.started[saga_id] = written_once(heard)
            known = Known(state, heard.plan, 0, 0, None)
        elif saga_id not in self.started:
            self.moved.add(saga_id)
        self.history.append(line(heard, known, outcome))
        self.known[saga_id] = Known(state, known.plan, known.loaded, known.revision + 1, None)

    def note(self, heard: Heard) -> None:
        """Keep that nothing waited for this answer."""
        asked = heard.request
        self.unmatched.append(
            (heard.message_id, asked.saga_id, asked.step, asked.action, asked.generation)
        )

    def save(self) -> None:
        """Raises RivalMovedFirst where another transaction was faster."""
        starting = [self._row(each) + once for each, once in self.started.items()]
        moving = [(*self._row(each), self.known[each].loaded) for each in self.moved]
        self._write(START_SAGAS, starting, width=17)
        self._write(MOVE_SAGAS, moving, width=12)
        if self.history:
            told = self.database.fetch(TELL_HISTORY, columns(self.history, 10))
            observe_history(self.database, told)
        if self.unmatched:
            noted = self.database.execute(NOTE_UNMATCHED, columns(self.unmatched, 5))
            count_decisions(self.database, ["unmatched"] * noted)

    def _row(self, saga_id: UUID) -> Row:
        known = self.known[saga_id]
        state, pending, refused = known.state, known.state.pending, known.state.refused
        return (
            saga_id, known.revision, state.status, state.inputs,
            *((pending.step, pending.action, pending.generation) if pending else (None,) * 3),
            *(msgspec.structs.astuple(refused) if refused else ("", "", None, "")),
        )  # fmt: skip

    def _write(self, statement: str, rows: list[Row], *, width: int) -> None:
        if rows and self.database.execute(statement, columns(rows, width)) != len(rows):
            raise RivalMovedFirst(rows=len(rows))


# --- from and to rows


def known_from(row: Row) -> Known:
    """Read what LOCK_SAGAS selects."""
    saga_id, plan, revision, asked_at, status, inputs, *asked_and_refused = row
    step, action, generation, *refused = asked_and_refused
    pending = step and Request(saga_id, step, Action(action), generation, Mode.ORCHESTRATED)
    state = SagaState(
        saga_id=saga_id,
        status=Status(status),
        pending=pending,
        inputs=inputs,
        refused=Refused(*refused) if refused[0] else None,
    )
    return Known(state, plan, revision, revision, asked_at)


class Start(Protocol):
    """What every event that starts a saga tells; the check of definitions sees to it."""

    order_id: UUID
    customer_id: int


def written_once(heard: Heard) -> Row:
    """What never changes of a saga: its plan, and whose it is."""
    plan = course_of(heard.plan).plan
    start = cast(Start, heard.event)
    return (
        heard.plan, plan.process, plan.version, plan.mode, start.order_id, start.customer_id
    )  # fmt: skip


def line(heard: Heard, known: Known, outcome: Outcome) -> Row:
    """A line of the history: what was asked, and what was answered."""
    asked, event = heard.request, heard.event
    return (
        asked.saga_id, asked.step, asked.action, asked.generation, known.revision + 1, outcome,
        known.asked_at, type(event).__name__, facts(event, course_of(known.plan).plan),
        heard.message_id,
    )  # fmt: skip


def facts(event: Event, plan: Plan) -> str:
    """An event's payload without what is personal, as JSON text."""
    payload = msgspec.json.encode(event)
    personal = process(plan.process, plan.version).personal
    if not any(hasattr(event, name) for name in personal):
        return payload.decode()
    kept = {name: value for name, value in read_document(payload).items() if name not in personal}
    return msgspec.json.encode(kept).decode()
