"""The transactional producer: what is sent together becomes visible together, or not at all.

A setting (KAFKA_TRANSACTIONS), and nothing rests on it: docs/decisions/0009 says why. To a relay it
is a producer like the other, that any thread may use and that keeps nobody waiting. A thread of its
own takes all that waits, sends it in one transaction, and tells of each message what became of it
only after Kafka's commit, so that no row leaves the outbox before. What could not be committed is
told as failed, and is the sweeper's like any other.
"""

import threading
from collections import deque
from collections.abc import Sequence

import django.db
import psycopg
import structlog
from confluent_kafka import KafkaError, KafkaException
from django.db import connections

from apps.messaging.transactions import Header, Parcel, Report, Transactions, error_of

log = structlog.get_logger()

MOST_WAITING = 100_000
MOST_TOGETHER = 500
EXPECTED = (KafkaException, psycopg.Error, django.db.Error)


class TransactionalProducer:
    """Of what a relay uses of a Producer: `produce`, `poll`, `flush` and its length."""

    def __init__(self, context: str) -> None:
        self.context = context
        self.transactions: Transactions | None = None  # made when there is something to send
        self._waiting: deque[Parcel] = deque()
        self._unsettled = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"sends-{context}", daemon=True)
        self._thread.start()

    def produce(
        self, topic: str, value: bytes, key: str, *, headers: list[Header], on_delivery: Report
    ) -> None:
        """Let it be sent soon; returns at once. Raises BufferError when too much waits already."""
        with self._changed:
            if self._unsettled >= MOST_WAITING:
                raise BufferError(f"{MOST_WAITING} messages wait for Kafka to commit them")
            self._waiting.append(Parcel(topic, value, key, headers, on_delivery))
            self._unsettled += 1
            self._changed.notify_all()

    def poll(self, timeout: float = -1) -> int:
        """Nothing to serve: the thread tells. It waits for it, as the other one does."""
        with self._changed:
            return int(self._unsettled > 0 and self._changed.wait(positive(timeout)))

    def flush(self, timeout: float = -1) -> int:
        """Wait until it is known of every message what became of it; of how many it is not."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unsettled, positive(timeout))
            return self._unsettled

    def __len__(self) -> int:
        return self._unsettled

    def close(self) -> None:
        """Settle what waits, and give the slot back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    # --- the thread

    def _run(self) -> None:
        while parcels := self._next():
            self._settle(parcels)
        connections[self.context].close()

    def _next(self) -> list[Parcel]:
        """What waits; nothing when it is closed and all is sent."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            most = min(len(self._waiting), MOST_TOGETHER)
            return [self._waiting.popleft() for _ in range(most)]

    def _settle(self, parcels: Sequence[Parcel]) -> None:
        """Send all, and tell what became of each: what spoils a transaction is left out of the
        next, so that it holds up no other."""
        try:
            outcome = self._open().send(parcels)
        except Exception as error:  # whatever it is: what comes later may be sent
            self._begin_anew(error)
            self._tell(parcels, given_up(error))
            return
        spoiled = [parcels[number] for number in outcome.faults]
        rest = [each for number, each in enumerate(parcels) if number not in outcome.faults]
        for parcel, fault in zip(spoiled, outcome.faults.values(), strict=True):
            self._tell([parcel], fault)
        if outcome.committed:
            self._tell(rest, None)
        elif spoiled and rest:
            self._settle(rest)
        else:
            self._tell(rest, given_up(None))

    def _open(self) -> Transactions:
        if self.transactions is None:
            self.transactions = Transactions(self.context)
        return self.transactions

    def _begin_anew(self, error: Exception) -> None:
        """With another client, and in another slot if somebody has ours: also after it was fenced,
        for a process of many threads does not end because one of its clients does."""
        bug = None if isinstance(error, EXPECTED) else error
        log.warning("transactions_given_up", context=self.context, error=str(error), exc_info=bug)
        self.transactions = None
        connections[self.context].close()

    def _tell(self, parcels: Sequence[Parcel], error: KafkaError | None) -> None:
        for each in parcels:
            each.report(error, None)
        with self._changed:
            self._unsettled -= len(parcels)
            self._changed.notify_all()


def positive(timeout: float) -> float | None:
    """librdkafka's -1 is Python's None: for as long as it takes."""
    return None if timeout < 0 else timeout


def given_up(error: Exception | None) -> KafkaError:
    """Why messages were not committed."""
    if isinstance(error, KafkaException):
        return error_of(error)
    return KafkaError(KafkaError._FAIL, str(error) if error else "the transaction was aborted")
