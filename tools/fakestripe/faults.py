"""What goes wrong, and when: scripted for the next calls, or by chance from a seed.

A script is a queue: each call of its operation takes the next entry. Chance is drawn for each call
from the rule's seed and the number of its draws, so that the same calls meet the same faults.
"""

import random
from dataclasses import dataclass
from enum import StrEnum
from sqlite3 import Row

from .store import Store

TABLES = """
CREATE TABLE IF NOT EXISTS faults (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  side TEXT NOT NULL CHECK (side IN ('api', 'webhook')),
  target TEXT NOT NULL,
  kind TEXT NOT NULL,
  times INTEGER CHECK (times > 0),
  percent REAL CHECK (percent > 0 AND percent <= 100),
  seed TEXT,
  drawn INTEGER NOT NULL DEFAULT 0,
  hits INTEGER NOT NULL DEFAULT 0,
  seconds REAL CHECK (seconds >= 0),
  -- Either the next so many calls, or a share of all.
  CHECK ((times IS NULL) <> (percent IS NULL)),
  CHECK ((percent IS NULL) = (seed IS NULL))
) STRICT;
"""
ANY = "any"


class Operation(StrEnum):
    """What a call of the API is about."""

    AUTHORIZE = "authorize"  # create or confirm a PaymentIntent
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"
    RETRIEVE = "retrieve"  # any object by its id
    SEARCH = "search"
    LIST = "list"
    UPDATE = "update"


class ApiFault(StrEnum):
    """What goes wrong with a call of the API."""

    NONE = "none"  # nothing: a place in a script for a call that goes well
    REFUSED = "refused"  # not executed; the connection is reset at once
    ERROR_BEFORE = "error_before"  # not executed; 500, and the key stays free
    CONFLICT = "conflict"  # not executed; 409
    RATE_LIMITED = "rate_limited"  # not executed; 429
    HANG_BEFORE = "hang_before"  # not executed; silence, then the connection is closed
    SLOW = "slow"  # the key is in use for so long; then executed and answered
    ANSWER_LOST = "answer_lost"  # executed; the connection is closed without a byte
    ANSWER_CUT = "answer_cut"  # executed; half of the answer comes
    HANG_AFTER = "hang_after"  # executed; silence, then the answer
    ERROR_AFTER = "error_after"  # executed; 500, kept under the key


class WebhookFault(StrEnum):
    """What goes wrong with a webhook."""

    NONE = "none"
    TWICE = "twice"
    OUT_OF_ORDER = "out_of_order"  # only after the next one about its payment
    LATE = "late"
    BEFORE_ANSWER = "before_answer"  # the API's answer waits for it
    NEVER = "never"


@dataclass(frozen=True)
class Fault:
    """One fault, for one call or event. `seconds` is None where the kind's default holds."""

    kind: str
    seconds: float | None = None

    def lasts(self, default: float) -> float:
        """For how many seconds."""
        return default if self.seconds is None else self.seconds


NO_FAULT = Fault("none")


class Faults:
    """The rules that are switched on."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.declare(TABLES)

    def add(
        self,
        side: str,
        target: str,
        kind: str,
        *,
        times: int | None = None,
        percent: float | None = None,
        seed: str | None = None,
        seconds: float | None = None,
    ) -> int:
        """Switch a rule on; returns its number."""
        cursor = self.store.execute(
            "INSERT INTO faults (side, target, kind, times, percent, seed, seconds) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            side, target, kind, times, percent, seed, seconds,
        )  # fmt: skip
        return cursor.lastrowid or 0

    def take(self, side: str, target: str) -> Fault | None:
        """What goes wrong this time, if anything: scripts first, in order, then chance."""
        rules = self.store.rows(
            "SELECT * FROM faults WHERE side = ? AND target IN (?, ?) "
            "ORDER BY times IS NULL, number",
            side, target, ANY,
        )  # fmt: skip
        for rule in rules:
            if self._applies(rule):
                return Fault(rule["kind"], rule["seconds"])
        return None

    def _applies(self, rule: Row) -> bool:
        if rule["times"] is not None:
            return self._use_up(rule)
        chance = random.Random(f"{rule['seed']}:{rule['drawn']}")  # noqa: S311 -- repeatable
        hit = chance.random() * 100 < rule["percent"]
        self.store.execute(
            "UPDATE faults SET drawn = drawn + 1, hits = hits + ? WHERE number = ?",
            hit, rule["number"],
        )  # fmt: skip
        return hit

    def _use_up(self, rule: Row) -> bool:
        if rule["times"] == 1:
            self.store.execute("DELETE FROM faults WHERE number = ?", rule["number"])
        else:
            self.store.execute(
                "UPDATE faults SET times = times - 1, hits = hits + 1 WHERE number = ?",
                rule["number"],
            )
        return True

    def all(self) -> list[Row]:
        return self.store.rows("SELECT * FROM faults ORDER BY number")

    def clear(self) -> None:
        """Switch everything off."""
        self.store.execute("DELETE FROM faults")
