"""A customer's order for tests, and what the databases say of it."""

import hashlib
import json
from typing import Any
from uuid import UUID

import psycopg

from apps.contracts.values import Address, PaymentMethod, PricedLine
from apps.orders.services import Answer, NewOrder, Placement, place_order

ADDRESS = Address(
    name="Ada Lovelace",
    street="12 St James's Square",
    postal_code="SW1Y 4JH",
    city="London",
    country="GB",
)
LINES = (
    PricedLine(product_id="tea", quantity=2, unit_price_cents=450),
    PricedLine(product_id="cup", quantity=1, unit_price_cents=1299),
)
TABLES = ("order", "orderline", "orderevent", "idempotencykey", "sagalog", "outboxmessage")


def place(*, customer_id: int = 7, key: str = "key-1", body: str = "", **changes: Any) -> Placement:
    """Place an order of two teas and a cup for 21.99 GBP."""
    wishes: dict[str, Any] = {
        "lines": LINES,
        "currency": "GBP",
        "payment_method": PaymentMethod.CREDIT,
        "gift_wrap": False,
        "address": ADDRESS,
        "answer": accepted,
    }
    return place_order(
        customer_id=customer_id,
        idempotency_key=key,
        request_hash=hashlib.sha256(body.encode()).digest(),
        **wishes | changes,
    )


def accepted(order: NewOrder) -> Answer:
    """An answer for tests."""
    return Answer(202, f'{{"number":"{order.number}"}}')


def saga_of(database: psycopg.Connection, order_id: UUID) -> UUID:
    """The saga of an order."""
    [(saga_id,)] = database.execute(
        "SELECT saga_id FROM orders_order WHERE id = %s", [order_id]
    ).fetchall()
    return saga_id


def row_of(database: psycopg.Connection, order_id: UUID) -> tuple[str, int, bool]:
    """An order's status, its total, and whether it has an end."""
    [row] = database.execute(
        "SELECT status, total_cents, ended_at IS NOT NULL FROM orders_order WHERE id = %s",
        [order_id],
    ).fetchall()
    return row


def timeline_of(database: psycopg.Connection, order_id: UUID) -> list[tuple[str, str, Any]]:
    """Step, type and facts of an order's timeline, in the order of time."""
    return database.execute(
        "SELECT step, type, facts FROM orders_orderevent WHERE order_id = %s "
        "ORDER BY at, step, type",
        [order_id],
    ).fetchall()


def counts(database: psycopg.Connection) -> dict[str, int]:
    """How many rows each table of orders has."""
    return {
        table: database.execute(f"SELECT count(*) FROM orders_{table}").fetchone()[0]
        for table in TABLES
    }


def outbox(database: psycopg.Connection) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """Topic, headers and payload of every message that waits to be sent."""
    rows = database.execute(
        "SELECT topic, headers, payload FROM orders_outboxmessage ORDER BY id"
    ).fetchall()
    return [(topic, json.loads(headers), json.loads(payload)) for topic, headers, payload in rows]
