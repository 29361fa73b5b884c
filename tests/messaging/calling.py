"""Many outside calls of payments at once, to providers that a test holds up, breaks and mends."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import psycopg
from django.db import connections
from uuid_utils.compat import uuid7

from apps.contracts.base import Message
from apps.messaging.calls import carry_out
from apps.messaging.dispatching import Dispatcher
from apps.messaging.handling import Call
from apps.messaging.providers import Provider
from apps.messaging.wiring import wiring
from apps.payments.gateways import GatewayAnswer
from tests.payments.test_cards import Till
from tests.standin import Silence

PATIENCE_SECONDS = 60
BANK = Provider("bank", at_once=3, failures=3, rest=30)
OTHER = Provider("other", at_once=2)


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that threads bring about."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


class Line:
    """What is called: it counts, and answers when and what it is told to."""

    def __init__(self) -> None:
        self.free = threading.Event()  # calls end
        self.free.set()
        self.answer: Callable[[Call], GatewayAnswer] = well
        self.calls: list[UUID] = []  # the sagas whose call has begun
        self.now = self.most = 0
        self._lock = threading.Lock()

    def make(self, call: Call) -> GatewayAnswer:
        with self._lock:
            self.calls.append(call.request.saga_id)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            assert self.free.wait(PATIENCE_SECONDS)
            return self.answer(call)
        finally:
            with self._lock:
                self.now -= 1


def well(call: Call) -> GatewayAnswer:
    return GatewayAnswer(ok=True, reference=f"g-{call.subject}")


def declined(call: Call) -> GatewayAnswer:
    return GatewayAnswer(ok=False, code="no")


def silent(call: Call) -> GatewayAnswer:
    raise Silence(call.operation)


class Exchange:
    """Payments, whose cards are authorized over two lines: `authorize` and `elsewhere`."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.owner = owner
        self.bank, self.other = Line(), Line()
        self.now = 0.0  # of the budgets' clock
        self.looks = 0  # at that clock
        self.opened: list[Dispatcher] = []
        self._hands = ThreadPoolExecutor(8)

    def clock(self) -> float:
        self.looks += 1
        return self.now

    @contextmanager
    def providing(self, bank: Provider = BANK, other: Provider = OTHER) -> Iterator[Dispatcher]:
        """Dispatch for these providers."""
        calls = wiring("payments").calls
        given = dict(calls)
        authorize = given["authorize"]
        calls["authorize"] = replace(authorize, make=self.bank.make, provider=bank)  # type: ignore[index]
        calls["elsewhere"] = replace(authorize, make=self.other.make, provider=other)  # type: ignore[index]
        try:
            yield self.dispatcher()
        finally:
            for line in (self.bank, self.other):
                line.free.set()
            self._hands.shutdown()
            for each in self.opened:
                each.close()
            calls.clear()  # type: ignore[attr-defined]
            calls.update(given)  # type: ignore[attr-defined]

    def dispatcher(self) -> Dispatcher:
        """One more, as another process has it."""
        self.opened.append(Dispatcher("payments", carry_out, self.clock))
        return self.opened[-1]

    def in_hand(self, dispatcher: Dispatcher) -> Future[int]:
        """Let a thread work, as Celery does."""

        def work() -> int:
            try:
                return dispatcher.work()
            finally:
                connections.close_all()

        return self._hands.submit(work)

    def authorize(self, cards: int = 1, *, elsewhere: bool = False) -> list[Till]:
        """So many orders want to be paid."""
        tills = [Till(self.owner, None) for _ in range(cards)]  # type: ignore[arg-type]
        for till in tills:
            till.saga_id = uuid7()
            till.authorize()
            if elsewhere:
                self.owner.execute(
                    "UPDATE payments_intent SET operation = 'elsewhere' WHERE saga_id = %s",
                    [till.saga_id],
                )
        return tills

    def told(self) -> list[Message]:
        """All that payments has told."""
        return [event for _, event in Till(self.owner, None).told()]  # type: ignore[arg-type]

    def count(self, status: str) -> int:
        """Intents of a status."""
        [(found,)] = self.owner.execute(
            "SELECT count(*) FROM payments_intent WHERE status = %s", [status]
        ).fetchall()
        return int(found)

    def rows(self) -> list[tuple[str, int, bool, str]]:
        """Status, attempts, whether it is due, and reason of each intent, the oldest first."""
        return self.owner.execute(
            "SELECT status, attempt, due_at <= now(), reason FROM payments_intent ORDER BY id"
        ).fetchall()

    def breaker(self) -> list[tuple[str, int, bool, bool]]:
        """What is known of providers: failures, whether open, whether one call finds out."""
        return self.owner.execute(
            "SELECT name, failures, opened_at IS NOT NULL, probing FROM payments_providerstate"
        ).fetchall()

    def pauses_pass(self) -> None:
        """What waits for a pause of its own is due; what is held back stays so."""
        self.owner.execute(
            "UPDATE payments_intent SET due_at = now() WHERE status = 'unknown'"
            " AND reason NOT LIKE '%%does not answer%%'"
        )

    def rest_passes(self) -> None:
        """It is time to ask the bank again, and for the first that waits for it."""
        self.owner.execute("UPDATE payments_providerstate SET retry_at = now()")
        self.owner.execute(
            "UPDATE payments_intent SET due_at = now() WHERE id ="
            " (SELECT min(id::text)::uuid FROM payments_intent"
            "  WHERE status IN ('due', 'unknown', 'waiting'))"
        )
