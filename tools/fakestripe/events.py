"""Events, and a delivery of each to the shop, written with the change that they tell of."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from . import objects
from .clock import Clock
from .faults import NO_FAULT, Faults, WebhookFault
from .store import Json, Record, Store

TABLES = """
CREATE TABLE IF NOT EXISTS deliveries (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  event TEXT NOT NULL,
  type TEXT NOT NULL,
  -- Deliveries about one payment go one after another; those of different payments side by side.
  payment TEXT NOT NULL,
  -- due: to be sent; behind: after the next one about its payment; sent; withheld; given_up
  status TEXT NOT NULL CHECK (status IN ('due', 'behind', 'sent', 'withheld', 'given_up')),
  due REAL NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  answer TEXT NOT NULL DEFAULT '',
  -- Whether the API's answer waits for it.
  early INTEGER NOT NULL DEFAULT 0,
  fault TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_by_due ON deliveries (status, due);
"""
# Seconds: how late is late, and how long a delivery waits for another one to overtake it.
DELAYS: dict[str, float] = {WebhookFault.LATE: 1, WebhookFault.OUT_OF_ORDER: 5}
STATUSES: dict[str, str] = {WebhookFault.OUT_OF_ORDER: "behind", WebhookFault.NEVER: "withheld"}


class Events:
    """Tells the shop what happened."""

    def __init__(self, store: Store, clock: Clock, faults: Faults) -> None:
        self.store = store
        self.clock = clock
        self.faults = faults
        self.request: Json = {"id": None, "idempotency_key": None}
        store.declare(TABLES)

    @contextmanager
    def caused_by(self, request_id: str, key: str | None) -> Iterator[None]:
        """Events inside were caused by this request; others happen by themselves."""
        before, self.request = self.request, {"id": request_id, "idempotency_key": key}
        try:
            yield
        finally:
            self.request = before

    def happened(self, type: str, subject: Json) -> None:
        """Keep the event, and what is to be delivered of it."""
        webhook = self.store.setting("webhook_url", None)
        event = objects.event(
            type, subject, self.clock.second(), self.request, waiting=1 if webhook else 0
        )
        self.store.add(Record(json.loads(json.dumps(event))))
        if webhook:
            self._deliver(event, payment_of(subject))

    def _deliver(self, event: Json, payment: str) -> None:
        fault = self.faults.take("webhook", event["type"]) or NO_FAULT
        delay = fault.lasts(DELAYS[fault.kind]) if fault.kind in DELAYS else 0
        status = STATUSES.get(fault.kind, "due")
        # Only what a request has caused has an answer that can wait for it.
        early = fault.kind == WebhookFault.BEFORE_ANSWER and self.request["id"] is not None
        for _ in range(2 if fault.kind == WebhookFault.TWICE else 1):
            self.store.execute(
                "INSERT INTO deliveries (event, type, payment, status, due, early, fault) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                event["id"], event["type"], payment, status, self.clock.now() + delay, early,
                None if fault is NO_FAULT else fault.kind,
            )  # fmt: skip


def payment_of(subject: Json) -> str:
    """The payment that an object belongs to."""
    name = "id" if subject["object"] == "payment_intent" else "payment_intent"
    return str(subject[name])
