import psycopg
import pytest

from apps.messaging.errors import RivalMovedFirst
from apps.messaging.retry import is_passing, pause_before


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"),
    [
        (2, 0.05, 0.1),
        (3, 0.1, 0.2),
        (4, 0.2, 0.4),
        (9, 5.0, 10.0),  # 0.1 * 2**7 is more than the longest pause
        (1000, 5.0, 10.0),
    ],
)
def test_the_pause_doubles_up_to_ten_seconds(attempt: int, shortest: float, longest: float) -> None:
    assert pause_before(attempt, chance=lambda: 0.0) == shortest
    assert pause_before(attempt, chance=lambda: 1.0) == longest


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (psycopg.OperationalError("connection lost"), True),
        (psycopg.errors.DeadlockDetected(), True),
        (psycopg.errors.SerializationFailure(), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.TooManyConnections(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (RivalMovedFirst(), True),
        (psycopg.errors.UniqueViolation(), False),
        (psycopg.errors.QueryCanceled(), False),  # it may be this very message that takes so long
        (psycopg.errors.InsufficientPrivilege(), False),
        (RuntimeError(), False),
    ],
)
def test_only_what_says_nothing_about_the_message_passes(error: Exception, passing: bool) -> None:
    assert is_passing(error) is passing
