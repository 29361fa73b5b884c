"""Carrying out a batch of messages of one context, in one transaction of its database.

Rows of the saga log are claimed, the barrier decides about each request, the context's handlers
decide the business, and everything is written with few statements. What is asked twice of one row
(an action and its compensation) goes in successive waves.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import transaction
from uuid_utils.compat import uuid7

from apps.contracts.base import Event, Message
from apps.contracts.steps import RecordHappened, RecordRefused, ResolveOutside, UndoRefused
from apps.messaging.answers import (
    again,
    answered_request,
    checked,
    envelope_of,
    generation_after,
    kept_answer,
    nothing_happened,
    status_after,
)
from apps.messaging.barrier import (
    Decision,
    Status,
    decide,
    decide_by_hand,
    decide_resolved,
    why_not_recorded,
)
from apps.messaging.database import Database, columns
from apps.messaging.dead_letters import DeadLetters, ParkedBehind
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.failpoints import reach
from apps.messaging.handling import (
    ByHand,
    CallOutside,
    Handler,
    Reaction,
    Task,
    Workspace,
)
from apps.messaging.intents import IntentTable, OpenIntent, call_of
from apps.messaging.logs import hand
from apps.messaging.metrics import count_decisions
from apps.messaging.outbox import publish
from apps.messaging.record import Record
from apps.messaging.recording import CHANGES_CALL, CallChange
from apps.messaging.request import Request
from apps.messaging.saga_log import Answer, Entry, Key, SagaLogTable, Settled
from apps.messaging.sorting import (
    Item,
    Overheard,
    by_workspace,
    concerns,
    heard_in,
    items_of,
    key_of,
    known,
    waves,
)
from apps.messaging.tracing import tracer
from apps.messaging.waking import wake
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
HANDLED = ORDINARY | {Decision.RECORD}  # a handler decides what is answered
CLOSING = frozenset({Decision.BURY, Decision.WITHDRAW})  # the step never happens
REFUSING = frozenset({Decision.NOTHING_OUTSIDE, Decision.NOT_RECORDED})  # a word that is not so

NOTHING_OUTSIDE = "Nothing of this step is outside: mend what keeps its undoing, then retry"
ENDS_CALL = frozenset({CallChange.WITHDRAWN, CallChange.SETTLED})
OPEN = frozenset({Status.DOING, Status.UNDOING})  # an outside call stands for the row


class Verdict(NamedTuple):
    """What the barrier decided about a request, and what it had found."""

    item: Item
    decision: Decision
    entry: Entry | None
    intent: OpenIntent | None


def claims_row(message: msgspec.Struct) -> bool:
    """Whether a request makes the row that it does not find. What a person has found changes a row
    that is there; one made for it would stand for a call that nobody makes."""
    return not isinstance(message, RecordHappened)


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
        self.intents = IntentTable(self.database)
        self.items: list[Item] = []
        self.overheard: list[Overheard] = []
        self.outgoing: list[Envelope] = []
        self.notes: list[tuple[Item, Decision]] = []
        self.calls_wait = False
        self.spans = tracer().batch(context, len(records))

    def carry_out(self) -> None:
        """All or nothing. Raises HandlingFailed naming the message whose own error it is, and
        database errors as they come."""
        for record in self.records:
            with blamed_on(record):
                self._sort(record)
        if not self.items and not self.overheard:  # all of it is for others
            return
        with self.database.pipelined_transaction():
            self._ask_handlers()
            self._tell_listeners()
            self._write_notes()
            after = partial(reach, "batch.after_commit", self._requests())
            transaction.on_commit(after, using=self.context)
            publish(self.database, self.outgoing)
            if self.calls_wait:
                transaction.on_commit(partial(wake, self.context), using=self.context)
            reach("batch.before_commit", self._requests())

    def only_listen(self) -> None:
        """Tell listeners alone: what else the messages ask is not done."""
        for record in self.records:
            if read := self._read(record):
                self._overhear(record, *read)
        if self.overheard:
            with self.database.transaction():
                self._tell_listeners()
                publish(self.database, self.outgoing)

    def _requests(self) -> Iterator[Request]:
        """What was asked and heard."""
        yield from (item.task.request for item in self.items)
        yield from (each.heard.request for each in self.overheard)

    def _sort(self, record: Record) -> None:
        if read := self._read(record):
            self.items += items_of(wiring(self.context), record, *read)
            self._overhear(record, *read)

    def _read(self, record: Record) -> tuple[Envelope, Message] | None:
        """What a record says; None where it does not concern this context."""
        table = wiring(self.context)
        if not concerns(table, record):
            return None
        envelope = self.spans.take(record, known(table, record.read()))
        return envelope, envelope.open()

    def _overhear(self, record: Record, envelope: Envelope, message: Message) -> None:
        if listener := wiring(self.context).listeners.get(key_of(envelope)):
            self.overheard.append(Overheard(record, heard_in(envelope, message), listener))

    # --- behind the barrier

    def _ask_handlers(self) -> None:
        if not self.items:
            return
        sagas = (item.task.request.saga_id for item in self.items)
        behind = ParkedBehind(DeadLetters(self.database), sagas)
        for wave in waves(self._distinct()):
            for item in self._carry_out_wave(wave, behind):
                behind.carried_out(item.task.request)
        behind.save()

    def _distinct(self) -> list[Item]:
        """One item per request; the answer to it answers its repetitions. What a person records
        is no repetition of what the engine asked."""
        first: dict[tuple[Request, bool], Item] = {}
        for item in self.items:
            key = (item.task.request, isinstance(item.task.message, RecordHappened))
            if first.setdefault(key, item) is not item:
                self.notes.append((item, Decision.DUPLICATE))
        return list(first.values())

    def _carry_out_wave(self, wave: Sequence[Item], behind: ParkedBehind) -> list[Item]:
        """Those that were decided, and not only refused as a person's word that is not so."""
        found = self._rows_of(wave)
        items = self._let_wait(wave, found, behind)
        if not items:
            return []
        calls = self.intents.lock([key for key, entry in found.items() if entry.row.status in OPEN])
        verdicts = [self._verdict(item, found, calls) for item in items]
        self.spans.decided((each.item.record, each.decision) for each in verdicts)
        answers = self._decide([each for each in verdicts if each.decision in HANDLED])
        self.notes += [(v.item, v.decision) for v in verdicts if v.decision not in ORDINARY]
        self.log.settle([row for each in verdicts for row in self._conclude(each, answers)])
        self._change_intents(verdicts, answers)
        return [each.item for each in verdicts if each.decision not in REFUSING]

    def _rows_of(self, items: Sequence[Item]) -> dict[Key, Entry]:
        """The rows that were there, locked; those that were not are claimed, where it is for them
        to be made."""
        claimed, found = [], []
        for item in items:
            r = item.task.request
            if claims_row(item.task.message):
                claimed.append((r.saga_id, r.step, r.generation))
            else:
                found.append((r.saga_id, r.step))
        return self.log.claim(claimed, found)

    def _let_wait(
        self, wave: Sequence[Item], found: Mapping[Key, Entry], behind: ParkedBehind
    ) -> list[Item]:
        """Those that need not wait behind what is parked. Few ever wait, so all are claimed in the
        round trip that asks what is parked."""
        waiting = [item for item in wave if behind.must_wait(item.task.request)]
        if not waiting:
            return list(wave)
        for item in waiting:
            behind.letters.wait(item.record, item.task.request)
        claims = [each.task.request for each in waiting if claims_row(each.task.message)]
        keys = [(each.saga_id, each.step) for each in claims]
        self.log.unclaim([key for key in keys if key not in found])
        return [item for item in wave if item not in waiting]

    def _verdict(
        self, item: Item, found: Mapping[Key, Entry], calls: Mapping[Key, OpenIntent]
    ) -> Verdict:
        request = item.task.request
        entry, intent = (
            found.get((request.saga_id, request.step)),
            calls.get((request.saga_id, request.step)),
        )
        row = entry.row._replace(intent=intent and intent.for_barrier) if entry else None
        if isinstance(item.task.message, RecordHappened):
            decision = decide_by_hand(row, leased=bool(intent and intent.leased))
            return Verdict(item, decision, entry, intent)
        with blamed_on(item.record):
            decision = (decide if item.handler else decide_resolved)(row, request)
        return Verdict(item, decision, entry, intent)

    def _decide(self, verdicts: Sequence[Verdict]) -> dict[Item, Event | CallOutside | None]:
        """Load, decide, save: once for each workspace that the items need."""
        answers: dict[Item, Event | CallOutside | None] = {}
        handlers: dict[Item, Handler | Reaction] = {}
        tasks: dict[Item, Task] = {}
        for each in verdicts:
            handlers[each.item], tasks[each.item] = self._handler(each)
        for workspace_type, group in by_workspace(handlers, handlers.__getitem__):
            workspace = workspace_type.load(self.database, [tasks[item] for item in group])
            for item in group:
                workspace.request = item.task.request
                with blamed_on(item.record):
                    answer = handlers[item].decide(item.task.message, workspace)
                    answers[item] = checked(item, answer)
            workspace.save()
        return answers

    def _handler(self, verdict: Verdict) -> tuple[Handler | Reaction, Task]:
        """Who decides, and what is loaded for it; of what a person did outside, the one who records
        the call's outcome, and the call."""
        item, intent = verdict.item, verdict.intent
        if item.handler:
            return item.handler, item.task
        assert intent  # only of an open call can a person tell the outcome
        operation = wiring(self.context).calls[intent.operation]
        call = call_of(intent, operation)

        def record(message: RecordHappened | ResolveOutside, workspace: Workspace) -> Event:
            return operation.record(call, ByHand(message.evidence), workspace)

        return Handler(record, operation.workspace), Task(item.task.request, call)

    def _conclude(
        self, verdict: Verdict, answers: Mapping[Item, Event | CallOutside | None]
    ) -> Iterator[Settled]:
        """Queue the answer of a decision; what it leaves in the log."""
        item, decision, entry, intent = verdict
        request, answer = item.task.request, answers.get(item)
        if decision is Decision.ANSWER_AGAIN and entry:
            self._answer(item, again(item, entry, intent.reason if intent else ""))
        if decision is Decision.NOTHING_OUTSIDE:
            self._answer(item, UndoRefused(reason=NOTHING_OUTSIDE))
        if decision is Decision.NOT_RECORDED:
            self._answer(item, RecordRefused(reason=why_not_recorded(entry and entry.row)))
        if decision in CLOSING:
            answer = nothing_happened(item.envelope, item.task.message)
        if decision not in HANDLED | CLOSING:
            return
        if isinstance(answer, CallOutside):
            kept = entry.answer if entry else Answer()
        else:
            kept = self._answer(item, answer)
        generation = generation_after(decision, entry and entry.row, request)
        status = status_after(decision, answer)
        yield Settled(request.saga_id, request.step, status, generation, kept)

    def _answer(self, item: Item, event: Event | None) -> Answer:
        if event is None:
            return Answer()
        request = answered_request(item)
        envelope = envelope_of(self.context, item.envelope, event, request)
        self.outgoing.append(envelope)
        return kept_answer(envelope)

    def _change_intents(
        self, verdicts: Sequence[Verdict], answers: Mapping[Item, Event | CallOutside | None]
    ) -> None:
        """What the decisions do to outside calls: new ones, withdrawn ones, ones to be undone."""
        of: dict[CallChange | None, list[tuple[UUID, Envelope]]] = defaultdict(list)
        for item, decision, _, intent in verdicts:
            if intent:
                of[CHANGES_CALL.get(decision)].append((intent.id, item.envelope))
        self.intents.withdraw(id for id, _ in of[CallChange.WITHDRAWN])
        self.intents.settle_by_hand(id for id, _ in of[CallChange.SETTLED])
        self.intents.forget(self._ended(verdicts))
        self.intents.remember(of[CallChange.REMEMBERS])
        wanted = [(i.envelope, a) for i, a in answers.items() if isinstance(a, CallOutside)]
        self.intents.add(wanted)
        woken = [
            each.intent.id for each in verdicts if each.decision is Decision.WAKE and each.intent
        ]
        self.intents.hasten(woken)
        self.calls_wait |= bool(wanted or of[CallChange.REMEMBERS] or woken)

    def _ended(self, verdicts: Sequence[Verdict]) -> Iterator[tuple[UUID, str]]:
        """The calls that are open no more, and which field of each was personal."""
        for _, decision, _, intent in verdicts:
            if intent and CHANGES_CALL.get(decision) in ENDS_CALL:
                yield intent.id, wiring(self.context).calls[intent.operation].personal

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
                    topic=outgoing.topic,
                )
            )

    def _write_notes(self) -> None:
        rows = [
            (uuid7(), r.saga_id, r.step, r.action, r.generation, decision, item.envelope.message_id)
            for item, decision in self.notes
            for r in [item.task.request]
        ]
        if rows:
            self.spans.decided((item.record, decision) for item, decision in self.notes)
            self.database.send(NOTE, columns(rows, 7))
            count_decisions(self.database, (decision for _, decision in self.notes))
