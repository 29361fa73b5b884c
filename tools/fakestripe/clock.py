"""The server's own time: the machine's, plus what somebody has advanced it by."""

import time

from .store import Store


class Clock:
    """Holds, keys and retries go by this clock; only a signature's time is the machine's."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.advanced()

    def second(self) -> int:
        """The time as Stripe writes it."""
        return int(self.now())

    def advanced(self) -> float:
        """By how many seconds the clock is ahead of the machine's."""
        return float(self.store.setting("clock_advanced", 0))

    def advance(self, seconds: float) -> None:
        """Put the clock forward. It never goes back, as no clock of Stripe's does."""
        self.store.set("clock_advanced", self.advanced() + seconds)
