"""How many calls to a provider may begin now, in this process: neither more at once nor more in a
second than it bears. What may not begin is not claimed, so that nothing waits inside a lease.

Budgets lock nothing: their owner does.
"""

import time
from collections.abc import Callable

from apps.messaging.providers import Provider

Clock = Callable[[], float]


class Bucket:
    """A token bucket: so many tokens a second come in, a second's worth (and one at least) at most
    lies in it. It is full at first."""

    def __init__(self, per_second: float, clock: Clock = time.monotonic) -> None:
        self.per_second = per_second
        self.size = max(per_second, 1.0)
        self._clock = clock
        self._tokens, self._at = self.size, clock()

    def tokens(self) -> float:
        """What is in it now."""
        now = self._clock()
        self._tokens = min(self.size, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        return self._tokens

    def take(self, tokens: int) -> None:
        """Take what is in it."""
        self._tokens = self.tokens() - tokens

    def wait(self) -> float:
        """Seconds until a whole token is in it."""
        return max(0.0, 1.0 - self.tokens()) / self.per_second


class Budget:
    """What this process may spend on one provider."""

    def __init__(self, provider: Provider, clock: Clock = time.monotonic) -> None:
        self.provider = provider
        self.under_way = 0
        self._bucket = Bucket(provider.per_second, clock) if provider.per_second else None

    def room(self) -> int:
        """How many calls may begin now."""
        free = self.provider.at_once - self.under_way
        return min(free, int(self._bucket.tokens())) if self._bucket else free

    def begin(self, calls: int) -> None:
        """So many calls begin."""
        self.under_way += calls
        if self._bucket:
            self._bucket.take(calls)

    def end(self) -> None:
        """A call has ended."""
        self.under_way -= 1

    def wait(self) -> float | None:
        """Seconds until time makes room, 0 where there is some; None where a call has to end."""
        if self.room():
            return 0.0
        full = self.under_way >= self.provider.at_once
        return None if full or self._bucket is None else self._bucket.wait()
