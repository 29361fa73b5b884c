"""Disputes: a cardholder's bank takes the money back until it is decided whose it is."""

from . import objects
from .clock import Clock
from .events import Events
from .store import Json, Record, Store

DAYS_TO_ANSWER = 14


class Disputes:
    """What a bank does to a payment that was captured. The API only shows it."""

    def __init__(self, store: Store, clock: Clock, events: Events) -> None:
        self.store = store
        self.clock = clock
        self.events = events

    def open(self, payment: str, reason: str) -> Json:
        """Dispute a payment. Raises LookupError where nothing was captured that can be."""
        intent = self.store.get("payment_intent", payment)
        if intent.body["status"] != "succeeded":
            raise LookupError(f"{payment} has not succeeded")
        charge = self.store.get("charge", intent.body["latest_charge"])
        if charge.body["disputed"]:
            raise LookupError(f"{payment} is disputed already")
        due_by = self.clock.second() + DAYS_TO_ANSWER * 24 * 60 * 60
        dispute = self.store.add(
            Record(objects.dispute(charge.body, reason, self.clock.second(), due_by))
        )
        charge.body["disputed"] = True
        charge.private["charged_back"] = True
        self.store.save(charge)
        self.events.happened("charge.dispute.created", dispute.body)
        self.events.happened("charge.dispute.funds_withdrawn", dispute.body)
        return dispute.body

    def close(self, identifier: str, *, won: bool) -> Json:
        """Decide a dispute. Raises LookupError where there is none to decide."""
        dispute = self.store.get("dispute", identifier)
        if dispute.body["status"] != "needs_response":
            raise LookupError(f"{identifier} is decided")
        dispute.body["status"] = "won" if won else "lost"
        self.store.save(dispute)
        if won:
            charge = self.store.get("charge", dispute.body["charge"])
            charge.private["charged_back"] = False
            self.store.save(charge)
            self.events.happened("charge.dispute.funds_reinstated", dispute.body)
        self.events.happened("charge.dispute.closed", dispute.body)
        return dispute.body
