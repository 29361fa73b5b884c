"""Waking: a worker is told, right after a commit, that something is due in a context.

Best effort, like the relay's dispatch: a broker that is away and a process that dies cost seconds,
for beat's sweep finds the rows. One daemon thread per process sends, made on first use, so after a
fork. It keeps what is wanted as a set: a wake-up that is asked for while one for the same waits is
that one, and while one is being sent it becomes one more.
"""

import os
import threading
import time

import celery
import structlog
from kombu import Connection

log = structlog.get_logger()

WORK_INTENTS = "messaging.work_intents"  # the tasks' names; who wakes never imports them
RUN_JOB = "messaging.run_job"
EXPIRES_SECONDS = 10  # older wake-ups tell nothing: the sweep has come by since
CONNECT_SECONDS = 2
TELL_EVERY_SECONDS = 1


Wanted = tuple[str, ...]  # a task's name and its arguments


def wake(context: str, job: str = "") -> None:
    """Tell a worker that something is due in this context: outside calls, or a job of that name.
    Call it after the commit.

    Returns at once, whatever the broker does, and raises nothing.
    """
    _waker().ask((RUN_JOB, context, job) if job else (WORK_INTENTS, context))


class Waker(threading.Thread):
    """Sends this process's wake-ups, one after the other."""

    def __init__(self) -> None:
        super().__init__(name="waker", daemon=True)
        self.pid = os.getpid()
        self._wanted: dict[Wanted, None] = {}  # a set that keeps the order
        self._asked = threading.Condition()
        self._connection: Connection | None = None
        self._unsent, self._told_at = 0, float("-inf")

    def ask(self, wanted: Wanted) -> None:
        """Let one message of this kind be sent."""
        with self._asked:
            self._wanted[wanted] = None
            self._asked.notify()

    def run(self) -> None:
        while True:
            wanted = self._next()
            try:
                self._send(*wanted)
            except Exception as error:  # whatever this broker's client raises
                self._tell_unsent(error)

    def _next(self) -> Wanted:
        with self._asked:
            self._asked.wait_for(lambda: self._wanted)
            wanted = next(iter(self._wanted))
            del self._wanted[wanted]
            return wanted

    def _send(self, task: str, *arguments: str) -> None:
        app = celery.current_app
        if self._connection is None:
            self._connection = app.connection_for_write(connect_timeout=CONNECT_SECONDS)
        self._connection.ensure_connection(max_retries=0, timeout=CONNECT_SECONDS)
        with app.amqp.Producer(self._connection, auto_declare=False) as producer:
            app.send_task(
                task, list(arguments), producer=producer, retry=False, expires=EXPIRES_SECONDS
            )

    def _tell_unsent(self, error: Exception) -> None:
        """At most once a second: a broker that is away concerns every commit."""
        self._unsent += 1
        if time.monotonic() - self._told_at > TELL_EVERY_SECONDS:
            log.warning("wake_ups_left_to_the_sweep", wake_ups=self._unsent, error=repr(error))
            self._unsent, self._told_at = 0, time.monotonic()


_process: Waker | None = None
_starting = threading.Lock()


def _waker() -> Waker:
    """This process's thread."""
    global _process  # noqa: PLW0603  the one thing of a process that all its threads share
    with _starting:
        if _process is None or _process.pid != os.getpid():
            _process = Waker()
            _process.start()
        return _process
