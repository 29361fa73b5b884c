"""Waking a worker: best effort, for what is not woken is found by the next sweep.

Called right after a commit, in consumers and in web processes: it never blocks and never fails what
has been committed. A thread of the process's own sends; wakes that come while it sends are one.
"""

import os
import threading
import time

import structlog
from celery import current_app

log = structlog.get_logger()

TASK = "messaging.work_intents"
EXPIRES_SECONDS = 10  # by then a sweep has come by
TELL_EVERY_SECONDS = 1.0


class Waker(threading.Thread):
    """Sends one message per context at a time."""

    def __init__(self) -> None:
        super().__init__(name="waker", daemon=True)
        self.pid = os.getpid()
        self._wanted: set[str] = set()
        self._changed = threading.Condition()
        self._told_at = 0.0

    def wake(self, context: str) -> None:
        """Have a message sent, unless one is about to be."""
        with self._changed:
            self._wanted.add(context)
            self._changed.notify()

    def run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted)
                context = self._wanted.pop()
            self._send(context)

    def _send(self, context: str) -> None:
        try:
            current_app.send_task(
                TASK, [context], expires=EXPIRES_SECONDS, retry=False, ignore_result=True
            )
        except Exception as error:  # whatever a broker's client raises: the sweep comes by
            self._tell(context, error)

    def _tell(self, context: str, error: Exception) -> None:
        """At most once a second: a broker that is away concerns every call."""
        if time.monotonic() - self._told_at > TELL_EVERY_SECONDS:
            self._told_at = time.monotonic()
            log.warning(
                "worker_not_woken", context=context, error=f"{type(error).__name__}: {error}"
            )


_waker: Waker | None = None
_starting = threading.Lock()


def wake(context: str) -> None:
    """Tell a worker that an outside call of this context is due. Returns at once."""
    global _waker  # noqa: PLW0603  one thread per process, made after a fork
    with _starting:
        if _waker is None or _waker.pid != os.getpid():
            _waker = Waker()
            _waker.start()
        _waker.wake(context)
