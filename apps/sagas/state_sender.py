"""Tells on the topic saga-state where sagas stand: a cache for others, made of what is committed.

No saga's transaction does anything for it. Once a second the process with the lease looks which
sagas have changed and sends them as they are now, so that many changes of one become one message.
How far it has come is kept in the database when Kafka has acknowledged all of a pass: whoever goes
on begins there, so that what was on its way is sent again, and nothing is missing for good.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from confluent_kafka import KafkaError, Message, Producer

from apps.contracts.saga_state import SAGA_STATE, SagaSnapshot
from apps.messaging.context import context
from apps.messaging.kafka import new_producer
from apps.messaging.leases import HeldLease
from apps.sagas.snapshots import Change, changes, horizon, snapshots
from apps.sagas.state_topic import Report, tell

log = structlog.get_logger()

LEASE_SECONDS = 15
MOST_CHANGES = 50_000  # in one pass

READ_MARK = "SELECT until FROM sagas_statemark WHERE topic = %b"

# Where sagas stood before this moment is on the topic.
WRITE_MARK = """
INSERT INTO sagas_statemark (topic, until) VALUES (%b, %b)
ON CONFLICT (topic) DO UPDATE SET until = excluded.until
"""


class StateSender:
    """One process's telling; of several, the one with the lease tells."""

    def __init__(self, producer: Producer | None = None) -> None:
        self.database = context("sagas").database
        self.lease = HeldLease("sagas", "saga_state", LEASE_SECONDS)
        self._producer = producer
        self._told: dict[UUID, int] = {}  # by saga: the revision that the pass before has sent
        self._under_way = self._lost = 0
        self._passed: datetime | None = None  # the next mark, once all has arrived

    @property
    def producer(self) -> Producer:
        """Made when there is something to do, so after a fork."""
        self._producer = self._producer or new_producer()
        return self._producer

    def turn(self) -> int:
        """Send what has changed since the last turn, unless Kafka still has that in hand; how many
        sagas were sent."""
        if not self.lease.take():
            return 0
        self.producer.poll(0)
        if self._under_way:
            return 0
        self._tell_lost()
        self._keep_mark()
        return self._pass()

    def close(self) -> None:
        """Let another one tell."""
        self.producer.flush(1)
        if not self._under_way:
            self._keep_mark()
        self.lease.release()

    # --- one pass

    def _pass(self) -> int:
        until = horizon(self.database)  # before reading
        found = changes(self.database, self._mark(), MOST_CHANGES)
        new = [each.saga_id for each in found if self._told.get(each.saga_id) != each.revision]
        known = {each.saga_id: each.revision for each in found}
        self._told = {saga_id: known[saga_id] for saga_id in known.keys() - set(new)}
        self._send(snapshots(self.database, new))
        if (new or len(found) >= MOST_CHANGES) and not self._lost:
            self._passed = mark_after(found, until)
        return len(new)

    def _send(self, states: Iterable[SagaSnapshot]) -> None:
        for state in states:
            try:
                tell(self.producer, state.saga_id, state, self._report(state.saga_id))
            except BufferError:
                self._failed(state.saga_id)
            else:
                self._under_way += 1
                self._told[state.saga_id] = state.revision
                self.producer.poll(0)

    def _report(self, saga_id: UUID) -> Report:
        def report(error: KafkaError | None, message: Message) -> None:
            self._under_way -= 1
            if error is not None:
                self._failed(saga_id)

        return report

    def _failed(self, saga_id: UUID) -> None:
        """The next pass finds it again: it begins where this one did."""
        self._told.pop(saga_id, None)
        self._passed = None
        self._lost += 1

    def _tell_lost(self) -> None:
        if self._lost:
            log.warning("saga_states_not_sent", sagas=self._lost)
            self._lost = 0

    # --- how far it has come

    def _mark(self) -> datetime | None:
        rows = self.database.fetch(READ_MARK, [SAGA_STATE])
        return rows[0][0] if rows else None

    def _keep_mark(self) -> None:
        if self._passed:
            self.database.execute(WRITE_MARK, (SAGA_STATE, self._passed))
            self._passed = None


def mark_after(found: list[Change], until: datetime) -> datetime:
    """Where the next pass begins: at the horizon of this one, or behind where it had to stop."""
    if len(found) < MOST_CHANGES:
        return until
    return min(until, found[-1].changed_at + timedelta.resolution)
