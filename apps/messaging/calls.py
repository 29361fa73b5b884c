"""Making outside calls: claim an intent, call, record the outcome. For workers.

A call is made in no transaction. Its definite outcome is recorded in one: the saga log's row, the
business rows, the intent and the answer. A worker that dies in between leaves the intent claimed;
when its lease has run out, another asks again under the same key.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import structlog
from django.db import transaction

from apps.contracts.base import Compensation, Event
from apps.contracts.catalogue import MESSAGES, command_topic
from apps.contracts.steps import Fenced, UndoRefused
from apps.messaging.answers import (
    checked_event,
    envelope_of,
    happened,
    kept_answer,
    nothing_happened,
    told_to_wait,
)
from apps.messaging.barrier import Status
from apps.messaging.database import Database
from apps.messaging.dead_letters import describe
from apps.messaging.dispatching import dispatcher
from apps.messaging.envelope import Envelope
from apps.messaging.errors import AskedInVain
from apps.messaging.failpoints import reach
from apps.messaging.handling import CallOutside, StillWaiting, Task, Workspace
from apps.messaging.intents import Claimed, IntentTable, Waiting, call_of, facts, kept
from apps.messaging.models import IntentStatus
from apps.messaging.outages import Heard
from apps.messaging.outbox import publish
from apps.messaging.recording import Recorded, What, Who, recorded, undone_at_once
from apps.messaging.request import Request
from apps.messaging.retry import is_passing, pause_before_call
from apps.messaging.saga_log import Answer, Entry, SagaLogTable, Settled
from apps.messaging.tracing import tracer
from apps.messaging.waking import wake
from apps.messaging.wiring import wiring

log = structlog.get_logger()


def work(context: str) -> int:
    """Claim and carry out what is due in one context until nothing is, many calls at a time; how
    many were begun. See Dispatcher.work."""
    return dispatcher(context, carry_out).work()


def carry_out(context: str, claimed: Claimed) -> Heard:
    """Make one call and record what came of it; what it tells of its provider."""
    of = (context, claimed.request, claimed.operation)
    with tracer().call(*of, asked=claimed.asked, attempt=claimed.attempt):
        return attempt(context, claimed)


def attempt(context: str, claimed: Claimed) -> Heard:
    """What `carry_out` does, within its span."""
    operation = wiring(context).calls[claimed.operation]
    call = call_of(claimed, operation)
    reach("intent.claimed", [call.request])
    try:
        outcome = operation.make(call)
        reach("intent.called", [call.request])
    except StillWaiting as waiting:
        wait(context, claimed, waiting)
        return Heard.NOTHING if waiting.untouched else Heard.ANSWER
    except Exception as error:  # whatever it is: the call may have had its effect
        ask_again(context, claimed, error)
        return Heard.ANSWER if isinstance(error, AskedInVain) else Heard.SILENCE
    reach("intent.answered", [call.request])
    record_anyhow(context, claimed, outcome)
    return Heard.ANSWER


def record_anyhow(context: str, claimed: Claimed, outcome: Any) -> None:
    """Record an outcome; a bug in what it means loses no call, it is asked for again."""
    try:
        record(context, claimed, outcome)
    except Exception as error:
        if is_passing(error):
            raise
        log.exception("outcome_not_recorded", context=context, **facts(claimed))
        ask_again(context, claimed, error)


def ask_again(context: str, claimed: Claimed, error: Exception) -> None:
    """The outcome is not known: never a refusal. The same key again, after a while."""
    tracer().fail(error)
    pause = pause_before_call(claimed.attempt)
    reason = f"{type(error).__name__}: {describe(error)}"
    log.warning(
        "outcome_unknown",
        context=context, attempt=claimed.attempt, error=reason, pause=pause, **facts(claimed),
    )  # fmt: skip
    table = IntentTable(Database(context))
    table.put_off(claimed, IntentStatus.UNKNOWN, reason, seconds=pause)


def wait(context: str, claimed: Claimed, waiting: StillWaiting) -> None:
    """More time is needed: tell whoever waits, and ask again then."""
    database = Database(context)
    touched = claimed.called_before or not waiting.untouched
    status = IntentStatus.WAITING if touched else IntentStatus.DUE
    with database.transaction():
        table = IntentTable(database)
        pause = pause_before_call(claimed.attempt)  # at least, whatever time is named
        asked = table.put_off(claimed, status, waiting.reason, until=waiting.until, seconds=pause)
        if asked is None:
            return
        who = asked.who_waits(context)
        publish(database, [told_to_wait(context, who, waiting.reason, asked.due_at)])


def record(context: str, claimed: Claimed, outcome: Any) -> bool:
    """Write the definite outcome of a call and answer all who wait for it, in one transaction.

    False where the lease is lost: then nothing is changed and nothing told.
    """
    database = Database(context)
    with database.transaction():
        recording = Recording(context, claimed)
        if not recording.hold():
            log.warning("lease_lost", context=context, **facts(claimed))
            return False
        recording.write(outcome)
        reach("intent.before_commit", [claimed.request])
    return True


class Recording:
    """The transaction that writes the outcome of one call."""

    def __init__(self, context: str, claimed: Claimed) -> None:
        self.context = context
        self.claimed = claimed
        self.database = Database(context)
        self.log = SagaLogTable(self.database)
        self.intents = IntentTable(self.database)
        self.operation = wiring(context).calls[claimed.operation]
        self.call = call_of(claimed, self.operation)
        self.outgoing: list[Envelope] = []
        self.entry: Entry
        self.waiting: Waiting

    def hold(self) -> bool:
        """Lock the step's row, then the call; whether it is still this worker's."""
        request = self.claimed.request
        self.entry = self.log.lock(request.saga_id, request.step)
        waiting = self.intents.hold(self.claimed)
        if waiting:
            self.waiting = waiting
        return waiting is not None

    def write(self, outcome: Any) -> None:
        """Everything, as the outcome and those who wait for it have it."""
        event = self._decide(
            self.operation.workspace,
            lambda workspace: self.operation.record(self.call, outcome, workspace),
            self.call,
        )
        asked = self._kept(self.waiting.request)
        event = checked_event(MESSAGES[asked.type, asked.version], event, outside=True)
        if isinstance(event, UndoRefused):
            self.intents.close(self.claimed, IntentStatus.REFUSED, event.reason)
        else:
            self.intents.close(self.claimed, IntentStatus.SETTLED, "")
            self.intents.forget([(self.claimed.id, self.operation.personal)])
        row, kept = self._recorded(event)
        request = self.claimed.request
        generation = self.entry.row.generation
        self.log.settle([Settled(request.saga_id, request.step, row, generation, kept)])
        after = partial(reach, "intent.recorded", [request])
        transaction.on_commit(after, using=self.context)
        publish(self.database, self.outgoing)

    def _recorded(self, event: Event) -> tuple[Status, Answer]:
        undo, fence = bool(self.waiting.undo), bool(self.waiting.fence)
        found = recorded(self.claimed.request.action, event, undo=undo, fence=fence)
        return self._success_undone(event) if found is None else self._told(found, event)

    def _told(self, found: Recorded, event: Event) -> tuple[Status, Answer]:
        """Tell all that is to be told; what the row says then, and the answer that it keeps."""
        answers: dict[Who, Answer] = {}
        for who, what in found.tells:
            answers[who] = self._tell(getattr(self.waiting, who), self._event(what, event, answers))
        return found.status, answers[found.keeps] if found.keeps else self.entry.answer

    def _event(self, what: What, event: Event, answers: Mapping[Who, Answer]) -> Event:
        if what is What.NOTHING_TO_UNDO:
            return nothing_happened(self._kept(self.waiting.undo))
        if what is What.FENCED:
            return Fenced()
        if what is What.NOT_UNDONE:
            return UndoRefused(reason="It has happened after all: undo it")
        return happened(answers[Who.REQUEST]) if what is What.HAPPENED else event

    def _success_undone(self, event: Event) -> tuple[Status, Answer]:
        """A compensation has waited for this: no success is told, it is undone at once."""
        asked = self._kept(self.waiting.undo)
        message = asked.open()
        assert isinstance(message, Compensation)
        handler = wiring(self.context).commands.get((asked.type, asked.version))
        if handler is None:  # a person's evidence came before the call had its outcome
            return self._told(undone_at_once(None), event)
        answer = self._decide(
            handler.workspace,
            lambda workspace: handler.decide(message, workspace),
            message,
            asked.request,
        )
        if not isinstance(answer, CallOutside):
            answer = checked_event(type(message), answer)
            return self._told(undone_at_once(answer), answer)
        found = undone_at_once(answer)
        self.intents.add([(asked, answer)])
        transaction.on_commit(partial(wake, self.context), using=self.context)
        told = envelope_of(self.context, self._kept(self.waiting.request), event, self.call.request)
        return found.status, kept_answer(told)

    def _decide(
        self,
        workspace_type: type[Workspace],
        decide: Callable[[Workspace], Event | CallOutside | None],
        message: msgspec.Struct,
        request: Request | None = None,
    ) -> Event | CallOutside | None:
        """Load, decide, save."""
        request = request or self.call.request
        workspace = workspace_type.load(self.database, [Task(request, message)])
        workspace.request = request
        answer = decide(workspace)
        workspace.save()
        return answer

    def _kept(self, headers: str) -> Envelope:
        return tracer().within(kept(headers, command_topic(self.context)))

    def _tell(self, headers: str, event: Event) -> Answer:
        """Answer one of those who wait."""
        asked = self._kept(headers)
        envelope = envelope_of(self.context, asked, event, asked.request)
        self.outgoing.append(envelope)
        return kept_answer(envelope)
