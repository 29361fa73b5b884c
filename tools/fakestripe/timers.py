"""What happens by itself at a time of the server's clock: holds expire, refunds settle."""

from collections.abc import Callable

from .clock import Clock
from .store import Store

TABLES = """
CREATE TABLE IF NOT EXISTS timers (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  due REAL NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS timers_by_due ON timers (due);
"""


class Timers:
    """Each fires once, in a transaction of its own, also after a restart."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.actions: dict[str, Callable[[str], None]] = {}
        store.declare(TABLES)

    def on(self, action: str, carry_out: Callable[[str], None]) -> None:
        """Name what a timer can do; it is called with the subject's id."""
        self.actions[action] = carry_out

    def set(self, seconds: float, action: str, subject: str) -> float:
        """Have something done to a subject later; returns when."""
        due = self.clock.now() + seconds
        self.store.execute(
            "INSERT INTO timers (due, action, subject) VALUES (?, ?, ?)", due, action, subject
        )
        return due

    def fire(self) -> None:
        """Do all that is due, in the order of its times."""
        while row := self.store.row(
            "SELECT * FROM timers WHERE due <= ? ORDER BY due, number LIMIT 1", self.clock.now()
        ):
            with self.store.transaction():
                self.actions[row["action"]](row["subject"])
                self.store.execute("DELETE FROM timers WHERE number = ?", row["number"])
