"""Waiting without leaving a consumer group: polling goes on, and gives nothing."""

import time
from collections.abc import Callable

from confluent_kafka import Consumer, Message

POLL_SECONDS = 0.1


class Rest:
    """The rests of one consumer. What is read meanwhile is held, for the consumer to take later."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.held: list[Message] = []
        self._paused: set[tuple[str, int]] = set()  # and not yet resumed

    def take(self, seconds: float, *, until: Callable[[], bool]) -> None:
        """Rest for so long, or until something holds."""
        partitions = self.consumer.assignment()
        self.consumer.pause(partitions)
        self._paused |= {(each.topic, each.partition) for each in partitions}
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not until():
            if message := self.consumer.poll(min(left, POLL_SECONDS)):
                self.held.append(message)  # of a partition that was assigned meanwhile
        self.resume()

    def resume(self) -> None:
        """Resume what was paused, as soon as it is ours: librdkafka keeps a partition paused that
        was lost while we rested and is assigned again later."""
        if self._paused:
            ours = [e for e in self.consumer.assignment() if (e.topic, e.partition) in self._paused]
            self.consumer.resume(ours)
            self._paused -= {(each.topic, each.partition) for each in ours}
