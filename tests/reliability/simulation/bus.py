"""Kafka as its clients see it: partitions, offsets, producers with delivery reports, consumers.

It keeps a broker's promises and no more: what is acknowledged is there, in the order of its
partition; a group goes on reading where its offsets were last committed.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, TopicPartition

from apps.messaging.dead_letter_copies import DEAD_LETTER_SUFFIX
from apps.messaging.kafka import plain_topic, topic_name
from tests.reliability.simulation.chance import Chance
from tests.reliability.simulation.clock import Clock
from tests.reliability.simulation.trace import Trace

PARTITIONS = 3
Place = tuple[str, int]  # topic, partition
Committed = Callable[[KafkaError | None, list[TopicPartition]], None]
Report = Callable[[KafkaError | None, "Message | None"], None]
NO_ANSWER = KafkaError(KafkaError._MSG_TIMED_OUT)


class Message(NamedTuple):
    """What lies in a partition, with a consumed message's methods."""

    place: Place
    number: int
    told_at: datetime
    key_: str
    headers_: tuple[tuple[str, bytes], ...]
    value_: bytes

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return self.place[0]

    def partition(self) -> int:
        return self.place[1]

    def offset(self) -> int:
        return self.number

    def key(self) -> bytes:
        return self.key_.encode()

    def headers(self) -> list[tuple[str, bytes]]:
        return list(self.headers_)

    def value(self) -> bytes:
        return self.value_


class Broker:
    """All partitions, what each group has committed, and who watches what is written."""

    def __init__(self, chance: Chance, clock: Clock, trace: Trace) -> None:
        self.chance, self.clock, self.trace = chance, clock, trace
        self.partitions: dict[Place, list[Message]] = {}
        self.committed: dict[str, dict[Place, int]] = {}
        self.witnesses: list[Callable[[Message], None]] = []

    def write(self, topic: str, key: str, headers: Iterable[tuple[str, str]], value: bytes) -> None:
        """Append a message to its partition, or to another one."""
        number = zlib.crc32(key.encode()) % PARTITIONS
        if self.chance.fault("reorder"):
            number = self.chance.below(PARTITIONS)
        log = self.partitions.setdefault((topic, number), [])
        encoded = tuple((name, text.encode()) for name, text in headers)
        message = Message((topic, number), len(log), self.clock.now, key, encoded, value)
        log.append(message)
        for witness in self.witnesses:
            witness(message)

    def lag(self, group: str, topics: Iterable[str]) -> dict[Place, Sequence[Message]]:
        """What a group has not committed yet."""
        committed = self.committed.setdefault(group, {})
        return {
            place: log[committed.get(place, 0) :]
            for topic in topics
            for place in [(topic, number) for number in range(PARTITIONS)]
            if len(log := self.partitions.get(place, [])) > committed.get(place, 0)
        }


