"""Who makes the outside calls of a context in this process: many at a time, each in a thread.

One thread at a time dispatches: it claims as many calls as may begin now and hands each to a thread
that is free, so that a call is under way as soon as its lease runs. It looks again whenever one has
ended, somebody has woken it, or time has made room; and returns when nothing is due or under way.
A provider that does not answer is not called meanwhile: those who wait are told so.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import structlog
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.messaging.answers import told_to_wait
from apps.messaging.budgets import Budget, Clock
from apps.messaging.database import Database, drop_broken_connections
from apps.messaging.intents import Claimed, IntentTable, facts
from apps.messaging.metrics import CALLS_MADE
from apps.messaging.outages import SILENT, Heard, Outages, State
from apps.messaging.outbox import publish
from apps.messaging.providers import Provider
from apps.messaging.tracing import tracer
from apps.messaging.waking import wake
from apps.messaging.wiring import wiring

log = structlog.get_logger()

LONGEST_WAIT_SECONDS = 1.0  # then it looks whether the process is to stop
MOST_HELD_BACK = 200  # in one transaction

CarryOut = Callable[[str, Claimed], Heard]

_stopping = threading.Event()


def stop() -> None:
    """Claim nothing more in this process; what is under way is finished. Call it at TERM."""
    _stopping.set()


def stopping() -> bool:
    """Whether the process is to stop: ask before each claim."""
    return _stopping.is_set()


class Job(NamedTuple):
    """A call that is claimed, for a thread to make."""

    claimed: Claimed
    budget: Budget
    probe: bool  # it finds out whether its provider answers again


class Dispatcher:
    """Makes the calls of one context, each by `carry_out`, which records what comes of it."""

    def __init__(self, context: str, carry_out: CarryOut, clock: Clock = time.monotonic) -> None:
        self.context, self.carry_out = context, carry_out
        self.lease = wiring(context).lease
        self.operations: defaultdict[Provider, list[str]] = defaultdict(list)
        for operation, call in wiring(context).calls.items():
            self.operations[call.provider].append(operation)
        self.budgets = [Budget(each, clock) for each in self.operations]
        threads = sum(each.at_once for each in self.operations)
        self._pool = ThreadPoolExecutor(max(threads, 1), f"calls of {context}")
        self._changed = threading.Condition()  # guards the budgets and these:
        self._at_work = self._woken = False
        self._spent: list[Budget] = []  # that had no room for more at the last look
        self._unwell: set[str] = set()  # providers that have failed lately
        self._connections: set[BaseDatabaseWrapper] = set()  # of the threads that call

    def work(self) -> int:
        """Make all calls that are due, and those that become due meanwhile; how many were begun.

        Where a thread is at it already, that one looks again, and this one returns 0 at once.
        """
        with self._changed:
            self._woken = True
            self._changed.notify_all()
            if self._at_work:
                return 0
            self._at_work = True
        begun = 0
        try:
            while self._is_wanted():
                begun += self._turn()
        except BaseException:  # the database is away: who is woken next takes it up
            with self._changed:
                self._at_work = False
            raise
        return begun

    def close(self) -> None:
        """Wait for the calls that are under way, and close the connections of their threads."""
        self._pool.shutdown()
        for each in self._connections:
            each.inc_thread_sharing()  # its thread has ended
            each.close()

    def _is_wanted(self) -> bool:
        """Wait for a reason to look. False, and the work is left, where none will come."""
        with self._changed:
            while True:
                stopping = _stopping.is_set()
                if self._woken and not stopping:
                    self._woken = False
                    return True
                pause = None if stopping else self._time_to_room()
                if pause is None and not any(each.under_way for each in self.budgets):
                    self._at_work = False
                    return False
                longest = LONGEST_WAIT_SECONDS if pause is None else pause
                told = self._changed.wait(min(longest, LONGEST_WAIT_SECONDS))
                if pause is not None and not told:
                    return True

    def _time_to_room(self) -> float | None:
        """Seconds until time makes room for what may have found none."""
        return min((wait for e in self._spent if (wait := e.wait()) is not None), default=None)

    # --- by the thread that dispatches

    def _turn(self) -> int:
        """Begin what may begin now, and hold back what may not; how many calls were begun."""
        database, self._spent = Database(self.context), []
        states = self._look(database)
        with database.transaction():
            jobs = [
                job
                for each in self.budgets
                for job in self._claim(database, each, states.get(each.provider.name))
            ]
        self._unwell = set(states)
        for job in jobs:
            with self._changed:
                job.budget.begin(1)
            self._pool.submit(self._run, job)
        for provider in self.operations:
            if provider.name in states and states[provider.name].is_waited_for:
                self._hold_back(database, provider)
        return len(jobs)

    def _look(self, database: Database) -> dict[str, State]:
        """The providers that are not well. One that is always called has no breaker: what another
        setting has left of it is closed."""
        states = Outages(database).look()
        for provider in self.operations:
            if provider.name in states and not provider.failures:
                self._close(provider, "provider_always_called", probe=True)
                del states[provider.name]
        return states

    def _claim(self, database: Database, budget: Budget, state: State | None) -> list[Job]:
        """As many calls as its provider may be asked now."""
        with self._changed:
            room = budget.room()
        if state and state.is_open:
            return self._find_out(database, budget) if room and state.is_due else []
        operations = self.operations[budget.provider]
        claimed = IntentTable(database).claim(self.lease, operations, room) if room else []
        if len(claimed) == room:
            self._spent.append(budget)
        return [Job(each, budget, probe=False) for each in claimed]

    def _find_out(self, database: Database, budget: Budget) -> list[Job]:
        """The one call that finds out whether a provider answers again, if it is ours to make."""
        provider, outages = budget.provider, Outages(database)
        if not outages.may_probe(provider):
            return []
        claimed = IntentTable(database).claim(self.lease, self.operations[provider], 1)
        if claimed:
            outages.probe(provider, self.lease)
            log.info("provider_asked_again", context=self.context, provider=provider.name)
        return [Job(each, budget, probe=True) for each in claimed]

    def _hold_back(self, database: Database, provider: Provider) -> None:
        """What is due waits until the provider is asked again, and whoever waits for it is told."""
        while self._hold_some_back(database, provider) == MOST_HELD_BACK:
            pass

    def _hold_some_back(self, database: Database, provider: Provider) -> int:
        with database.transaction():
            until = Outages(database).open_until(provider)
            if until is None:  # it was found out meanwhile
                return 0
            reason = f"{provider.name}{SILENT}; asked again at {until:%H:%M:%S} UTC"
            table, operations = IntentTable(database), self.operations[provider]
            held = table.hold_back(operations, until, reason, MOST_HELD_BACK)
            waiting = [each.who_waits(self.context) for each in held]
            publish(database, [told_to_wait(self.context, each, reason, until) for each in waiting])
        return len(held)

    # --- by the threads that call

    def _run(self, job: Job) -> None:
        try:
            self._connections.add(connections[self.context])
            drop_broken_connections()
            with tracer().wake_up(self.context):
                heard = self.carry_out(self.context, job.claimed)
            self._hear(job, heard)
        except Exception:  # its lease runs out, and somebody asks again
            log.exception("call_left_to_its_lease", context=self.context, **facts(job.claimed))
        finally:
            with self._changed:
                job.budget.end()
                self._woken = True
                self._changed.notify_all()

    def _hear(self, job: Job, heard: Heard) -> None:
        """What a call tells of its provider's health."""
        provider, outages = job.budget.provider, Outages(Database(self.context))
        CALLS_MADE.labels(self.context, provider.name, heard.value).inc()
        if not provider.failures:
            return
        if heard is Heard.SILENCE:
            self._unwell.add(provider.name)
            opened = outages.fail(provider, probe=job.probe)
            if opened or job.probe:
                told = "provider_silent" if opened else "provider_still_silent"
                log.warning(told, context=self.context, provider=provider.name, rest=provider.rest)
        elif heard is Heard.NOTHING and job.probe:
            outages.leave(provider)
        elif heard is Heard.ANSWER and (job.probe or provider.name in self._unwell):
            self._close(provider, "provider_answers", probe=job.probe)

    # --- by both

    def _close(self, provider: Provider, why: str, *, probe: bool) -> None:
        """It is called as ever, and `why` is logged; what was held back is due at once, for the
        workers of all processes."""
        database = Database(self.context)
        with database.transaction():
            seconds = Outages(database).close(provider, probe=probe)
            if seconds is None:
                return
            held = IntentTable(database)
            calls = held.let_go(self.operations[provider], f"{provider.name}{SILENT}")
            transaction.on_commit(partial(wake, self.context), using=self.context)
        told = {"context": self.context, "provider": provider.name}
        log.info(why, **told, silent_for=round(seconds), let_go=calls)


_dispatchers: dict[str, Dispatcher] = {}
_making = threading.Lock()


def dispatcher(context: str, carry_out: CarryOut) -> Dispatcher:
    """This process's dispatcher of a context, made on first use."""
    with _making:
        if context not in _dispatchers:
            _dispatchers[context] = Dispatcher(context, carry_out)
        return _dispatchers[context]


def close_dispatchers() -> None:
    """At the end of a process: see Dispatcher.close."""
    with _making:
        while _dispatchers:
            _dispatchers.popitem()[1].close()
