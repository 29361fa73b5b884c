"""Carrying out a batch of messages of one context, in one transaction of its database.

Rows of the saga log are claimed, the barrier decides about each request, the context's handlers
decide the business, and everything is written with few statements. What is asked twice of one row
(an action and its compensation) goes in successive waves.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

import msgspec
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from apps.contracts.base import Compensation, Event, Refusal, Undone
from apps.contracts.catalogue import MESSAGES
from apps.messaging.barrier import Decision, Status, decide
from apps.messaging.database import Database, columns
from apps.messaging.dead_letters import DeadLetters, ParkedBehind
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.errors import WrongAnswer
from apps.messaging.handling import Reaction, Task, Workspace
from apps.messaging.logs import hand
from apps.messaging.metrics import count_decisions
from apps.messaging.outbox import publish
from apps.messaging.record import Record
from apps.messaging.request import Request
from apps.messaging.saga_log import Answer, Entry, SagaLogTable, Settled
from apps.messaging.sorting import (
    Item,
    Overheard,
    by_workspace,
    concerns,
    heard_in,
    item_of,
    key_of,
    known,
    waves,
)
from apps.messaging.wiring import wiring

# Note decisions that are not the ordinary ones, for the timeline.
NOTE = """
INSERT INTO {context}_barriernote
  (id, saga_id, step, action, generation, decision, message_id, noted_at)
SELECT id, saga_id, step, action, generation, decision, message_id, now()
FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::int[], %b::text[], %b::uuid[])
  AS noted (id, saga_id, step, action, generation, decision, message_id)
"""
ORDINARY = frozenset({Decision.RUN, Decision.UNDO})


class HandlingFailed(Exception):
    """One message of a batch failed; nothing of the batch was kept."""

    def __init__(self, record: Record, error: Exception) -> None:
        super().__init__(str(error))
        self.record = record
        self.error = error


class blamed_on:
    """A Python error in here belongs to one record."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def __enter__(self) -> None:
        hand.message = self.record

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        hand.message = None
        if isinstance(error, Exception):
            raise HandlingFailed(self.record, error) from error


