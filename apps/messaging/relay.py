"""The relay: sends what the outbox holds, from memory right after the commit, else by sweeping.

Dispatch is best effort and never fails a request: a queue that is full, a broker that is away and
a process that dies leave the row in the outbox, and a sweeper sends it some seconds later. It goes
through the table in rounds: rows that cannot be sent hold up none behind them, and one that commits
late is found in the next round. There is no NOTIFY (it takes a lock across the whole server). A row
leaves the table when the broker has acknowledged it. A resend is a duplicate, never a loss; the
barrier absorbs it.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple
from uuid import UUID

import django.db
import msgspec
import psycopg
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings

from apps.contracts import headers as h
from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.database import Database
from apps.messaging.failpoints import reach
from apps.messaging.kafka import new_producer, topic_name
from apps.messaging.metrics import tell_swept
from apps.messaging.request import Request
from apps.messaging.tracing import tracer
from apps.messaging.transactional import TransactionalProducer

log = structlog.get_logger()

OVERDUE_SECONDS = 5  # without acknowledgement for so long, a row is the sweeper's
SEND_OFF_SECONDS = 5
SWEEP_LIMIT = 500
SWEEP_EVERY_SECONDS = 1
TELL_EVERY_SECONDS = 1
TIDY_EVERY_SECONDS = 1
POSTMAN_PAUSE_SECONDS = 0.5
START = UUID(int=0)  # every row lies behind it

# Only one sweeper works on a database: an advisory lock until the transaction's end.
TAKE_SWEEPERS_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('outbox_sweeper'))"

# What should have been acknowledged by now and lies behind a row, oldest first.
OVERDUE = """
SELECT id, topic, saga_id, headers, payload FROM {context}_outboxmessage
WHERE created_at < clock_timestamp() - make_interval(secs => %b) AND id > %b
  AND id <> ALL(%b::uuid[])
