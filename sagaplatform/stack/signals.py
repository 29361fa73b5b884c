"""Ctrl-C, `kill` and a closed terminal: an orderly stop, from wherever we are."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from sagaplatform.stack.terminal import say

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Somebody wants us to stop. No Exception, so that nothing handles it by mistake."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def listen() -> None:
    """From now on the signals raise Interrupted (also where a shell had them ignored)."""
    for number in NUMBERS:
        signal.signal(number, _interrupt)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """While we stop things in order, another Ctrl-C changes nothing."""
    before = {number: signal.signal(number, _be_patient) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


def _be_patient(number: int, frame: FrameType | None) -> None:
    say("  (stopping already, a moment)")