class Producer:
    """One process's producer. What is in its queue goes when it is polled, or with the process."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._queue: list[tuple[str, bytes, str, list[tuple[str, str]], Report]] = []

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str,
        *,
        headers: list[tuple[str, str]],
        on_delivery: Report,
    ) -> None:
        if self.broker.chance.fault("queue full"):
            raise BufferError("Local: Queue full")
        self._queue.append((topic, value, key, headers, on_delivery))

    def poll(self, timeout: float = 0) -> int:
        """Send what is in the queue and report of it."""
        queue, self._queue = self._queue, []
        for topic, value, key, headers, report in queue:
            report(self._send(topic, value, key, headers), None)
        return len(queue)

    flush = poll

    def _send(
        self, topic: str, value: bytes, key: str, headers: list[tuple[str, str]]
    ) -> KafkaError | None:
        chance, trace = self.broker.chance, self.broker.trace
        name = f"{trace.message(dict(headers))} to {plain_topic(topic)}"
        if topic.endswith(DEAD_LETTER_SUFFIX):
            return None  # nobody reads these
        if chance.fault("loss"):
            trace.tell(f"    lost: {name}")
            return NO_ANSWER
        twice = chance.fault("duplicate")
        for _ in range(1 + twice):
            self.broker.write(topic, key, headers, value)
        trace.tell(f"    {'sent twice' if twice else 'sent'}: {name}")
        return NO_ANSWER if chance.fault("unreported") else None


class Consumer:
    """One process's membership in a group; the only member, so it has all partitions."""

    def __init__(self, broker: Broker, context: str, on_commit: Committed) -> None:
        self.broker, self.context = broker, context
        self._on_commit = on_commit
        self.refused: list[list[TopicPartition]] = []  # commits, not yet told of
        self.limit = 1  # how many messages there are to be had in this turn
        self._topics: list[str] = []
        self._positions: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._stalled: dict[Place, int] = {}  # until when, by the clock
        self._on_lost: Callable[[Any, list[TopicPartition]], None]

    def subscribe(self, topics: list[str], *, on_revoke: Any, on_lost: Any) -> None:
        self._topics, self._on_lost = topics, on_lost
        self._positions = dict(self.broker.committed.setdefault(self.context, {}))

    def waiting(self) -> list[Place]:
        """Partitions that have something to read now."""
        now = self.broker.clock.micros
        return [
            place
            for topic in self._topics
            for number in range(PARTITIONS)
            if (place := (topic, number)) not in self._paused
            and self._stalled.get(place, 0) <= now
            and len(self.broker.partitions.get(place, ())) > self._positions.get(place, 0)
        ]

    def poll(self, timeout: float) -> Message | None:
        while self.refused:
            self._on_commit(NO_ANSWER, self.refused.pop())
        taken = self._take(1)
        if not taken and timeout:
            self.broker.clock.move(timeout)
        return taken[0] if taken else None

    def consume(self, most: int, timeout: float) -> list[Message]:
        return self._take(min(most, self.limit - 1))

    def _take(self, most: int) -> list[Message]:
        taken: list[Message] = []
        for place in self.broker.chance.shuffled(self.waiting()) if most else []:
            start = self._positions.get(place, 0)
            found = self.broker.partitions[place][start : start + most - len(taken)]
            self._positions[place] = start + len(found)
            taken += found
        for message in taken:
            name = self.broker.trace.message(dict(message.headers_))
            self.broker.trace.tell(f"    takes: {name}")
        return taken

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(t, number) for t in self._topics for number in range(PARTITIONS)]

    def pause(self, places: list[TopicPartition]) -> None:
        self._paused |= {(each.topic, each.partition) for each in places}

    def resume(self, places: list[TopicPartition]) -> None:
        self._paused -= {(each.topic, each.partition) for each in places}

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool = True) -> None:
        if asynchronous and self.broker.chance.fault("offsets lost"):
            self.refused.append(offsets)
            return
        known = self.broker.committed[self.context]
        known.update({(each.topic, each.partition): each.offset for each in offsets})

    # --- what goes wrong

    def stall(self, seconds: float) -> None:
        """One partition gives nothing for a while."""
        if places := self.waiting():
            until = self.broker.clock.micros + int(seconds * 1_000_000)
            self._stalled[self.broker.chance.one_of(places)] = until

    def lose_partitions(self) -> None:
        """Another member has had them; it died, and they are ours again."""
        self._on_lost(self, self.assignment())
        self._positions = dict(self.broker.committed[self.context])

    def heal(self) -> None:
        self._stalled.clear()


class Ears:
    """How far the engine has heard, as its offsets and the times of messages tell."""

    def __init__(self, broker: Broker, context: str, topics: Iterable[str]) -> None:
        self.broker, self.context, self.topics = broker, context, [topic_name(t) for t in topics]
        self._lag: dict[Place, Sequence[Message]] = {}

    def look(self) -> None:
        self._lag = self.broker.lag(self.context, self.topics)

    def has_passed(self, topic: str, moment: datetime) -> bool:
        """As Hearing: of a partition that lags, what is uncommitted is at least so young."""
        name = topic_name(topic)
        return all(
            message.told_at >= moment
            for place, messages in self._lag.items()
            if place[0] == name
            for message in messages[:1]
        )
