"""The watchdog: finds sagas that have waited for too long, and tells them so. It decides nothing.

Time is the database's. A saga that cannot be told, for this code has no definition of its plan or
fails on it, is set aside alone: it comes onto the desk, and the others are told.

Two brakes keep a stalled consumer from becoming a mass refund: what is due is put off while its
answer may still be waiting in Kafka, unheard by the engine; and while too large a share of the live
sagas is late at once, requests are sent again and none is turned back.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from functools import partial
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog
from confluent_kafka import KafkaException
from django.conf import settings
from django.db import transaction
from uuid_utils.compat import uuid7

from apps.contracts.base import Event
from apps.contracts.catalogue import ALERTS, Action
from apps.contracts.plan import Mode
from apps.contracts.sagas import CompensationFree, CompensationHeld
from apps.messaging.context import context
from apps.messaging.dead_letters import describe
from apps.messaging.envelope import Envelope, new_envelope
from apps.messaging.failpoints import reach
from apps.messaging.heard import Hearing
from apps.messaging.leases import HeldLease
from apps.messaging.metrics import TURNED
from apps.messaging.outbox import publish
from apps.messaging.request import Request
from apps.messaging.retry import is_passing
from apps.messaging.starting import new_traceparent
from apps.messaging.wiring import wiring
from apps.processes.course import answer_topic
from apps.processes.errors import NoDefinition
from apps.sagas.desk import Desk, NewCase
from apps.sagas.engine import Sagas, hear_early
from apps.sagas.metrics import DEFERRED, HELD, OVERDUE, SET_ASIDE_TOTAL
from apps.sagas.state import DeskOverdue, Overdue, Resume, Said
from apps.sagas.state_sender import StateSender
from apps.sagas.statements import (
    CLOSE_UNTOLD,
    COUNT_LATE,
    DEFER,
    FIND_DUE,
    FIND_EARLY,
    HOLD_BACK,
    LET_GO,
    LOCK_DUE,
    SET_ASIDE,
)

log = structlog.get_logger()

MOST_SAGAS = 200  # in one turn
LEASE_SECONDS = 15
DEFER_SECONDS = 2
ASIDE_SECONDS = 300  # until a saga that could not be told is tried again
COMPENSATION = "compensation"  # the name of the brake
UNTOLD = "watchdog"  # the kind of its case
OF_NO_PLAN = "watchdog/1/orchestrated/watchdog"


class Ears(Protocol):
    """How far the engine has heard; Hearing is one."""

    def look(self) -> None:
        """Anew. Raises KafkaException."""

    def has_passed(self, topic: str, moment: datetime) -> bool:
        """Whether everything told there before the moment has been taken."""


class Due(NamedTuple):
    """A saga of which something is due."""

    saga_id: UUID
    plan: str
    step: str | None  # that it waits for
    at: datetime | None


class Watchdog:
    """One process's watch over all sagas; of several, the one with the lease works."""

    def __init__(self, ears: Ears | None = None) -> None:
        self.database = context("sagas").database
        self.lease = HeldLease("sagas", "watchdog", LEASE_SECONDS)
        self.ears = ears or Hearing("sagas", wiring("sagas").topics)
        self.holding_back: bool | None = None  # as it was told last; None: perhaps by another

    def turn(self) -> int:
        """Look once; how many sagas were told that something is due."""
        if not self.lease.take():
            self.holding_back = None
            HELD.set(0)
            return 0
        TURNED.labels("sagas").set_to_current_time()
        early = {saga_id for (saga_id,) in self.database.fetch(FIND_EARLY, [MOST_SAGAS])}
        self._each(early, self._hear_early, self._leave_early)
        found = [Due(*row) for row in self.database.fetch(FIND_DUE, [MOST_SAGAS])]
        ready = self._heard(found) if found else set()
        deferred = [each.saga_id for each in found if each.saga_id not in ready]
        if deferred:
            log.warning("answers_may_be_waiting", sagas=len(deferred))
            DEFERRED.inc(len(deferred))
            self.database.execute(DEFER, (float(DEFER_SECONDS), deferred))
        tell = partial(self._tell, restrained=self._too_many_are_late())
        return self._each(ready, tell, self._set_aside)

    def close(self) -> None:
        """Let another one watch."""
        self.lease.release()

    def _each(
        self,
        saga_ids: Collection[UUID],
        work: Callable[[Collection[UUID]], int],
        aside: Callable[[UUID, Exception], None],
    ) -> int:
        """Work on all of them; where that fails one by one, and what fails alone is put aside. What
        says nothing of a saga (a lost connection) is raised."""
        if not saga_ids:
            return 0
        try:
            return work(saga_ids)
        except Exception as error:  # whatever one saga makes of this code
            if is_passing(error):
                raise
            if len(saga_ids) == 1:
                [saga_id] = saga_ids
                aside(saga_id, error)
                return 0
        return sum(self._each([each], work, aside) for each in saga_ids)

    # --- what came early

    def _hear_early(self, saga_ids: Collection[UUID]) -> int:
        """What was kept for a start that another process was writing at that very moment; of how
        many sagas."""
        with self.database.transaction():
            sagas = Sagas.lock(self.database, set(saga_ids))
            sagas.lock_early(set(sagas.known))
            sent = [out for saga_id in sorted(sagas.known) for out in hear_early(sagas, saga_id)]
            sagas.save()
            publish(self.database, [sagas.envelope(each) for each in sent])
        return len(sagas.known)

    def _leave_early(self, saga_id: UUID, error: Exception) -> None:
        """For code that can take it; the saga itself is due in time, and comes onto the desk."""
        report("early_news_left", saga_id, error)

    # --- the first brake

    def _heard(self, found: Collection[Due]) -> set[UUID]:
        """Those whose answer does not wait in Kafka, and those that wait for none."""
        try:
            self.ears.look()
            return {each.saga_id for each in found if self._has_passed(each)}
        except KafkaException as error:
            log.warning("kafka_does_not_tell", error=str(error))
            return set()

    def _has_passed(self, due: Due) -> bool:
        if due.step is None or due.at is None:
            return True
        try:
            topic = answer_topic(due.plan, due.step)
        except NoDefinition:  # to be set aside when it is told
            return True
        return self.ears.has_passed(topic, due.at)

    # --- the second brake

    def _too_many_are_late(self) -> bool:
        """Whether automatic compensation is held back; a change is told on the alerts."""
        [(live, late)] = self.database.fetch(COUNT_LATE)
        hold = late >= settings.WATCHDOG_FEWEST_LATE and late > live * settings.WATCHDOG_LATE_SHARE
        HELD.set(hold)
        if hold != self.holding_back:
            event = (CompensationHeld if hold else CompensationFree)(live=live, late=late)
            with self.database.transaction():
                if self.database.execute(HOLD_BACK if hold else LET_GO, [COMPENSATION]):
                    told = "compensation_held" if hold else "compensation_free"
                    log.warning(told, live=live, late=late)
                    publish(self.database, [alert(event)])
            self.holding_back = hold
        return hold

    # --- telling

    def _set_aside(self, saga_id: UUID, error: Exception) -> None:
        """Put it onto the desk, and try again later."""
        report("saga_set_aside", saga_id, error)
        SET_ASIDE_TOTAL.inc()
        with self.database.transaction():
            rows = self.database.fetch(SET_ASIDE, (float(ASIDE_SECONDS), saga_id))
            desk = Desk(self.database)
            for plan, step, traceparent in rows:
                of = (saga_id, step, "", describe(error), plan, traceparent)
                desk.opened.append(NewCase(UNTOLD, "sagas", *of))
            desk.save()

    def _tell(self, saga_ids: Collection[UUID], *, restrained: bool) -> int:
        """That something is due; how many it was said to."""
        with self.database.transaction():
            due = [DueNow(*row) for row in self.database.fetch(LOCK_DUE, [sorted(saga_ids)])]
            self.database.execute(CLOSE_UNTOLD, [UNTOLD, [each.saga_id for each in due]])
            sagas = Sagas.lock(self.database, {each.saga_id for each in due})
            asked = {each: sagas.known[each.saga_id].request for each in due}
            sent = [
                out
                for each, request in asked.items()
                for said in due_things(each, request, restrained=restrained)
                for out in sagas.tell(each.saga_id, said)
            ]
            sagas.save()
            requests = [each for each in asked.values() if each]
            after = partial(reach, "watchdog.after_commit", requests)
            transaction.on_commit(after, using="sagas")
            publish(self.database, [sagas.envelope(each) for each in sent])
            reach("watchdog.before_commit", requests)
        OVERDUE.inc(len(due))
        return len(due)


