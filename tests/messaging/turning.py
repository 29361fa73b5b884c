"""Turns of a consumer in the test's own thread."""

import time
from collections.abc import Callable

from apps.messaging.consumer import ContextConsumer

PATIENCE_SECONDS = 60


def turn_until(consumer: ContextConsumer, condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        consumer.turn()
