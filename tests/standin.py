"""A payment gateway to test against: it keeps the promises of a real one, and fails on demand.

Its ledger is a file, so that workers in processes of their own meet the same one. It remembers
keys: the same key has the same answer and one effect, however often and by whomever it is asked. A
script says what goes wrong, call by call; where it says nothing, all is well.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from apps.messaging.handling import Call, StillWaiting
from apps.payments.gateways import GatewayAnswer

VARIABLE = "STANDIN_GATEWAY"  # where the ledger is
TABLES = """
CREATE TABLE IF NOT EXISTS answers
    (key TEXT PRIMARY KEY, operation TEXT, subject TEXT, ok INT, cents INT);
CREATE TABLE IF NOT EXISTS calls (number INTEGER PRIMARY KEY, key TEXT, operation TEXT);
CREATE TABLE IF NOT EXISTS script (number INTEGER PRIMARY KEY, operation TEXT, what TEXT);
"""


def cents_of(call: Call) -> int:
    """What a call moves: of a refund a part, where it says how much, else all."""
    return int(call.details.refund_cents or call.details.amount_cents)


class Silence(Exception):
    """No answer came; whether the call had its effect, nobody knows."""


class StandInGateway:
    """What CARD_GATEWAY names in tests."""

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = str(path or os.environ[VARIABLE])
        with self._ledger() as ledger:
            ledger.executescript(TABLES)

    # --- the gateway

    def authorize(self, call: Call) -> GatewayAnswer:
        return self._answer(call)

    def capture(self, call: Call) -> GatewayAnswer:
        return self._answer(call)

    def give_back(self, call: Call) -> GatewayAnswer:
        return self._answer(call)

    def _answer(self, call: Call) -> GatewayAnswer:
        what, _, detail = self._next(call).partition(":")
        if what == "away":  # nothing reached it
            raise Silence(call.operation)
        if what == "wait":
            until = datetime.now(UTC) + timedelta(seconds=float(detail))
            raise StillWaiting("The bank asks its customer", until)
        if what == "breaker":
            until = datetime.now(UTC) + timedelta(seconds=float(detail))
            raise StillWaiting("The breaker is open", until, untouched=True)
        if what == "slow":
            time.sleep(float(detail))
        ok = self._effect(call, declined=what == "decline" or call.unwanted)
        if what == "lost":  # it happened, and the answer never came
            raise Silence(call.operation)
        return GatewayAnswer(ok=ok, reference=f"g-{call.subject}", code="" if ok else "no")

    def _effect(self, call: Call, *, declined: bool) -> bool:
        with self._ledger() as ledger:
            ledger.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (call.key, call.operation, call.subject, not declined, cents_of(call)),
            )
            found = ledger.execute("SELECT ok FROM answers WHERE key = ?", (call.key,)).fetchone()
        return bool(found[0])

    def _next(self, call: Call) -> str:
        with self._ledger() as ledger:
            ledger.execute(
                "INSERT INTO calls (key, operation) VALUES (?, ?)", (call.key, call.operation)
            )
            row = ledger.execute(
                "DELETE FROM script WHERE number = (SELECT min(number) FROM script"
                " WHERE operation = ?) RETURNING what",
                (call.operation,),
            ).fetchone()
        return row[0] if row else "well"

    # --- for tests

    def begin_anew(self) -> Self:
        """Forget everything."""
        with self._ledger() as ledger:
            ledger.executescript("DELETE FROM answers; DELETE FROM calls; DELETE FROM script;")
        return self

    def will(self, operation: str, *what: str) -> Self:
        """What the next calls of an operation meet: `well`, `decline`, `away`, `lost`, `slow:1`,
        `wait:60`, `breaker:60`."""
        with self._ledger() as ledger:
            ledger.executemany(
                "INSERT INTO script (operation, what) VALUES (?, ?)",
                [(operation, each) for each in what],
            )
        return self

    def forget(self) -> None:
        """What was scripted goes wrong no more."""
        with self._ledger() as ledger:
            ledger.execute("DELETE FROM script")

    def had_effect(self) -> list[tuple[str, str]]:
        """Subject and operation of each effect, as often as it was had."""
        with self._ledger() as ledger:
            rows = ledger.execute("SELECT subject, operation FROM answers WHERE ok ORDER BY 1, 2")
            return [(subject, operation) for subject, operation in rows]

    def effects(self, operation: str) -> int:
        """How often an operation had its effect."""
        return self._count("SELECT count(*) FROM answers WHERE ok AND operation = ?", operation)

    def cents(self, operation: str) -> list[int]:
        """The cents of each effect of an operation, in the order in which it was had."""
        with self._ledger() as ledger:
            rows = ledger.execute(
                "SELECT cents FROM answers WHERE ok AND operation = ? ORDER BY rowid", (operation,)
            )
            return [cents for (cents,) in rows]

    def calls(self, operation: str) -> int:
        """How often an operation was asked for."""
        return self._count("SELECT count(*) FROM calls WHERE operation = ?", operation)

    def keys(self, operation: str) -> set[str]:
        """Under which keys an operation was asked for."""
        with self._ledger() as ledger:
            rows = ledger.execute("SELECT key FROM calls WHERE operation = ?", (operation,))
            return {key for (key,) in rows}

    def standing(self) -> list[str]:
        """Subjects that are charged or held: what was authorized and not given back."""
        with self._ledger() as ledger:
            rows = ledger.execute(
                "SELECT subject FROM answers WHERE ok AND operation = 'authorize' EXCEPT"
                " SELECT subject FROM answers WHERE ok AND operation = 'give_back'"
            )
            return sorted(subject for (subject,) in rows)

    def _count(self, statement: str, operation: str) -> int:
        with self._ledger() as ledger:
            return int(ledger.execute(statement, (operation,)).fetchone()[0])

    @contextmanager
    def _ledger(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=30)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
