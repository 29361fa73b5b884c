"""Wishes to cancel, for the tests of orders."""

import hashlib
from typing import Any
from uuid import UUID

import psycopg

from apps.contracts.base import Event
from apps.contracts.orders import CancelConfirmedOrder, ConfirmOrder, RefuseCancellation
from apps.orders.cancelling import request_cancellation
from tests.handling import ask
from tests.orders.shop import place, saga_of

Owner = psycopg.Connection


def wish(order_id: UUID, *, key: str = "wish-1", customer_id: int = 7, body: str = "") -> bool:
    """Wish to cancel an order; whether the wish was known."""
    return request_cancellation(
        customer_id=customer_id,
        order_id=order_id,
        reason="changed my mind",
        idempotency_key=key,
        request_hash=hashlib.sha256(body.encode()).digest(),
    )


def confirm(owner: Owner, order_id: UUID) -> Event:
    saga_id = saga_of(owner, order_id)
    return ask("orders", ConfirmOrder(total_cents=2199), saga_id=saga_id, step="confirm_order")


def confirmed(owner: Owner, key: str = "key-1") -> UUID:
    """An order that is confirmed."""
    order_id = place(key=key).order_id
    confirm(owner, order_id)
    return order_id


def wish_of(owner: Owner, order_id: UUID) -> tuple[str, bool, bool] | None:
    """A wish's status, whether it has a saga of its own, and whether it has a time of decision."""
    return owner.execute(
        "SELECT status, saga_id IS NOT NULL, decided_at IS NOT NULL FROM orders_cancellation"
        " WHERE order_id = %s",
        [order_id],
    ).fetchone()


def returning_saga(owner: Owner, order_id: UUID) -> UUID:
    """The saga that takes an order back."""
    [(saga_id,)] = owner.execute(
        "SELECT saga_id FROM orders_cancellation WHERE order_id = %s", [order_id]
    ).fetchall()
    return saga_id


def take_back(owner: Owner, order_id: UUID) -> Event:
    """Everything else is taken back; now the order."""
    saga_id = returning_saga(owner, order_id)
    command = CancelConfirmedOrder(placed_by=saga_of(owner, order_id))
    return ask("orders", command, saga_id=saga_id, step="cancel_confirmed_order")


def turn_down(owner: Owner, order_id: UUID) -> Event:
    """The saga turned back: shipping had handed the parcel over."""
    saga_id = returning_saga(owner, order_id)
    return ask("orders", RefuseCancellation(), saga_id=saga_id, step="begin_cancellation")


def everything(owner: Owner) -> list[Any]:
    """All that a refused wish must leave as it was."""
    tables = ("order", "orderevent", "cancellation", "outboxmessage", "sagalog")
    return [owner.execute(f"SELECT * FROM orders_{each} ORDER BY 1").fetchall() for each in tables]