class Batch:
    """One transaction's worth of messages."""

    def __init__(self, context: str, records: Sequence[Record]) -> None:
        self.context = context
        self.records = records
        self.database = Database(context)
        self.log = SagaLogTable(self.database)
        self.items: list[Item] = []
        self.overheard: list[Overheard] = []
        self.outgoing: list[Envelope] = []
        self.notes: list[tuple[Item, Decision]] = []

    def carry_out(self) -> None:
        """All or nothing. Raises HandlingFailed naming the message whose own error it is, and
        database errors as they come."""
        for record in self.records:
            with blamed_on(record):
                self._sort(record)
        with self.database.transaction():
            self._ask_handlers()
            self._tell_listeners()
            self._write_notes()
            publish(self.database, self.outgoing)

    def _sort(self, record: Record) -> None:
        table = wiring(self.context)
        if not concerns(table, record):
            return
        envelope = known(table, record.read())
        message = envelope.open()
        if item := item_of(table, record, envelope, message):
            self.items.append(item)
        if listener := table.listeners.get(key_of(envelope)):
            self.overheard.append(Overheard(record, heard_in(envelope, message), listener))

    # --- behind the barrier

    def _ask_handlers(self) -> None:
        if not self.items:
            return
        letters = DeadLetters(self.database)
        behind = ParkedBehind(letters, (item.task.request.saga_id for item in self.items))
        for wave in waves(self._distinct()):
            ready = []
            for item in wave:
                if behind.must_wait(item.task.request):
                    letters.wait(item.record, item.task.request)
                else:
                    ready.append(item)
            self._carry_out_wave(ready)
            for item in ready:
                behind.carried_out(item.task.request)
        behind.save()

    def _distinct(self) -> list[Item]:
        """One item per request; the answer to it answers its repetitions."""
        first: dict[Request, Item] = {}
        for item in self.items:
            if first.setdefault(item.task.request, item) is not item:
                self.notes.append((item, Decision.DUPLICATE))
        return list(first.values())

    def _carry_out_wave(self, items: Sequence[Item]) -> None:
        if not items:
            return
        requests = [item.task.request for item in items]
        found = self.log.claim([(each.saga_id, each.step, each.generation) for each in requests])
        verdicts = [(item, *self._verdict(item, found)) for item in items]
        answers = self._decide([item for item, decision, _ in verdicts if decision in ORDINARY])
        settled: list[Settled] = []
        for item, decision, entry in verdicts:
            if decision not in ORDINARY:
                self.notes.append((item, decision))
            settled += self._conclude(item, decision, entry, answers.get(item))
        self.log.settle(settled)

    def _verdict(
        self, item: Item, found: dict[tuple[UUID, str], Entry]
    ) -> tuple[Decision, Entry | None]:
        request = item.task.request
        entry = found.get((request.saga_id, request.step))
        with blamed_on(item.record):
            return decide(entry.row if entry else None, request), entry

    def _decide(self, items: Sequence[Item]) -> dict[Item, Event | None]:
        """Load, decide, save: once for each workspace that the items need."""
        answers: dict[Item, Event | None] = {}
        for workspace_type, group in by_workspace(items, lambda item: item.handler):
            workspace = workspace_type.load(self.database, [item.task for item in group])
            for item in group:
                workspace.request = item.task.request
                with blamed_on(item.record):
                    answer = item.handler.decide(item.task.message, workspace)
                    answers[item] = checked(item, answer)
            workspace.save()
        return answers

    def _conclude(
        self, item: Item, decision: Decision, entry: Entry | None, answer: Event | None
    ) -> Iterator[Settled]:
        """Queue the answer of a decision; what it leaves in the log."""
        request = item.task.request
        if decision is Decision.ANSWER_AGAIN and entry:
            self.outgoing.append(answered_again(item, entry))
        if decision is Decision.BURY:
            answer = nothing_undone(item)
        if decision not in ORDINARY and decision is not Decision.BURY:
            return
        sent = self._answer(item, answer)
        generation = (
            entry.row.generation if entry and decision is Decision.UNDO else request.generation
        )
        status = status_after(decision, answer)
        yield Settled(request.saga_id, request.step, status, generation, sent)

    def _answer(self, item: Item, event: Event | None) -> Answer:
        if event is None:
            return Answer()
        envelope = item.envelope.answered(event, answered_request(item))
        self.outgoing.append(envelope)
        return Answer(envelope.type, envelope.version, envelope.payload)

    # --- beside the barrier

    def _tell_listeners(self) -> None:
        for workspace_type, group in by_workspace(self.overheard, lambda each: each.listener):
            tasks = [Task(each.heard.request, each.heard.event) for each in group]
            workspace = workspace_type.load(self.database, tasks)
            for each in group:
                with blamed_on(each.record):
                    self._hear(each, workspace)
            workspace.save()

    def _hear(self, each: Overheard, workspace: Workspace) -> None:
        heard = each.heard
        workspace.request = heard.request
        for outgoing in each.listener.hear(heard, workspace):
            self.outgoing.append(
                new_envelope(
                    outgoing.message,
                    outgoing.request,
                    plan=outgoing.plan,
                    causation_id=str(heard.message_id),
                    traceparent=heard.traceparent,
                )
            )

    def _write_notes(self) -> None:
        rows = [
            (uuid7(), r.saga_id, r.step, r.action, r.generation, decision, item.envelope.message_id)
            for item, decision in self.notes
            for r in [item.task.request]
        ]
        if rows:
            self.database.execute(NOTE, columns(rows, 7))
            count_decisions(self.database, (decision for _, decision in self.notes))


# --- answers


def checked(item: Item, answer: Event | None) -> Event | None:
    """Raises WrongAnswer where a handler returned what its request does not allow."""
    message = item.task.message
    expected: tuple[type, ...] = (Event,)
    if isinstance(message, Compensation):
        expected = (message.answer,)
    elif isinstance(item.handler, Reaction):
        expected = (Event, type(None))
    undoes = isinstance(message, Compensation)
    if not isinstance(answer, expected) or isinstance(answer, Undone) != undoes:
        raise WrongAnswer(asked=type(message).__name__, answered=type(answer).__name__)
    return answer


def status_after(decision: Decision, answer: Event | None) -> Status:
    """What the row says after a decision that changes it."""
    if decision is Decision.BURY:
        return Status.TOMBSTONE
    if decision is Decision.UNDO:
        return Status.UNDONE
    return Status.REFUSED if isinstance(answer, Refusal) else Status.DONE


def nothing_undone(item: Item) -> Undone:
    """The answer to a compensation of a step that never had an effect."""
    message = item.task.message
    assert isinstance(message, Compensation)
    return message.answer(nothing_to_undo=True)


def answered_request(item: Item) -> Request:
    """What an answer repeats: the request; of a reaction, in the mode of what it heard."""
    return replace(item.task.request, mode=item.envelope.request.mode)


def answered_again(item: Item, entry: Entry) -> Envelope:
    """The stored outcome, in an answer to this very request."""
    if entry.row.status is Status.TOMBSTONE:
        return item.envelope.answered(nothing_undone(item), answered_request(item))
    type_name, version, payload = entry.answer
    stored = msgspec.json.decode(bytes(payload), type=MESSAGES[type_name, version])
    return item.envelope.answered(stored, answered_request(item))
