"""Writing the rows of a batch of hops in one statement, with nothing but psycopg."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from benchmarks.figures import Quota

MOVING_ROWS = 2000  # that lie there to be updated

# The floor's tables: one for each that the platform writes, and rows in it to be updated.
CREATE_TABLE = """
CREATE TABLE {schema}.{name} (
  id uuid PRIMARY KEY, saga_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT now(), body bytea
);
CREATE TABLE {schema}.{name}_moving (id int PRIMARY KEY, body bytea);
INSERT INTO {schema}.{name}_moving SELECT n, '' FROM generate_series(0, {moving} - 1) AS n;
"""

DELETE_ACKNOWLEDGED = "DELETE FROM outbox WHERE id = ANY(%b::uuid[])"
INSERT = """
INSERT INTO {name} (id, saga_id, body)
SELECT id, saga_id, body FROM unnest(%b::uuid[], %b::uuid[], %b::bytea[]) AS new (id, saga_id, body)
"""
UPDATE = """
UPDATE {name}_moving AS moving SET body = new.body
FROM unnest(%b::int[], %b::bytea[]) AS new (id, body) WHERE moving.id = new.id
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """What is written into one table, per hop (or per saga, where that is said)."""

    table: str
    inserted: float
    updated: float
    width: int  # bytes of a row beside id, saga and time

    def times(self, factor: float) -> "Rows":
        return Rows(self.table, self.inserted * factor, self.updated * factor, self.width)


class Sent:
    """A message's row in the outbox."""

    __slots__ = ("body", "id", "saga_id")

    def __init__(self, id: UUID, saga_id: UUID, body: bytes) -> None:
        self.id = id
        self.saga_id = saga_id
        self.body = body


class Writer:
    """Writes the rows of hops, the outbox included, and commits: one statement, one commit."""

    def __init__(self, url: str, schema: str, tables: Sequence[Rows]) -> None:
        options = f"-c search_path={schema}"
        self.connection = psycopg.connect(url, autocommit=True, options=options)
        self._inserting = [(each, Quota(each.inserted)) for each in tables if each.inserted]
        self._updating = [(each, Quota(each.updated)) for each in tables if each.updated]
        self._moved = 0
        self._statement = statement(
            [each.table for each, _ in self._inserting], [each.table for each, _ in self._updating]
        )

    def write(
        self, sagas: Sequence[UUID], sent: Sequence[Sent], acknowledged: Sequence[UUID]
    ) -> None:
        """What one batch of hops writes: business and log rows, the outbox, and what leaves it."""
        parameters: list[Any] = [list(acknowledged)]
        parameters += [[e.id for e in sent], [e.saga_id for e in sent], [e.body for e in sent]]
        for each, quota in self._inserting:
            count = quota.take(len(sagas))
            ids = [uuid7() for _ in range(count)]
            parameters += [ids, list(islice(cycle(sagas), count)), [bytes(each.width)] * count]
        for each, quota in self._updating:
            numbers = self._next_rows(min(quota.take(len(sagas)), MOVING_ROWS))
            parameters += [numbers, [bytes(each.width)] * len(numbers)]
        self.connection.execute(self._statement, parameters, prepare=True)

    def tidy(self, acknowledged: Sequence[UUID]) -> None:
        """Delete acknowledged messages while nothing else is to be written."""
        self.connection.execute(DELETE_ACKNOWLEDGED, [list(acknowledged)], prepare=True)

    def _next_rows(self, count: int) -> list[int]:
        first, self._moved = self._moved, self._moved + count
        return [number % MOVING_ROWS for number in range(first, first + count)]


def statement(inserting: Sequence[str], updating: Sequence[str]) -> str:
    """One data-modifying CTE: the outbox, then each table that gets rows or changes."""
    parts = [DELETE_ACKNOWLEDGED, INSERT.format(name="outbox")]
    parts += [INSERT.format(name=name) for name in inserting]
    parts += [UPDATE.format(name=name) for name in updating]
    bodies = ", ".join(f"part{number} AS ({part})" for number, part in enumerate(parts))
    return f"WITH {bodies} SELECT 1"
