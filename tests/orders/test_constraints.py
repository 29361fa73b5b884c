"""What the database of orders refuses, whoever writes."""

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.orders.selectors import all_order_facts
from tests.orders.shop import place, saga_of

Databases = dict[str, psycopg.Connection]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("UPDATE orders_order SET status = 'confirmed'", "orders_end_has_a_time"),
        ("UPDATE orders_order SET ended_at = now()", "orders_end_has_a_time"),
        ("UPDATE orders_order SET status = 'lost', ended_at = now()", "orders_end_has_a_time"),
        ("UPDATE orders_order SET total_cents = 0", "orders_total_is_positive"),
        ("UPDATE orders_order SET currency = 'gbp'", "orders_currency_is_iso"),
        ("UPDATE orders_order SET payment_method = 'cash'", "orders_payment_method_is_known"),
        ("UPDATE orders_orderline SET quantity = 0", "orders_quantity_is_positive"),
        ("UPDATE orders_orderline SET unit_price_cents = 0", "orders_price_is_positive"),
        ("UPDATE orders_orderline SET product_id = 'tea'", "orders_one_line_per_product"),
        ("UPDATE orders_idempotencykey SET key = ''", "orders_key_has_a_length"),
        (
            "UPDATE orders_idempotencykey SET key = repeat('k', 256)",
            "orders_key_has_a_length",
        ),
        (
            "INSERT INTO orders_orderevent (order_id, step, type, at, facts) "
            "SELECT order_id, step, type, at, facts FROM orders_orderevent",
            "orders_one_row_per_fact",
        ),
    ],
)
def test_an_invariant_is_a_constraint(databases: Databases, change: str, constraint: str) -> None:
    place()

    with pytest.raises(psycopg.IntegrityError, match=constraint):
        databases["orders"].execute(change)


def test_two_orders_never_share_a_saga_or_a_number(databases: Databases) -> None:
    place(key="one")
    place(key="two")

    for column in ("saga_id", "number"):
        with pytest.raises(psycopg.errors.UniqueViolation, match=column):
            databases["orders"].execute(
                f"UPDATE orders_order SET {column} = (SELECT {column} FROM orders_order LIMIT 1)"
            )


def test_the_facts_for_the_conservation_check(databases: Databases) -> None:
    orders = databases["orders"]
    first, second = place(key="one").order_id, place(key="two").order_id

    facts = list(all_order_facts())

    assert [(fact.id, fact.saga_id) for fact in facts] == [
        (first, saga_of(orders, first)),
        (second, saga_of(orders, second)),
    ]
    assert {
        (fact.status, fact.total_cents, fact.lines_cents, fact.keys, fact.started) for fact in facts
    } == {("placed", 2199, 2199, 1, True)}


def test_what_is_broken_by_hand_shows_in_the_facts(databases: Databases) -> None:
    place()
    for damage in (
        "DELETE FROM orders_idempotencykey",
        "DELETE FROM orders_sagalog",
        "DELETE FROM orders_orderline WHERE product_id = 'cup'",
    ):
        databases["orders"].execute(damage)

    [fact] = all_order_facts()
    assert (fact.keys, fact.started, fact.lines_cents, fact.total_cents) == (0, False, 900, 2199)


def test_a_timeline_belongs_to_an_order(databases: Databases) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        databases["orders"].execute(
            "INSERT INTO orders_orderevent (order_id, step, type, at, facts) "
            "VALUES (%s, 's', 't', now(), '{}')",
            [uuid7()],
        )
