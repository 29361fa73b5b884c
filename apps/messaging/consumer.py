"""The consumer of one context: read a batch, carry it out, commit the offsets, in that order."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple, TypeVar

import django.db
import psycopg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from django.db import transaction

from apps.messaging.batch import Batch, HandlingFailed
from apps.messaging.database import Database
from apps.messaging.dead_letters import DeadLetters, describe, named
from apps.messaging.errors import RivalMovedFirst
from apps.messaging.failpoints import reach
from apps.messaging.kafka import end_told, is_error, new_consumer, topic_name
from apps.messaging.logs import at_hand
from apps.messaging.metrics import begin, observe_batch
from apps.messaging.offsets import Place
from apps.messaging.record import Record, read_record
from apps.messaging.relay import relay
from apps.messaging.resting import Rest
from apps.messaging.retry import ATTEMPTS, is_passing, pause_before
from apps.messaging.sorting import key_of, request_to_park
from apps.messaging.stopping import on_stop_signal
from apps.messaging.wiring import wiring

log = structlog.get_logger()
Result = TypeVar("Result")

MOST_MESSAGES = 100  # in one batch
MOST_RIVALS = 8  # attempts after which no rival is believed in any more
IDLE_SECONDS = 0.1  # how long one poll waits for a first message
COMMIT_OFFSETS_EVERY_SECONDS = 1
BUSY_FROM = 4  # messages in a batch: others are on their way
LONGEST_WAIT_SECONDS = 0.02  # of a busy consumer, for company


def patience_after(messages: int, seconds: float) -> float:
    """How many seconds the next batch waits for company, after one of so many messages that took so
    long: a batch costs nearly the same whatever its size.

    As long as the work took, so that nobody waits for more than half of the time; never after a
    small batch, so that a lone order waits for nobody, nor after a full one.
    """
    busy = BUSY_FROM <= messages < MOST_MESSAGES
    return min(seconds, LONGEST_WAIT_SECONDS) if busy else 0.0


def place_of(message: Message) -> Place:
    """Where a message was read."""
    return message.topic() or "", message.partition() or 0


class Failure(NamedTuple):
    """A message that could not be carried out, and why."""

    record: Record
    error: Exception


def carry_out(
    context: str, records: Sequence[Record], *, rivals_pass: bool = True
) -> list[Failure]:
    """Carry out what can be carried out; the messages that cannot be, each with its own error.

    A message that fails is left out and the rest applied again; on a database error the batch is
    halved until the bad message stands alone. Passing errors (connection lost, deadlock) are
    raised: they say nothing about a message. So is RivalMovedFirst, unless no more `rivals_pass`.
    """
    if not records:
        return []
    again = partial(carry_out, context, rivals_pass=rivals_pass)
    try:
        batch = Batch(context, records)
        with batch.spans:
            batch.carry_out()
    except HandlingFailed as failed:
        if is_passing(failed.error, rivals_pass=rivals_pass):
            raise failed.error from failed
        rest = [each for each in records if each is not failed.record]
        return [Failure(failed.record, failed.error), *again(rest)]
    except (psycopg.Error, django.db.Error, RivalMovedFirst) as error:
        if is_passing(error, rivals_pass=rivals_pass):
            raise
        if len(records) == 1:
            return [Failure(records[0], error)]
        middle = len(records) // 2
        return again(records[:middle]) + again(records[middle:])
    return []


def park(context: str, failures: Sequence[Failure]) -> None:
    """Keep what failed for good, each in a transaction of its own.

    What cannot be kept as it was read is kept by its place and payload, so that no message ever
    stops a consumer. Passing errors are raised: they say nothing about a message.
    """
    for failure in failures:
        try:
            _park_whole(context, failure)
        except Exception as in_the_way:
            if is_passing(in_the_way):
                raise
            _park_bare(context, failure, in_the_way)


def _park_whole(context: str, failure: Failure) -> None:
    record, error = failure
    database, request = Database(context), request_to_park(context, record)
    if request and not _is_heard(context, record):
        request = None
    told = request or (record.envelope and record.envelope.request)
    about = [told] if told else []
    with database.transaction():
        transaction.on_commit(partial(reach, "parking.after_commit", about), using=context)
        DeadLetters(database).park(record, request, error, ATTEMPTS)
        reach("parking.before_commit", about)
    with at_hand(record):
        log.error("message_parked", context=context, **named(error))


def _is_heard(context: str, record: Record) -> bool:
    """Whether those who only listen have heard what is parked for what it asks: a command may ask
    the same, which settles the parked copy, and they would never hear it.

    What they cannot hear is parked alone, until it is replayed. Passing errors are raised, but for
    a rival that was faster.
    """
    if record.envelope is None or key_of(record.envelope) not in wiring(context).listeners:
        return True
    try:
        batch = Batch(context, [record])
        with batch.spans:
            batch.only_listen()
    except Exception as error:
        cause = error.error if isinstance(error, HandlingFailed) else error
        if is_passing(cause, rivals_pass=False):
            raise cause from error
        log.warning("not_heard", context=context, **named(cause))
        return False
    return True


def _park_bare(context: str, failure: Failure, in_the_way: Exception) -> None:
    record, error = failure
    database = Database(context)
    with database.transaction():
        DeadLetters(database).park_bare(record, error, ATTEMPTS, in_the_way)
    log.error("message_parked_bare", context=context, place=record.place, **named(in_the_way))


class ContextConsumer:
    """Reads the topics of one context until it is told to stop."""

    def __init__(self, context: str) -> None:
        self.context = context
        self.database = Database(context)
        self.office = relay(context)
        self.office.attended = True
        self.consumer = new_consumer(context, self._on_committed)
        self.stopping = False
        self._hand: list[Message] = []  # what is carried out now, of partitions that are still ours
        self._positions: dict[Place, int] = {}  # carried out, not yet committed
        self._ends: dict[Place, int] = {}  # of what is taken and has nothing behind it
        self._noted: dict[Place, int] = {}  # the last position of each, committed or not
        self._committed_at = time.monotonic()
        self._patience = 0.0  # seconds that the next batch waits for company
        self.rest = Rest(self.consumer)

    def run(self) -> None:
        """Work until a signal (INT, TERM) or `stop`; what is begun is finished first."""
        structlog.contextvars.bind_contextvars(context=self.context)
        on_stop_signal(self.stop)
        self.open()
        try:
            while not self.stopping:
                self.turn()
        finally:
            self.close()

    def open(self) -> None:
        """Join the context's group."""
        topics = [topic_name(each) for each in wiring(self.context).topics]
        self.consumer.subscribe(topics, on_revoke=self._on_revoke, on_lost=self._on_lost)
        begin(self.context)
        log.info("consumer_started", context=self.context, topics=topics)

    def turn(self) -> int:
        """Read and carry out at most one batch; how many messages it had."""
        messages = self._take()
        if messages:
            records = [read_record(each) for each in messages]
            self._settle_and_tell(records)
            self._note_positions()
            reach("consumer.before_offsets", (e.envelope.request for e in records if e.envelope))
        else:
            self._patience = 0.0
        self._note_ends()
        self._persistently(self.office.attend)
        self._commit_offsets_when_due(idle=not messages)
        return len(messages)

    def stop(self) -> None:
        """Finish what is begun, then end."""
        self.stopping = True

    # --- reading

    def _take(self) -> list[Message]:
        """What is there: wait for a first message, and if busy a moment for others."""
        self.rest.resume()
        self._hand, self.rest.held = self.rest.held, []
        first = self._poll(0 if self._hand else IDLE_SECONDS)
        if first is not None:
            self._hand.append(first)
            company = self.consumer.consume(MOST_MESSAGES - 1, self._patience)
            self._hand += company  # which may be less than before: partitions are lost meanwhile
        self._hand = [
            each for each in self._hand if not (self._is_end(each) or is_error(each, self.context))
        ]
        return list(self._hand)

    def _poll(self, seconds: float) -> Message | None:
        """What comes first within that time; that there is no more in a partition is nothing."""
        until = time.monotonic() + seconds
        while (found := self.consumer.poll(max(0.0, until - time.monotonic()))) is not None:
            if not self._is_end(found):
                break
        return found

    def _is_end(self, message: Message) -> bool:
        if end := end_told(message):
            self._ends[end.topic, end.partition] = end.offset
        return end is not None

    # --- carrying out

    def _settle_and_tell(self, records: Sequence[Record]) -> None:
        began = time.perf_counter()
        parked = self._settle(records)
        seconds = time.perf_counter() - began
        observe_batch(self.context, messages=len(records), parked=parked, seconds=seconds)
        self._patience = patience_after(len(records), seconds)

    def _settle(self, records: Sequence[Record]) -> int:
        """Carry out all of them: at once, after repetitions, or by parking; how many these were."""
        failures = self._carry_out(records)
        for attempt in range(2, ATTEMPTS + 1):
            if not failures:
                return 0
            self._pause(pause_before(attempt))
            failed = [each.record for each in failures]
            failures = self._carry_out(failed)
        self._persistently(partial(park, self.context, failures))
        return len(failures)

    def _carry_out(self, records: Sequence[Record]) -> list[Failure]:
        """All that can be, however long a passing error lasts. A rival that is always faster is
        none: what one decides does not fit to what is there, and holds nobody up for ever."""
        attempts = count(1)
        return self._persistently(
            lambda: carry_out(self.context, records, rivals_pass=next(attempts) <= MOST_RIVALS)
        )

    def _persistently(self, work: Callable[[], Result]) -> Result:
        """Do it again for as long as only passing errors stand in the way."""
        attempt = 1
        while True:
            try:
                return work()
            except (psycopg.Error, django.db.Error, RivalMovedFirst) as error:
                if not is_passing(error) or self.stopping:
                    raise
                attempt += 1
                pause = pause_before(attempt)
                log.warning(
                    "database_in_the_way", context=self.context, error=describe(error), pause=pause
                )
                self.database.reconnect()
                self._pause(pause)

    def _pause(self, seconds: float) -> None:
        self.rest.take(seconds, until=lambda: self.stopping)

    # --- offsets

    def _note_positions(self) -> None:
        """Not of partitions that were taken from us meanwhile: our offsets would set those back who
        have them now."""
        for each in self._hand:
            place = place_of(each)
            self._positions[place] = self._noted[place] = (each.offset() or 0) + 1

    def _note_ends(self) -> None:
        """Behind the last message of a transaction lies its end. Until that is committed too, the
        context would seem not to have heard all: the watchdog would wait, and lag be told."""
        for place, offset in self._ends.items():
            if offset > self._noted.get(place, 0):
                self._positions[place] = self._noted[place] = offset
        self._ends.clear()

    def _commit_offsets_when_due(self, *, idle: bool) -> None:
        if self._positions and (
            idle or time.monotonic() - self._committed_at > COMMIT_OFFSETS_EVERY_SECONDS
        ):
            self.consumer.commit(offsets=self._take_positions())

    def _take_positions(self) -> list[TopicPartition]:
        offsets = [TopicPartition(*place, offset) for place, offset in self._positions.items()]
        self._positions.clear()
        self._committed_at = time.monotonic()
        return offsets

    def _on_committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Commit again what Kafka did not take, or what is known since. Otherwise a partition to
        which nothing more comes would seem unread for ever, and the watchdog would wait for it."""
        for each in partitions:
            place = (each.topic, each.partition)
            if (error or each.error) and place in self._noted:  # so it is ours still
                self._positions[place] = self._noted[place]

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Revoked between two batches: what is carried out is committed before others take over."""
        self._commit_offsets_at_once()
        self._forget(partitions)

    def _commit_offsets_at_once(self) -> None:
        """If Kafka refuses, others repeat some messages, which the barrier absorbs; what stays ours
        is committed again later."""
        if not self._positions:
            return
        try:
            done = self.consumer.commit(offsets=self._take_positions(), asynchronous=False)
        except KafkaException as error:
            log.warning("offsets_not_committed", context=self.context, error=str(error))
            self._positions.update(self._noted)
        else:
            self._on_committed(None, done or [])

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Others have these partitions already; they may repeat what the barrier absorbs."""
        self._forget(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        """What of them is held, and is in hand, others read again."""
        gone = {(each.topic, each.partition) for each in partitions}
        for place in gone:
            for known in (self._positions, self._ends, self._noted):
                known.pop(place, None)
        self._hand = [each for each in self._hand if place_of(each) not in gone]
        self.rest.held = [each for each in self.rest.held if place_of(each) not in gone]

    # --- the end

    def close(self) -> None:
        """Commit what is carried out and leave the group, so that others take over at once."""
        self._commit_offsets_at_once()
        self.consumer.close()
        self.office.send_off()
        self.office.attended = False
        log.info("consumer_stopped", context=self.context)
