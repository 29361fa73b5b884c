"""A context's database, for statements written by hand: few, set-wise, binary."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from django.db import connections, transaction

Row = tuple[Any, ...]
Parameters = Sequence[object] | Mapping[str, object]


class Database:
    """Statements on one context's connection, inside the transaction that Django has open there.

    Parameters are psycopg's: `%b` sends binary, which makes arrays five times cheaper than text.
    Sets go in as arrays: `FROM unnest(%b::text[], %b::int[])`. `{context}` stands for the context's
    name, in the tables that every context has. Database errors are psycopg's own.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias

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
            return cursor.execute(self._own(statement), parameters).rowcount

    def reconnect(self) -> None:
        """Drop a connection that is broken; the next statement opens a new one."""
        connections[self.alias].close()

    def transaction(self) -> transaction.Atomic:
        """One transaction on this database, and on no other."""
        return transaction.atomic(using=self.alias)

    def _own(self, statement: str) -> str:
        return statement.replace("{context}", self.alias)

    def _cursor(self) -> psycopg.Cursor[Row]:
        connection = connections[self.alias]
        connection.ensure_connection()
        return psycopg.Cursor(connection.connection)


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned into the arrays that `unnest` takes; `width` empty ones where there is no row."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]
