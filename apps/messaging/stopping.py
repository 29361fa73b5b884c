"""INT and TERM ask a process to end: what is begun is finished first."""

import signal
from collections.abc import Callable
from types import FrameType


def on_stop_signal(stop: Callable[[], None]) -> None:
    """Have `stop` called at INT or TERM. Call it in the main thread."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
