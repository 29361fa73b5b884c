"""Waits for orders to end by asking for each of them, seldom enough to leave the platform alone."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sagaplatform.shop.cards import Card
from sagaplatform.shop.client import OrderSeen

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds, after a look at an order that goes on
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that the platform has accepted."""

    order_id: str
    token: str
    sent_at: datetime  # just before the first try of the request, by this machine's clock
    card: Card | None = None  # None: paid with store credit


class OrdersHang(Exception):
    """No order ended for a while, and some have not; the message says which, and where to look."""


class Watch:
    """Looks at orders until each is over; they may be added while it runs.

    Orders end roughly as they were placed. So the one that was looked at the longest ago is next:
    at once if the last one was over, else after a pause. That makes hardly more requests than
    there are orders, and when an order ended is stamped by the platform: a late look changes no
    measurement. `look` asks the platform, `over` is told of each end, once.
    """

    def __init__(
        self,
        look: Callable[[Placed], OrderSeen],
        over: Callable[[Placed, OrderSeen], None],
        stall: float,
    ) -> None:
        self._look, self._over, self._stall = look, over, stall
        self._waiting: deque[Placed] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._abandoned = threading.Event()
        self._moved_at = time.monotonic()

    def add(self, order: Placed) -> None:
        """Wait for this one too. Any thread may call it."""
        with self._changed:
            self._waiting.append(order)
            self._moved_at = time.monotonic()
            self._changed.notify()

    def close(self) -> None:
        """No more orders come: `run` returns when the last one is over."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def abandon(self) -> None:
        """`run` returns soon, whatever has not ended."""
        self._abandoned.set()
        self.close()

    def run(self) -> None:
        """Look until all are over. Raises OrdersHang if none ends for `stall` seconds."""
        pause = SHORTEST_PAUSE
        while (order := self._next()) is not None:
            seen = self._look(order)
            if seen.is_over:
                self._moved_at, pause = time.monotonic(), SHORTEST_PAUSE
                self._over(order, seen)
                continue
            self._waiting.append(order)
            self._check_stall()
            self._abandoned.wait(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _next(self) -> Placed | None:
        """The next order to look at, as soon as there is one; None when none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._abandoned.is_set() or not self._waiting:
                return None
            return self._waiting.popleft()

    def _check_stall(self) -> None:
        if time.monotonic() - self._moved_at < self._stall:
            return
        hanging = [order.order_id for order in self._waiting]
        more = ", …" if len(hanging) > EXAMPLES else ""
        raise OrdersHang(
            f"No order ended for {self._stall:.0f} seconds; {len(hanging)} have not: "
            f"{', '.join(hanging[:EXAMPLES])}{more}. Look at their sagas and at the parked "
            f"messages in the admin, at `make status`, and at the logs in .local/log/."
        )
