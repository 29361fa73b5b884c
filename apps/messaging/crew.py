"""The threads of a worker process that make outside calls, so many at a time for each context.

They are woken; the rows say what there is to do. Celery's own thread pool is no use here: with the
Kafka transport it acknowledges in its threads while the main thread polls the same consumer, and
both hang (seen with kombu 5.7 and confluent-kafka 2.16).
"""

import threading
from functools import cache

import structlog
from django.conf import settings
from django.db import connections

from apps.messaging.calls import work
from apps.messaging.dead_letters import describe

log = structlog.get_logger()


class Crew:
    """Up to so many threads for the outside calls of one context."""

    def __init__(self, context: str, size: int) -> None:
        self.context = context
        self.size = size
        self._lock = threading.Lock()
        self._busy = 0
        self._woken = False

    def wake(self) -> None:
        """Have one more thread look for what is due, or one that is at it look again."""
        with self._lock:
            self._woken = True
            if self._busy < self.size:
                self._busy += 1
                threading.Thread(target=self._run, name=f"calls-{self.context}").start()

    def _run(self) -> None:
        try:
            while self._take_wake():
                self._work()
        finally:
            connections.close_all()

    def _take_wake(self) -> bool:
        """Whether to look; where not, this thread is done."""
        with self._lock:
            if self._woken:
                self._woken = False
                return True
            self._busy -= 1
            return False

    def _work(self) -> None:
        """What fails here is claimed: it is tried again when its lease has run out."""
        try:
            work(self.context)
        except Exception as error:
            log.exception("call_not_recorded", context=self.context, error=describe(error))
            connections[self.context].close()


@cache
def crew(context: str) -> Crew:
    """This process's crew for a context."""
    return Crew(context, settings.CALLS_AT_ONCE)
