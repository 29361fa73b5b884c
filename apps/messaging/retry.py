"""When to try again, and when it makes sense at all."""

import random
from collections.abc import Callable

import django.db
import psycopg

from apps.messaging.errors import RivalMovedFirst

ATTEMPTS = 4  # of one message, then it is parked
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
FIRST_CALL_PAUSE_SECONDS = 1.0
LONGEST_CALL_PAUSE_SECONDS = 60.0

# SQLSTATE classes and codes after which the same batch may well succeed: connection lost or
# refused, server shutting down or starting, resources exhausted, serialization, deadlock, a lock
# that somebody else has held for too long.
PASSING = ("08", "53", "57P", "40001", "40P01", "55P03")


def pause_before(attempt: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait before the attempt of that number (2 is the first repetition).

    Doubles from 0.1 s up to 10 s, times a random share between a half and one, so that those who
    failed together do not come back together ("equal jitter", Brooker, AWS Architecture Blog 2015).
    """
    longest = min(FIRST_PAUSE_SECONDS * 2 ** min(attempt - 2, 20), LONGEST_PAUSE_SECONDS)
    return longest * (0.5 + chance() / 2)


def pause_before_call(attempt: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds to wait after that many calls of unknown outcome: 1 s, doubled up to a minute, times
    a random share between a half and one."""
    longest = min(FIRST_CALL_PAUSE_SECONDS * 2 ** min(attempt - 1, 20), LONGEST_CALL_PAUSE_SECONDS)
    return longest * (0.5 + chance() / 2)


def is_passing(error: BaseException, *, rivals_pass: bool = True) -> bool:
    """Whether an error says nothing about the message: the whole batch is simply tried again. So it
    is where a rival moved first, unless the caller believes in no rival any more."""
    if isinstance(error, RivalMovedFirst):
        return rivals_pass
    cause = error.__cause__ if isinstance(error, django.db.Error) else error
    if isinstance(cause, psycopg.Error) and cause.sqlstate:
        return cause.sqlstate.startswith(PASSING)
    return isinstance(
        error,
        psycopg.OperationalError
        | psycopg.InterfaceError
        | django.db.OperationalError
        | django.db.InterfaceError,
    )
