"""Whether the topic saga-state says what the database says, and making it say so."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec.structs import replace

from apps.contracts.saga_state import SagaSnapshot
from apps.messaging.context import context
from apps.messaging.kafka import new_producer
from apps.sagas.snapshots import all_snapshots, changes, horizon, snapshots
from apps.sagas.state_topic import read_states, tell

PAUSE_SECONDS = 3.0  # longer than the sender takes from one turn to the next
PATIENCE_SECONDS = 60
QUEUE_SECONDS = 0.1

News = Iterable[tuple[UUID, SagaSnapshot | None]]


def differences() -> dict[UUID, str]:
    """What the topic says otherwise than the database, by saga, in words. It follows the database a
    moment later: what it says too little of is looked at twice. Raises KafkaException."""
    suspects = dict(_suspects())
    if not suspects:
        return {}
    time.sleep(PAUSE_SECONDS)
    known = read_states().known  # before the database: what is told there was in it
    now = {each.saga_id: each for each in snapshots(context("sagas").database, suspects)}
    return {
        saga_id: in_words(known.get(saga_id), now.get(saga_id))
        for saga_id, then in suspects.items()
        if not agrees(known.get(saga_id), then, now.get(saga_id))
    }


def _suspects() -> Iterator[tuple[UUID, SagaSnapshot | None]]:
    """Sagas of which the topic does not say what the database says, with what that is."""
    known = read_states().known
    for state in all_snapshots(context("sagas").database):
        if not is_so(known.pop(state.saga_id, None), state):
            yield state.saga_id, state
    yield from dict.fromkeys(known).items()


def agrees(told: SagaSnapshot | None, then: SagaSnapshot | None, now: SagaSnapshot | None) -> bool:
    """Whether the topic has at least what was so then, and nothing that is not so now."""
    if is_so(told, now):
        return True
    if told is None or now is None:
        return False
    return (then.revision if then else 0) <= told.revision < now.revision


def is_so(told: SagaSnapshot | None, now: SagaSnapshot | None) -> bool:
    """Whether the saga stands where the topic has it. What is heard of one after its end is in its
    history, raises its revision, and need not be told: it stands where it stood."""
    if told and now and now.ended_at and told.revision < now.revision:
        now = replace(now, revision=told.revision, changed_at=told.changed_at)
    return told == now


def in_words(told: SagaSnapshot | None, now: SagaSnapshot | None) -> str:
    """What is said of a saga, and what is so."""
    return f"the topic has {_in_words(told)}, the database {_in_words(now)}"


def _in_words(state: SagaSnapshot | None) -> str:
    return f"{state.status} at revision {state.revision}" if state else "nothing"


def republish() -> int:
    """Tell all sagas of the database anew, and of those that are only on the topic that they are
    gone; how many messages were sent. The sender may work beside it: the last word on a saga is
    never less than what was told before. Raises KafkaException where not all of them arrived."""
    database, producer = context("sagas").database, new_producer()
    since = horizon(database)  # before reading
    sent, told = _tell_all(producer, _news(), since)
    stale = _stale(told, since)
    while stale:
        news = ((state.saga_id, state) for state in snapshots(database, stale))
        more, told = _tell_all(producer, news, since)
        sent += more
        stale &= _stale(told, since)
    return sent


def _tell_all(producer: Producer, news: News, since: datetime) -> tuple[int, dict[UUID, int]]:
    """Send these, and wait for Kafka to have them: how many they are, and the revisions that were
    told of those that have changed since then. Raises KafkaException."""
    failures, sent, told = list[KafkaError](), 0, dict[UUID, int]()

    def report(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(error)

    for saga_id, state in news:
        _patiently(producer, partial(tell, producer, saga_id, state, report))
        sent += 1
        if state and state.changed_at >= since:
            told[saga_id] = state.revision
    if producer.flush(PATIENCE_SECONDS):
        failures.append(KafkaError(KafkaError._TIMED_OUT, "Not all messages have arrived"))
    if failures:
        raise KafkaException(failures[0])
    return sent, told


def _stale(told: dict[UUID, int], since: datetime) -> set[UUID]:
    """Sagas that have changed since then and are not as they were told: the sender may have said
    more of them before that arrived."""
    found = changes(context("sagas").database, since)
    return {each.saga_id for each in found if told.get(each.saga_id) != each.revision}


def _news() -> Iterator[tuple[UUID, SagaSnapshot | None]]:
    """What makes the topic say what the database says, whatever it says now."""
    known = read_states().known
    for state in all_snapshots(context("sagas").database):
        told = known.pop(state.saga_id, None)
        if told and told.revision > state.revision:  # of a database that was restored
            yield state.saga_id, None
        yield state.saga_id, state
    yield from dict.fromkeys(known).items()


def _patiently(producer: Producer, send: Callable[[], None]) -> None:
    """Send when there is room in the producer's queue."""
    while True:
        try:
            send()
        except BufferError:
            producer.poll(QUEUE_SECONDS)
        else:
            return