class DueNow(NamedTuple):
    """A saga that is locked, and what of it is due."""

    saga_id: UUID
    paused: bool  # its pause is over
    pending: bool
    desk: bool
    past_deadline: bool


def due_things(due: DueNow, request: Request | None, *, restrained: bool) -> Iterator[Said]:
    """What there is to say to a saga that waits for a request."""
    if due.paused:
        yield Resume(past_deadline=due.past_deadline)
        return
    if due.desk:
        yield DeskOverdue()
    if due.pending and request:
        yield Overdue(request, past_deadline=due.past_deadline, restrained=restrained)


WATCHES = (Watchdog, StateSender)  # what run_watchdog runs of this context


def report(event: str, saga_id: UUID, error: Exception) -> None:
    """Log what stands in the way of one saga; that this code lacks a definition is no mistake of
    its own, and needs no traceback."""
    known = isinstance(error, NoDefinition)
    told = {"saga_id": str(saga_id), "error": describe(error)}
    log.error(event, **told, exc_info=None if known else error)


def alert(event: Event) -> Envelope:
    """News for those who run the platform."""
    request = Request(uuid7(), "watchdog", Action.DO, 1, Mode.ORCHESTRATED)
    return new_envelope(
        event, request, plan=OF_NO_PLAN, traceparent=new_traceparent(), topic=ALERTS
    )
