"""Which calls came in and what became of them. Parameters are not kept."""

from sqlite3 import Row

from .calls import Call
from .clock import Clock
from .faults import NO_FAULT, Fault
from .store import Store

TABLES = """
CREATE TABLE IF NOT EXISTS calls (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  request TEXT NOT NULL UNIQUE,
  at REAL NOT NULL,
  operation TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  key TEXT,
  fault TEXT,
  -- What was answered, or would have been; empty while it is worked on, and if nothing was done.
  status INTEGER,
  replayed INTEGER NOT NULL DEFAULT 0
) STRICT;
"""


class Journal:
    """The calls of the API, in order."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        store.declare(TABLES)

    def begin(self, call: Call, fault: Fault) -> None:
        """A call has come in."""
        self.store.execute(
            "INSERT INTO calls (request, at, operation, method, path, key, fault) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            call.request_id, self.clock.now(), call.route.operation, call.route.method, call.path,
            call.key, None if fault is NO_FAULT else fault.kind,
        )  # fmt: skip

    def end(self, call: Call, status: int, *, replayed: bool) -> None:
        """It has its answer, whether that reaches the caller or not."""
        self.store.execute(
            "UPDATE calls SET status = ?, replayed = ? WHERE request = ?",
            status, replayed, call.request_id,
        )  # fmt: skip

    def all(self) -> list[Row]:
        return self.store.rows("SELECT * FROM calls ORDER BY number")
