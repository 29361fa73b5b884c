"""Asking a server something without hanging on it: in a thread of its own, for a limited time.

Metrics and health ask databases and Kafka from outside, however often somebody scrapes. One thread
per server asks one question after the other, so that there is one connection to each, whichever
thread of a web server wants to know. An answer is good for some seconds, and a server that hangs
keeps its own thread waiting and nobody else.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import django.db
import psycopg

from apps.messaging.database import Database

FRESH_SECONDS = 5  # as long an answer is given again
PATIENCE_SECONDS = 3  # for all servers together

Answer = TypeVar("Answer")


class Asked(NamedTuple):
    """A question that was put, and when."""

    at: float
    future: Future[Any]


class Asker:
    """Puts questions to one server, one at a time."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, f"asks-{name}")
        self._lock = threading.Lock()
        self._asked: dict[str, Asked] = {}

    def ask(self, about: str, question: Callable[[], Answer]) -> Future[Answer]:
        """The answer, or the one that is under way, or the last one while it is fresh.

        `about` names the question: two of one name are the same.
        """
        with self._lock:
            asked = self._asked.get(about)
            if asked is None or _is_stale(asked):
                asked = Asked(time.monotonic(), self._pool.submit(question))
                self._asked[about] = asked
        return asked.future

    def forget(self) -> None:
        """Ask again, however fresh the last answers are."""
        with self._lock:
            self._asked.clear()


def asker(name: str) -> Asker:
    """This process's asker of a server; threads do not live on in a fork."""
    return _asker(os.getpid(), name)


def answers(asked: Mapping[str, Future[Answer]]) -> dict[str, Answer | BaseException]:
    """What each server answered, or the error: its own, or that it took too long."""
    wait(asked.values(), PATIENCE_SECONDS)
    return {name: _outcome(future) for name, future in asked.items()}


def patiently(alias: str, question: Callable[[Database], Answer]) -> Answer:
    """Ask a database; once more on a new connection, for a restart has broken the old one."""
    database = Database(alias)
    try:
        return question(database)
    except (psycopg.Error, django.db.Error):
        database.reconnect()
        return question(database)


@lru_cache(maxsize=64)
def _asker(pid: int, name: str) -> Asker:
    return Asker(name)


def _is_stale(asked: Asked) -> bool:
    return asked.future.done() and time.monotonic() - asked.at > FRESH_SECONDS


def _outcome(future: Future[Any]) -> Any:
    if not future.done():
        return TimeoutError()
    return future.exception() or future.result()
