"""A context's database, for statements written by hand: few, set-wise, binary."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections, transaction

from apps.messaging.errors import RivalMovedFirst

# The end of a transaction, where it need not be waited for what came of its statements.
COMMIT = "COMMIT"

Row = tuple[Any, ...]
Parameters = Sequence[object] | Mapping[str, object]
Then = Callable[[psycopg.Cursor[Row]], None]  # told what came of a statement


class Database:
    """Statements on one context's connection, inside the transaction that Django has open there.

    Parameters are psycopg's: `%b` sends binary, which makes arrays five times cheaper than text.
    Sets go in as arrays: `FROM unnest(%b::text[], %b::int[])`. `{context}` stands for the context's
    name, in the tables that every context has. Database errors are psycopg's own.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._pipeline: psycopg.Pipeline | None = None
        self._awaited: list[tuple[psycopg.Cursor[Row], Then]] = []

    def in_transaction(self) -> bool:
        """Whether a transaction is open on this very connection."""
        return connections[self.alias].in_atomic_block

    def fetch(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement; its rows."""
        with self._cursor() as cursor:
            return cursor.execute(self._own(statement), parameters).fetchall()

    def execute(self, statement: str, parameters: Parameters = ()) -> int:
        """Run a statement; how many rows it touched."""
        with self._cursor() as cursor:
            cursor.execute(self._own(statement), parameters)
            if self._pipeline:
                self._pipeline.sync()
            return cursor.rowcount

    def send(self, statement: str, parameters: Parameters = (), then: Then | None = None) -> None:
        """Run a statement whose outcome nobody waits for here; in a pipeline, without waiting for
        its round trip. `then` is told what came of it, before the transaction's end."""
        cursor = self._cursor().execute(self._own(statement), parameters)
        if then and self._pipeline:
            self._awaited.append((cursor, then))
        elif then:
            then(cursor)

    def ask(self, statement: str, parameters: Parameters = ()) -> Callable[[], list[Row]]:
        """Run a statement whose rows are taken later, by calling what this gives; in a pipeline it
        is sent without waiting for its round trip."""
        return self._cursor().execute(self._own(statement), parameters).fetchall

    @contextmanager
    def pipelined_transaction(self) -> Iterator[None]:
        """A transaction, inside no other, in which what is sent travels with the next statement
        that is waited for, at the latest with the commit. An error of it is raised there. Threads
        need a Database each."""
        with transaction.atomic(using=self.alias, durable=True):
            try:
                with self._connection().pipeline() as self._pipeline:
                    yield
                    if not (self._awaited or transaction.get_rollback(self.alias)):
                        self._cursor().execute(COMMIT, prepare=False)  # leaves Django nothing to do
            except psycopg.errors.PipelineAborted as aborted:
                raise aborted.__context__ or aborted from None
            finally:
                awaited, self._pipeline, self._awaited = self._awaited, None, []
            for cursor, then in awaited:
                then(cursor)

    def reconnect(self) -> None:
        """Drop a connection that is broken; the next statement opens a new one."""
        connections[self.alias].close()

    def transaction(self) -> transaction.Atomic:
        """One transaction on this database, and on no other."""
        return transaction.atomic(using=self.alias)

    def _own(self, statement: str) -> str:
        return statement.replace("{context}", self.alias)

    def _cursor(self) -> psycopg.Cursor[Row]:
        return psycopg.Cursor(self._connection())

    def _connection(self) -> psycopg.Connection[Row]:
        connection = connections[self.alias]
        connection.ensure_connection()
        found: psycopg.Connection[Row] = connection.connection
        return found


def drop_broken_connections() -> None:
    """For a thread that is used again and again, before each piece of work: a connection that broke
    since the last is dropped, and opened anew on use."""
    for each in connections.all(initialized_only=True):
        if each.connection is not None and not each.is_usable():
            each.close()


def touches(rows: int) -> Then:
    """For a statement that has to touch so many rows: raises RivalMovedFirst where it did not."""

    def check(written: psycopg.Cursor[Row]) -> None:
        if written.rowcount != rows:
            raise RivalMovedFirst(decided=rows, written=written.rowcount)

    return check


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned into the arrays that `unnest` takes; `width` empty ones where there is no row."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]
