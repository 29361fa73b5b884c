"""Waits for orders to end by asking for each of them, seldom enough to leave the platform alone."""

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sagaplatform.shop.client import OrderSeen

FIRST_LOOK = 0.25  # seconds after the order was accepted
LONGEST_PAUSE = 2.0  # between two looks at one order
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that the platform has accepted."""

    order_id: str
    token: str
    sent_at: datetime  # just before the first try of the request, by this machine's clock


class OrdersHang(Exception):
    """No order ended for a while, and some have not; the message says which, and where to look."""


@dataclass(order=True)
class Waiting:
    """An order that is looked at again when it is due."""

    due: float
    pause: float = field(compare=False)
    order: Placed = field(compare=False)


class Watch:
    """Looks at orders until each is over; they may be added while it runs.

    `look` asks the platform, `over` is told of each end, once. When an order ended is stamped by
    the platform, so a late look changes no measurement.
    """

    def __init__(
        self,
        look: Callable[[Placed], OrderSeen],
        over: Callable[[Placed, OrderSeen], None],
        stall: float,
    ) -> None:
        self._look, self._over, self._stall = look, over, stall
        self._waiting: list[Waiting] = []
        self._changed = threading.Condition()
        self._closed = False
        self._moved_at = time.monotonic()

    def add(self, order: Placed) -> None:
        """Wait for this one too. Any thread may call it."""
        self._push(order, FIRST_LOOK)
        self._moved_at = time.monotonic()

    def close(self) -> None:
        """No more orders come: `run` returns when the last one is over."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def abandon(self) -> None:
        """`run` returns soon, whatever has not ended."""
        with self._changed:
            self._waiting.clear()
        self.close()

    def run(self) -> None:
        """Look until all are over. Raises OrdersHang if none ends for `stall` seconds."""
        while (waiting := self._next()) is not None:
            seen = self._look(waiting.order)
            if seen.is_over:
                self._moved_at = time.monotonic()
                self._over(waiting.order, seen)
            else:
                self._push(waiting.order, min(LONGEST_PAUSE, 2 * waiting.pause))
                self._check_stall()

    def _push(self, order: Placed, pause: float) -> None:
        with self._changed:
            heapq.heappush(self._waiting, Waiting(time.monotonic() + pause, pause, order))
            self._changed.notify()

    def _next(self) -> Waiting | None:
        """The order that is due next, when it is; None when none will come."""
        with self._changed:
            while self._waiting or not self._closed:
                pause = self._waiting[0].due - time.monotonic() if self._waiting else None
                if pause is not None and pause <= 0:
                    return heapq.heappop(self._waiting)
                self._changed.wait(pause)
        return None

    def _check_stall(self) -> None:
        if time.monotonic() - self._moved_at < self._stall:
            return
        hanging = [each.order.order_id for each in self._waiting]
        more = ", …" if len(hanging) > EXAMPLES else ""
        raise OrdersHang(
            f"No order ended for {self._stall:.0f} seconds; {len(hanging)} have not: "
            f"{', '.join(hanging[:EXAMPLES])}{more}. Look at their sagas and at the parked "
            f"messages in the admin, at `make status`, and at the logs in .local/log/."
        )
