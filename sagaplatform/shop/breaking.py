"""Breaking something in the middle of a demonstration, to show that it ends all the same."""

import os
import signal
import threading
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from rich.console import Console

from sagaplatform.shop.progress import Progress
from sagaplatform.stack import cluster
from sagaplatform.stack.errors import StackError
from sagaplatform.stack.layout import Layout
from sagaplatform.stack.supervision import SERVERS, Supervisor


class NoSuchBroker(Exception):
    """No such broker runs on this machine: there are as many as BROKERS says, counted from 1."""


class AtHalf:
    """A replay's progress that does something once, when half of the orders are placed."""

    def __init__(self, progress: Progress, total: int, act: Callable[[], None]) -> None:
        self._progress, self._left, self._act = progress, (total + 1) // 2, act
        self._lock = threading.Lock()

    def placed(self) -> None:
        self._progress.placed()
        with self._lock:
            self._left -= 1
            due = self._left == 0
        if due:
            self._act()

    def ended(self) -> None:
        self._progress.ended()


def broker(text: str) -> int:
    """An argument that is the number of a broker which the local stack has, or is about to have."""
    try:
        there = cluster.how_many(_layout(), os.environ, elsewhere="")
    except StackError as error:
        raise ArgumentTypeError(str(error)) from error
    if text not in map(str, range(1, there + 1)):
        told = f"there are the brokers 1 to {there}" if there > 1 else "there is only broker 1"
        raise ArgumentTypeError(f"{told} (BROKERS=3 starts three), and none is called {text!r}")
    return int(text)


def broker_process(number: int) -> int:
    """The process of a broker of the local stack. Raises NoSuchBroker."""
    name = cluster.names(number)[-1]
    states = Supervisor(_layout()).states(SERVERS)
    pid = next((each.pid for each in states if each.name == name and each.pid), None)
    if pid is None:
        raise NoSuchBroker(NoSuchBroker.__doc__)
    return pid


def _layout() -> Layout:
    root = Path(settings.BASE_DIR)
    return Layout(root=root, home=root / ".local")


def kill_broker(number: int, console: Console) -> None:
    """Without a goodbye: whatever it had in hand is not finished. Raises NoSuchBroker."""
    pid = broker_process(number)
    os.kill(pid, signal.SIGKILL)
    console.print(f"Kafka's broker {number} (process {pid}) was killed, with orders under way.")
