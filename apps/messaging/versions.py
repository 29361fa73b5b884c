"""Whether this code has what the rows of a context still need: without it a process does not start.

A context says what it lacks (ContextConfig.lacks). Messages that come too early are another matter:
they are parked one by one.
"""

import time
from collections.abc import Iterable

import structlog

from apps.messaging.context import context
from apps.messaging.dead_letters import describe
from apps.messaging.errors import CodeLacks
from apps.messaging.retry import is_passing

PAUSE_SECONDS = 1.0

log = structlog.get_logger()


def refuse_to_lack(labels: Iterable[str]) -> None:
    """Raises CodeLacks where the rows of one of these contexts need what this code has not.

    It waits for a database that does not answer: nothing can be said before.
    """
    for label in labels:
        if found := _lack_of(label):
            raise CodeLacks(context=label, lacks=found)


def _lack_of(label: str) -> str:
    config = context(label)
    while True:
        try:
            return config.lacks(config.database)
        except Exception as error:
            if not is_passing(error):
                raise
            log.warning("database_in_the_way", context=label, error=describe(error))
            config.database.reconnect()
            time.sleep(PAUSE_SECONDS)
