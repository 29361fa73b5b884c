"""One moment of each context's database."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from apps.messaging.context import contexts
from apps.messaging.database import Database

# What is read from now on is of one moment, and nothing is written.
ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# The transaction's first reading, which fixes the moment, with the clock that stamps sagas.
NOW = "SELECT clock_timestamp()"


@contextmanager
def snapshots() -> Iterator[datetime]:
    """Open one for every context; selectors that are called inside read from them. Yields when.

    The engine's comes first: whatever it says has ended is then in the others' as well.
    """
    databases = sorted(
        (each.database for each in contexts()), key=lambda database: database.alias != "sagas"
    )
    with ExitStack() as opened:
        moments = [_open(database, opened) for database in databases]
        yield moments[0]


def _open(database: Database, opened: ExitStack) -> datetime:
    opened.enter_context(database.transaction())
    database.execute(ONE_MOMENT)
    [(now,)] = database.fetch(NOW)
    assert isinstance(now, datetime)
    return now
