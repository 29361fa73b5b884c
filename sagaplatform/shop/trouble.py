"""Trouble at the stand-in for Stripe, to show that the money comes out right all the same."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

TIMEOUT = (3.0, 30.0)  # seconds to connect, and to wait for an answer
SEED = 7  # the same calls meet the same faults
SHORT, LONG = 1.0, 12.0  # seconds of a slow answer; and of silence, longer than anybody waits
# Of each call, by kind: for how many seconds, where that is to be said.
OF_CALLS: dict[str, float | None] = {
    "refused": None,
    "error_before": None,
    "conflict": None,
    "rate_limited": None,
    "hang_before": LONG,
    "slow": SHORT,
    "answer_lost": None,
    "answer_cut": None,
    "hang_after": LONG,
    "error_after": None,
}
OF_WEBHOOKS: dict[str, float | None] = {
    "twice": None,
    "out_of_order": SHORT,
    "late": SHORT,
    "before_answer": None,
    "never": None,
}


class NoStandIn(Exception):
    """Faults can be switched on at the stand-in for Stripe only, and this platform asks another:
    leave FAULTS out, or unset STRIPE_API_KEY and run this again."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the stand-in counted."""

    calls: Counter[str]  # by operation
    faults: Counter[str]  # by kind, of calls and of webhooks
    double_charges: int  # orders that were charged more than once


class Gateway:
    """The control of the stand-in for Stripe."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._calls_before = len(self._get("calls")["calls"])
        self._deliveries_before = len(self._get("deliveries")["deliveries"])

    @contextmanager
    def trouble(self, percent: int) -> Iterator[None]:
        """Each kind of fault hits so many in a hundred calls and webhooks, until the end."""
        for kind, seconds in OF_CALLS.items():
            self._add(kind, percent, seconds, operation="any")
        for kind, seconds in OF_WEBHOOKS.items():
            self._add(kind, percent, seconds, event="any")
        try:
            yield
        finally:
            self._ask("DELETE", "faults")

    def account(self) -> Account:
        """What came in since this was made, and what went wrong. Double charges are of all times:
        there is to be none."""
        calls = self._get("calls")["calls"][self._calls_before :]
        deliveries = self._get("deliveries")["deliveries"][self._deliveries_before :]
        faults = Counter(each["fault"] for each in calls if each["fault"])
        told = {(each["event"], each["fault"]) for each in deliveries if each["fault"]}
        faults.update(f"webhook {fault}" for _, fault in told)  # one that comes twice is one
        return Account(
            calls=Counter(each["operation"] for each in calls),
            faults=faults,
            double_charges=len(self._get("ledger")["double_charges"]),
        )

    def _add(self, kind: str, percent: int, seconds: float | None, **where: str) -> None:
        rule = {"kind": kind, "percent": percent, "seed": f"{SEED}-{kind}", **where}
        self._ask("POST", "faults", rule if seconds is None else {**rule, "seconds": seconds})

    def _get(self, what: str) -> Any:
        return self._ask("GET", what)

    def _ask(self, method: str, what: str, body: Any = None) -> Any:
        url = f"{self._address}/_control/{what}"
        answer = requests.request(method, url, json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.json()
