"""Kafka's transactions, one at a time, under an id that no other living process has.

The id is that of an outbox and a slot: the lowest that is free, by a lock of the database session.
So it is the same after a restart, which ends what its predecessor left open. A process that has
lost its session and does not know it is a zombie: whoever takes its slot fences it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException, Message

from apps.messaging.database import Database
from apps.messaging.kafka import new_transactional_producer, transactional_id

log = structlog.get_logger()

ANSWER_SECONDS = 30  # for Kafka to begin, commit or abort; as long as a message may take
METADATA_SECONDS = 5
# How messages of an aborted transaction end that were not themselves the reason.
SWEPT_AWAY = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)

# The lowest slot that no other session holds; it is ours until the session ends or gives it back.
TAKE_SLOT = """
SELECT slot FROM generate_series(0, 9999) AS slot
WHERE pg_try_advisory_lock(hashtext('outbox_producer'), slot) LIMIT 1
"""

GIVE_SLOTS_BACK = "SELECT pg_advisory_unlock_all()"


Header = tuple[str, str | bytes | None]
Report = Callable[[KafkaError | None, Message | None], None]


class Parcel(NamedTuple):
    """A message, and who is told what became of it: an error, or none once it is committed."""

    topic: str
    value: bytes
    key: str
    headers: list[Header]
    report: Report


class Outcome(NamedTuple):
    """What became of parcels that were sent together."""

    committed: bool
    faults: dict[int, KafkaError]  # by number: what was itself refused; none of it is in Kafka


class Transactions:
    """A client with a slot. It belongs to one thread, whose database session holds the slot."""

    def __init__(self, context: str) -> None:
        """Take a slot, and end what was left open under its id. Raises the database's errors and
        KafkaException."""
        self._database = Database(context)
        self._database.fetch(GIVE_SLOTS_BACK)
        [(slot,)] = self._database.fetch(TAKE_SLOT)
        self.id = transactional_id(context, slot)
        self._producer = new_transactional_producer(self.id)
        self._producer.init_transactions(ANSWER_SECONDS)
        self._topics: set[str] = set()
        log.info("transactions_begun", context=context, transactional_id=self.id)

    def send(self, parcels: Sequence[Parcel]) -> Outcome:
        """Send these in one transaction, and commit or abort it.

        Raises KafkaException where neither has a definite end, or the id is somebody else's by now:
        make another client then.
        """
        faults: dict[int, KafkaError] = {}
        self._producer.begin_transaction()
        for number, parcel in enumerate(parcels):
            self._hand_over(parcel, partial(faults.__setitem__, number))
        return Outcome(self._commit(), faults)

    def _hand_over(self, parcel: Parcel, refuse: Callable[[KafkaError], None]) -> None:
        """What is in this message's own way stops no other."""

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is not None and error.code() not in SWEPT_AWAY:
                refuse(error)

        if not self._knows(parcel.topic):
            refuse(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"No topic {parcel.topic}"))
            return
        try:
            self._producer.produce(
                parcel.topic,
                parcel.value,
                parcel.key,
                headers=parcel.headers,
                on_delivery=on_delivery,
            )
        except KafkaException as error:  # its size
            refuse(error_of(error))

    def _knows(self, topic: str) -> bool:
        """Asked beforehand: a message to a missing topic would hold up its whole transaction."""
        if topic not in self._topics:
            self._topics = set(self._producer.list_topics(timeout=METADATA_SECONDS).topics)
        return topic in self._topics

    def _commit(self) -> bool:
        """Whether it is committed; else it is aborted. Both end all that is on its way."""
        try:
            self._producer.commit_transaction(ANSWER_SECONDS)
        except KafkaException as refusal:
            if not error_of(refusal).txn_requires_abort():
                raise
            self._producer.abort_transaction(ANSWER_SECONDS)
            return False
        return True


def error_of(refusal: KafkaException) -> KafkaError:
    """What Kafka's client has to say."""
    error = refusal.args[0]
    assert isinstance(error, KafkaError)
    return error
