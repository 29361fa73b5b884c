"""The platform's own processes, started by a test on the test databases and topics."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

import psycopg

from sagaplatform.env import CONTEXTS
from tests.conftest import connect_owners

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 90


class Platform:
    """One consumer process per context; killed and started again at a test's wish."""

    def __init__(self, owners: dict[str, psycopg.Connection], logs: Path) -> None:
        self.owners = owners
        self.logs = logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environ: dict[str, str] = {}  # of all of them, beside the test's own

    def start(self, contexts: Iterable[str] = CONTEXTS) -> Self:
        for name in contexts:
            self.start_consumer(name)
        return self

    def start_consumer(self, context: str, **environ: str) -> None:
        """The consumer of one context."""
        self.run(context, sys.executable, "manage.py", "run_consumer", context, **environ)

    def start_watchdog(self, **environ: str) -> Self:
        """The watchdog beside the consumers, under the name `watchdog`."""
        self.run("watchdog", sys.executable, "manage.py", "run_watchdog", **environ)
        return self

    def run(self, name: str, *words: str, **environ: str) -> None:
        """Start a process, under a name of which there is no other."""
        given = {**os.environ, "LOG_FORMAT": "text", **self.environ, **environ}
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                words, cwd=ROOT, stdout=log, stderr=log, env=given
            )

    def start_missing(self) -> None:
        """Start what an earlier test has killed."""
        self.start(name for name in CONTEXTS if name not in self.processes)

    def kill(self, name: str) -> None:
        """SIGKILL: no goodbye to Kafka, no rollback of its own."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def end(self, name: str) -> None:
        """SIGTERM: what it has read it commits, so that its successor does not read it again."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)

    def stop(self) -> None:
        """SIGTERM to all, and wait."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(PATIENCE_SECONDS)
        self.processes.clear()

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Raises AssertionError with the ends of the logs when a process died or nothing comes."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            dead = [name for name, each in self.processes.items() if each.poll() is not None]
            if dead or time.monotonic() > until:
                raise AssertionError(f"waited for {what}; dead: {dead}\n{self._log_ends()}")
            time.sleep(0.05)

    def wait_until_ended(self, sagas: int) -> None:
        """Until so many sagas are known, all have ended, and their orders and reactions too."""
        self.wait_until(lambda: self.open_ends(sagas) == [], f"{sagas} sagas to end")

    def open_ends(self, sagas: int, *, carrier_comes: bool = True) -> list[str]:
        """What is still under way, in words; also the parcels, where a carrier comes by itself."""
        ended = self.count("sagas", "SELECT count(*) FROM sagas_saga WHERE ended_at IS NOT NULL")
        placed = self.count("orders", "SELECT count(*) FROM orders_order WHERE status = 'placed'")
        confirmed = self.count(
            "orders", "SELECT count(*) FROM orders_order WHERE status = 'confirmed'"
        )
        shipped = self.count(
            "inventory",
            "SELECT count(*) FROM inventory_sagalog WHERE step = 'ship_stock' AND status = 'done'",
        )
        found = {
            f"{ended} of {sagas} sagas ended": ended < sagas,
            f"{placed} orders are neither confirmed nor cancelled": placed > 0,
            f"{shipped} of {confirmed} confirmed orders shipped": carrier_comes
            and shipped < confirmed,
            "messages are not acknowledged": any(map(self.unsent, CONTEXTS)),
        }
        return [words for words, holds in found.items() if holds]

    def unsent(self, context: str) -> int:
        """Messages in a context's outbox."""
        return self.count(context, f"SELECT count(*) FROM {context}_outboxmessage")

    def count(self, alias: str, statement: str) -> int:
        """The one number that a statement gives; it waits for a server that is restarting."""
        while True:
            try:
                row = self.owners[alias].execute(statement).fetchone()
                assert row
                return int(row[0])
            except psycopg.OperationalError:
                time.sleep(0.2)
                with contextlib.suppress(psycopg.OperationalError):
                    connect_owners(self.owners)

    def _log_ends(self) -> str:
        return "\n".join(
            f"--- {path.stem}\n" + "\n".join(path.read_text().splitlines()[-15:])
            for path in sorted(self.logs.glob("*.log"))
        )
