"""What the money says: per payment and per order what is held, captured and given back."""

from collections import defaultdict
from dataclasses import asdict, dataclass

from .store import Json, Record, Store


@dataclass
class Payment:
    """One PaymentIntent. Amounts are in the currency's smallest unit."""

    id: str
    order_id: str | None
    status: str
    currency: str
    amount: int
    held: int
    captured: int
    refunded: int


class Ledger:
    """Reads the payments; writes nothing."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def payments(self) -> list[Payment]:
        """All of them, the oldest first."""
        return [
            self._payment(intent) for intent in self.store.select("payment_intent", order="ASC")
        ]

    def as_json(self) -> Json:
        """The payments, the sums of each order, and the orders that were charged twice."""
        payments = self.payments()
        return {
            "payments": [asdict(payment) for payment in payments],
            "orders": orders(payments),
            "double_charges": double_charges(payments),
        }

    def _payment(self, intent: Record) -> Payment:
        body = intent.body
        return Payment(
            id=intent.id,
            order_id=body["metadata"].get("order_id"),
            status=body["status"],
            currency=body["currency"],
            amount=body["amount"],
            held=body["amount_capturable"],
            captured=body["amount_received"],
            refunded=self._refunded(body["latest_charge"]),
        )

    def _refunded(self, charge: str | None) -> int:
        return (
            0 if charge is None else int(self.store.get("charge", charge).body["amount_refunded"])
        )


def orders(payments: list[Payment]) -> Json:
    """Per order what is held, captured and refunded over all its payments."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: {"held": 0, "captured": 0, "refunded": 0})
    for payment in payments:
        if payment.order_id is not None:
            order = sums[payment.order_id]
            order["held"] += payment.held
            order["captured"] += payment.captured
            order["refunded"] += payment.refunded
    return dict(sums)


def double_charges(payments: list[Payment]) -> list[str]:
    """Orders with more than one payment that was captured or can be."""
    charged: dict[str, int] = defaultdict(int)
    for payment in payments:
        if payment.order_id is not None and (payment.held or payment.captured):
            charged[payment.order_id] += 1
    return [order for order, times in charged.items() if times > 1]