ORDER BY id LIMIT %b
"""

# Acknowledged messages leave the table.
DELETE = "DELETE FROM {context}_outboxmessage WHERE id = ANY(%b::uuid[])"


class Letter(NamedTuple):
    """A message ready for the wire."""

    id: UUID
    topic: str
    saga_id: UUID
    headers: dict[str, str]
    payload: bytes


def request_of(letter: Letter) -> Request:
    """What a well-formed letter asks or tells of."""
    told = letter.headers
    facts = (Action(told[h.ACTION]), int(told[h.GENERATION]), Mode(told[h.MODE]))
    return Request(letter.saga_id, told[h.STEP_ID], *facts)


class Relay:
    """Sends the outbox of one database from this process, each row at most once at a time."""

    def __init__(self, alias: str, producer: Producer | TransactionalProducer) -> None:
        self.database = Database(alias)
        self.producer = producer
        self._lock = threading.Lock()  # delivery reports come in any thread that polls
        self._tidying = threading.Lock()
        self._under_way: set[UUID] = set()
        self._acknowledged: set[UUID] = set()
        self.attended = False  # somebody calls `tidy` and polls; else a postman is started
        self._swept_at = self._tidied_at = time.monotonic()
        self._swept_to = START  # the last row that was found in this round
        self._undelivered, self._told_at = 0, 0.0

    def attend(self) -> None:
        """Serve delivery reports, tidy and sweep when it is time. For a loop to call often."""
        self.producer.poll(0)
        now = time.monotonic()
        if now - self._tidied_at > TIDY_EVERY_SECONDS:
            self._tidied_at = now
            self.tidy()
        if now - self._swept_at > SWEEP_EVERY_SECONDS:
            self._swept_at = now
            self.sweep()

    def send_off(self) -> None:
        """Wait for what is on its way, some seconds at most, and tidy: before a process ends."""
        self.producer.flush(SEND_OFF_SECONDS)
        self.tidy()

    def dispatch(self, letters: Sequence[Letter]) -> None:
        """Hand letters to the producer. What its queue has no room for is left to the sweeper."""
        with self._lock:
            if not self.attended:
                self.attended = True
                Postman(self).start()
            self._under_way.update(letter.id for letter in letters)
        for number, letter in enumerate(letters):
            try:
                self._produce(letter)
            except BufferError as error:
                self._leave_to_sweeper(letters[number:], error)
                break
            except KafkaException as error:  # this letter's own: its topic, its size
                self._leave_to_sweeper([letter], error)
        reach("relay.produced", map(request_of, letters), first=self.producer.flush)
        self.producer.poll(0)

    @contextmanager
    def acknowledged(self) -> Iterator[list[UUID]]:
        """The rows that the broker has and the table need not keep, for the caller to delete.

        Each is given to one caller only: two that deleted the same rows would wait for each other.
        They are given back if the caller fails. Should its transaction roll back later they are
        swept, sent again and acknowledged again.
        """
        with self._lock:
            ids, self._acknowledged = sorted(self._acknowledged), set()
        try:
            yield ids
        except BaseException:
            with self._lock:
                self._acknowledged.update(ids)
            raise

    def tidy(self) -> int:
        """Delete acknowledged rows now; how many. When it returns, what another thread was
        deleting is deleted too."""
        with self._tidying, self.acknowledged() as ids:
            if ids:
                self.database.execute(DELETE, [ids])
        return len(ids)

    def sweep(self, overdue_seconds: float = OVERDUE_SECONDS) -> int:
        """Send what is overdue, if no other sweeper does, so many rows at most; how many these
        were. The next time goes on behind them; a round that has come to its end begins anew."""
        with self.database.transaction():
            if not self.database.fetch(TAKE_SWEEPERS_LOCK)[0][0]:
                return 0
            tell_swept(self.database.alias)
            letters = self._overdue(overdue_seconds)
            if letters:
                log.info("outbox_swept", context=self.database.alias, messages=len(letters))
                tracer().resend(letter.headers for letter in letters)
                self.dispatch(letters)
                self.producer.flush(OVERDUE_SECONDS)
        return len(letters)

    def _overdue(self, seconds: float) -> list[Letter]:
        with self._lock:
            under_way = list(self._under_way | self._acknowledged)
        given = (float(seconds), self._swept_to, under_way, SWEEP_LIMIT)
        rows = self.database.fetch(OVERDUE, given)
        self._swept_to = rows[-1][0] if len(rows) == SWEEP_LIMIT else START
        return [
            Letter(id, topic, saga_id, msgspec.json.decode(headers), bytes(payload))
            for id, topic, saga_id, headers, payload in rows
        ]

    def _produce(self, letter: Letter) -> None:
        self.producer.produce(
            topic_name(letter.topic),
            letter.payload,
            str(letter.saga_id),
            headers=list(letter.headers.items()),
            on_delivery=partial(self._delivered, letter.id),
        )

    def _leave_to_sweeper(self, letters: Sequence[Letter], error: Exception) -> None:
        with self._lock:
            self._under_way.difference_update(letter.id for letter in letters)
        self._tell_undelivered(len(letters), error)

    def _delivered(self, id: UUID, error: KafkaError | None, message: Message | None) -> None:
        with self._lock:
            self._under_way.discard(id)
            if error is None:
                self._acknowledged.add(id)
        if error is not None:
            self._tell_undelivered(1, error)

    def _tell_undelivered(self, messages: int, error: object) -> None:
        """At most once a second: a broker that is away concerns thousands of messages."""
        self._undelivered += messages
        if time.monotonic() - self._told_at > TELL_EVERY_SECONDS:
            log.warning(
                "messages_left_to_the_sweeper",
                context=self.database.alias,
                messages=self._undelivered,
                error=str(error),
            )
            self._undelivered, self._told_at = 0, time.monotonic()


class Postman(threading.Thread):
    """Serves a relay in a process that has no loop of its own for it, such as a web server."""

    def __init__(self, office: Relay) -> None:
        super().__init__(name=f"postman-{office.database.alias}", daemon=True)
        self.office = office

    def run(self) -> None:
        while True:
            self.office.producer.poll(POSTMAN_PAUSE_SECONDS)
            try:
                self.office.tidy()
            except (psycopg.Error, django.db.Error) as error:
                context = self.office.database.alias
                log.warning("outbox_not_tidied", context=context, error=type(error).__name__)
                self.office.database.reconnect()
            time.sleep(POSTMAN_PAUSE_SECONDS)


class _Process:
    """What one process has of Kafka: a relay for each database that it writes, and one producer for
    all of them, or with transactions one for each."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.producer = None if settings.KAFKA_TRANSACTIONS else new_producer()
        self.relays: dict[str, Relay] = {}

    def relay(self, alias: str) -> Relay:
        with self.lock:
            if alias not in self.relays:
                self.relays[alias] = Relay(alias, self.producer or TransactionalProducer(alias))
            return self.relays[alias]


_process: _Process | None = None
_starting = threading.Lock()


def relay(alias: str) -> Relay:
    """This process's relay of a database. The producer is made on first use, so after a fork."""
    global _process  # noqa: PLW0603  the one thing of a process that all its threads share
    with _starting:
        if _process is None or _process.pid != os.getpid():
            _process = _Process()
        return _process.relay(alias)
