"""Breaking the local stack's servers on purpose; supervisord starts them again."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagaplatform.stack.layout import Layout
from sagaplatform.stack.supervision import State, Supervisor

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 60


def crash(server: str, number: signal.Signals) -> None:
    """Send a signal to `postgres` or `kafka`, and return when another process is in its place.

    Skips the test where the servers are not the local stack's: they are not ours to break.
    """
    before = _state(server)
    if before is None:
        pytest.skip("the servers are not those of the local stack")
    os.kill(before.pid, number)
    until = time.monotonic() + PATIENCE_SECONDS
    while (now := _state(server)) is None or now.pid in (0, before.pid):
        assert time.monotonic() < until, f"{server} was not started again"
        time.sleep(0.05)


@contextlib.contextmanager
def frozen(server: str) -> Iterator[None]:
    """Inside the block the server is there and answers nothing. Skips as `crash` does."""
    now = _state(server)
    if now is None:
        pytest.skip("the servers are not those of the local stack")
    os.kill(now.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(now.pid, signal.SIGCONT)


def _state(server: str) -> State | None:
    layout = Layout(ROOT, Path(os.environ["STACK_HOME"]))  # several stacks may run
    states = Supervisor(layout).states("servers")
    return next((each for each in states if each.name == server), None)
