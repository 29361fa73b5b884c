"""Rivals in threads of their own, with connections of their own and real commits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections

T = TypeVar("T")
PATIENCE_SECONDS = 60


def at_once(*rivals: Callable[[], T]) -> list[T | Exception]:
    """Start all at the same moment; what each returned or raised, in the order given."""
    barrier = Barrier(len(rivals))

    def run(rival: Callable[[], T]) -> T | Exception:
        try:
            barrier.wait(PATIENCE_SECONDS)
            return rival()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(rivals)) as pool:
        return list(pool.map(run, rivals))
