"""What a replay came to."""

import math
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sagaplatform.shop.client import OrderSeen, Refused
from sagaplatform.shop.watch import Placed

# An order's end in words, by the event that refused it.
REASONS = {
    "StockReservationFailed": "stock short",
    "PriceFreezeFailed": "price changed",
    "PaymentDeclined": "credit short",
    "GiftWrapUnavailable": "wrap unavailable",
    "ShipmentRefused": "shipment refused",
    "CaptureFailed": "capture failed",
}
AS_WISHED = "cancelled as wished"
PERCENTILES = (50, 95, 99)


@dataclass
class Result:
    """Counts and times of a replay; threads add to it.

    A latency is the time from just before the first try of an order's request, by this machine's
    clock, to the order's end as the orders database stamped it: both clocks should be one.
    """

    placed: int = 0
    confirmed: int = 0
    undone: Counter[str] = field(default_factory=Counter)  # by reason
    refused: Counter[str] = field(default_factory=Counter)  # requests, by problem type
    refusals: dict[str, str] = field(default_factory=dict)  # the first one of each type
    wishes: int = 0  # to cancel
    turned_down: Counter[str] = field(default_factory=Counter)  # at once, by problem type
    decided: Counter[str] = field(default_factory=Counter)  # the others, by their status
    latencies: list[float] = field(default_factory=list)  # seconds
    first_sent: datetime | None = None
    last_ended: datetime | None = None
    hanging: str = ""  # which orders did not end, and where to look
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_placed(self, order: Placed) -> None:
        with self._lock:
            self.placed += 1
            self.first_sent = min(self.first_sent or order.sent_at, order.sent_at)

    def add_refused(self, refusal: Refused) -> None:
        with self._lock:
            self.refused[refusal.kind] += 1
            self.refusals.setdefault(refusal.kind, str(refusal))

    def add_wish(self) -> None:
        with self._lock:
            self.wishes += 1

    def add_turned_down(self, refusal: Refused) -> None:
        """A wish that the platform did not take. Only an honest conflict is that."""
        with self._lock:
            self.turned_down[refusal.kind] += 1
            if refusal.status != HTTPStatus.CONFLICT:
                self.refused[refusal.kind] += 1
                self.refusals.setdefault(refusal.kind, str(refusal))

    def add_over(self, order: Placed, seen: OrderSeen) -> None:
        assert seen.ended_at is not None
        with self._lock:
            self.latencies.append((seen.ended_at - order.sent_at).total_seconds())
            self.last_ended = max(self.last_ended or seen.ended_at, seen.ended_at)
            if seen.wish:
                self.decided[seen.wish] += 1
            if seen.status == "confirmed":
                self.confirmed += 1
            elif seen.refusal is None:
                self.undone[AS_WISHED] += 1
            else:
                self.undone[_reason(seen.refusal, by_card=order.card is not None)] += 1

    @property
    def ended(self) -> int:
        return len(self.latencies)

    @property
    def is_good(self) -> bool:
        """Whether every basket became an order, and every order ended."""
        return not self.refused and self.placed == self.ended > 0

    @property
    def rate(self) -> float:
        """Sagas per second, from the first request to the last end."""
        if self.first_sent is None or self.last_ended is None:
            return 0.0
        return self.ended / max((self.last_ended - self.first_sent).total_seconds(), 1e-3)

    def as_json(self) -> dict[str, Any]:
        return {
            "placed": self.placed,
            "ended": self.ended,
            "confirmed": self.confirmed,
            "undone": dict(self.undone.most_common()),
            "refused_requests": dict(self.refused.most_common()),
            "wishes_to_cancel": {
                "asked": self.wishes,
                "decided": dict(self.decided.most_common()),
                "turned_down": dict(self.turned_down.most_common()),
            },
            "latency_seconds": {
                f"p{each}": round(percentile(self.latencies, each), 4) for each in PERCENTILES
            },
            "sagas_per_second": round(self.rate, 1),
            "hanging": self.hanging,
        }


def _reason(refusal: str, *, by_card: bool) -> str:
    if by_card and refusal == "PaymentDeclined":
        return "card declined"
    return REASONS.get(refusal, refusal)


def percentile(values: Sequence[float], share: int) -> float:
    """The nearest-rank percentile; 0.0 of nothing."""
    if not values:
        return 0.0
    return sorted(values)[math.ceil(share / 100 * len(values)) - 1]
