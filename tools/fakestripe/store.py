"""One SQLite file that keeps everything, so that a killed server goes on where it was.

Stripe's objects are kept as Stripe shows them (`body`, JSON); what Stripe knows but does not show
is beside it (`private`). Everything else has tables declared by the module that owns it.
"""

import json
import secrets
import sqlite3
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS objects (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  private TEXT NOT NULL,
  -- No more is captured than was held, and no more is given back than was captured.
  CHECK (kind <> 'charge' OR (
    json_extract(body, '$.amount_captured') <= json_extract(body, '$.amount') AND
    json_extract(body, '$.amount_refunded') BETWEEN 0 AND json_extract(body, '$.amount_captured')
  ))
) STRICT;
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, number);
CREATE INDEX IF NOT EXISTS objects_by_payment ON objects (json_extract(body, '$.payment_intent'));
CREATE INDEX IF NOT EXISTS objects_by_order
  ON objects (json_extract(body, '$.metadata.order_id') COLLATE NOCASE);
"""
LOCKED_SECONDS = 1.0  # how long a server that was just killed may keep the file
LETTERS = string.ascii_letters + string.digits


@dataclass
class Record:
    """An object of Stripe's: what the API shows of it, and what it keeps to itself."""

    body: Json
    private: Json = field(default_factory=dict)
    number: int = 0  # in order of creation; 0 before it is added

    @property
    def id(self) -> str:
        return str(self.body["id"])


class Store:
    """The file. One process has it at a time, and one thread uses it.

    Raises sqlite3.OperationalError if it cannot be opened, or if another process has it.
    """

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, timeout=LOCKED_SECONDS, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing
        self.declare(TABLES)

    def declare(self, tables: str) -> None:
        """Make the tables that are not there yet."""
        self.connection.executescript(tables)

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is kept, or nothing of it."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self.connection.execute(statement, values)

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        return self.connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Any) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self.connection.execute(statement, values).fetchone()
        return found

    def empty(self) -> None:
        """Forget everything but where webhooks go."""
        tables = self.rows(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        with self.transaction():
            for (name,) in tables:
                but = " WHERE name NOT LIKE 'webhook_%'" if name == "settings" else ""
                self.execute(f'DELETE FROM "{name}"{but}')  # noqa: S608 -- our own tables' names

    # --- Stripe's objects

    def add(self, record: Record) -> Record:
        """Keep a new object."""
        cursor = self.execute(
            "INSERT INTO objects (id, kind, body, private) VALUES (?, ?, ?, ?)",
            record.id, record.body["object"], json.dumps(record.body), json.dumps(record.private),
        )  # fmt: skip
        record.number = cursor.lastrowid or 0
        return record

    def save(self, record: Record) -> None:
        """Keep an object as it is now."""
        changed = self.execute(
            "UPDATE objects SET body = ?, private = ? WHERE id = ?",
            json.dumps(record.body), json.dumps(record.private), record.id,
        )  # fmt: skip
        if changed.rowcount != 1:
            raise LookupError(f"{record.id} was never added")

    def find(self, kind: str, identifier: str) -> Record | None:
        """The object of that kind and id."""
        row = self.row("SELECT * FROM objects WHERE id = ? AND kind = ?", identifier, kind)
        return None if row is None else as_record(row)

    def get(self, kind: str, identifier: str) -> Record:
        """The object of that kind and id, which must be there."""
        found = self.find(kind, identifier)
        if found is None:
            raise LookupError(f"There is no {kind} {identifier}")
        return found

    def select(
        self, kind: str, condition: str = "true", *values: Any, order: str = "DESC", limit: int = -1
    ) -> list[Record]:
        """Objects of a kind that meet a condition on `body` or `number`, the newest first."""
        rows = self.rows(
            f"SELECT * FROM objects WHERE kind = ? AND {condition} "  # noqa: S608 -- from our code
            f"ORDER BY number {order} LIMIT ?",
            kind, *values, limit,
        )  # fmt: skip
        return [as_record(row) for row in rows]

    # --- settings

    def setting(self, name: str, default: Any) -> Any:
        """What was set, or the default."""
        row = self.row("SELECT value FROM settings WHERE name = ?", name)
        return default if row is None else json.loads(row["value"])

    def set(self, name: str, value: Any) -> None:
        """Keep a setting over restarts."""
        self.execute(
            "INSERT INTO settings VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            name, json.dumps(value),
        )  # fmt: skip


def as_record(row: sqlite3.Row) -> Record:
    return Record(json.loads(row["body"]), json.loads(row["private"]), row["number"])


def new_id(prefix: str) -> str:
    """An id as Stripe makes them: `pi_` and 24 letters and digits."""
    return f"{prefix}_{''.join(secrets.choice(LETTERS) for _ in range(24))}"
