"""Placing an order: one transaction, once per customer and key."""

from uuid import UUID

import psycopg
import pytest
from django.core.cache import caches
from waffle.models import Switch

from apps.orders import services
from apps.orders.errors import IdempotencyKeyReused
from apps.orders.services import number_of
from tests.orders.shop import counts, outbox, place, row_of, saga_of, timeline_of
from tests.round_trips import counted
from tests.threads import at_once

Databases = dict[str, psycopg.Connection]
ONE_ORDER = {
    "order": 1,
    "orderline": 2,
    "orderevent": 1,
    "idempotencykey": 1,
    "sagalog": 1,
    "outboxmessage": 1,
}
NOTHING = dict.fromkeys(ONE_ORDER, 0)
STEPS = (
    "create_order,reserve_stock,freeze_price,authorize_payment,create_shipment,capture_payment,"
    "confirm_order,send_confirmation"
)
WITH_WRAP = STEPS.replace("create_shipment", "wrap_gift,create_shipment")


@pytest.fixture(autouse=True)
def _fresh_flags() -> None:
    caches["flags"].clear()


def test_an_order_is_written_with_its_lines_its_key_and_the_start_of_its_saga(
    databases: Databases,
) -> None:
    placement = place()

    orders = databases["orders"]
    assert counts(orders) == ONE_ORDER
    assert row_of(orders, placement.order_id) == ("placed", 2199, False)
    assert timeline_of(orders, placement.order_id) == [("create_order", "OrderCreated", {})]
    assert orders.execute(
        "SELECT position, product_id, quantity, unit_price_cents FROM orders_orderline ORDER BY 1"
    ).fetchall() == [(1, "tea", 2, 450), (2, "cup", 1, 1299)]
    assert orders.execute(
        "SELECT number, customer_id, currency, payment_method, gift_wrap, plan, address_name, "
        "address_street, address_postal_code, address_city, address_country FROM orders_order"
    ).fetchall() == [
        (
            number_of(placement.order_id),
            7,
            "GBP",
            "credit",
            False,
            f"place_order/2/orchestrated/{STEPS}",
            "Ada Lovelace",
            "12 St James's Square",
            "SW1Y 4JH",
            "London",
            "GB",
        )
    ]
    assert orders.execute(
        "SELECT saga_id, step, status, generation, answer_type FROM orders_sagalog"
    ).fetchall() == [
        (saga_of(orders, placement.order_id), "create_order", "done", 1, "OrderCreated")
    ]


def test_order_created_carries_what_the_later_steps_need(databases: Databases) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    placement = place(traceparent=trace)

    saga_id = str(saga_of(databases["orders"], placement.order_id))
    [(topic, headers, payload)] = outbox(databases["orders"])
    message_id = headers["message_id"]
    assert topic == "order-events"
    assert headers == {
        "message_id": message_id,
        "saga_id": saga_id,
        "step_id": "create_order",
        "action": "do",
        "type": "OrderCreated",
        "version": "1",
        "generation": "1",
        "mode": "orchestrated",
        "plan": f"place_order/2/orchestrated/{STEPS}",
        "causation_id": message_id,
        "traceparent": trace,
        "baggage": f"saga_id={saga_id}",
    }
    assert payload == {
        "order_id": str(placement.order_id),
        "customer_id": 7,
        "currency": "GBP",
        "lines": [
            {"product_id": "tea", "quantity": 2, "unit_price_cents": 450},
            {"product_id": "cup", "quantity": 1, "unit_price_cents": 1299},
        ],
        "total_cents": 2199,
        "payment_method": "credit",
        "gift_wrap": False,
        "address": {
            "name": "Ada Lovelace",
            "street": "12 St James's Square",
            "postal_code": "SW1Y 4JH",
            "city": "London",
            "country": "GB",
        },
    }


@pytest.mark.parametrize(
    ("wished", "switched_on", "steps"),
    [
        (True, True, WITH_WRAP),
        (True, False, STEPS),
        (True, None, STEPS),  # a switch that nobody has made is off
        (False, True, STEPS),
    ],
)
def test_a_gift_is_wrapped_if_it_is_wished_and_the_switch_is_on(
    databases: Databases, wished: bool, switched_on: bool | None, steps: str
) -> None:
    if switched_on is not None:
        Switch.objects.create(name="gift_wrap", active=switched_on)

    place(gift_wrap=wished)

    assert databases["orders"].execute("SELECT gift_wrap, plan FROM orders_order").fetchall() == [
        (wished, f"place_order/2/orchestrated/{steps}")
    ]


@pytest.mark.parametrize("on", [True, False])
def test_a_step_that_no_customer_wishes_hangs_on_its_switch_alone(
    databases: Databases, on: bool
) -> None:
    Switch.objects.create(name="check_fraud", active=on)

    place(gift_wrap=False)

    [(plan,)] = databases["orders"].execute("SELECT plan FROM orders_order").fetchall()
    assert ("freeze_price,check_fraud,authorize_payment" in plan) == on


def test_the_same_key_and_request_give_the_first_answer_and_one_order(
    databases: Databases,
) -> None:
    first = place(body="same")
    again = place(body="same")

    assert (again.order_id, again.answer) == (first.order_id, first.answer)
    assert (first.replayed, again.replayed) == (False, True)
    assert counts(databases["orders"]) == ONE_ORDER


def test_the_same_key_for_another_request_is_refused_and_nothing_changes(
    databases: Databases,
) -> None:
    place(body="one")

    with pytest.raises(IdempotencyKeyReused):
        place(body="other")

    assert counts(databases["orders"]) == ONE_ORDER


def test_another_customers_same_key_is_another_order(databases: Databases) -> None:
    first = place(customer_id=7, body="same")
    other = place(customer_id=8, body="same")

    assert other.order_id != first.order_id
    assert other.replayed is False
    assert counts(databases["orders"]) == {table: 2 * n for table, n in ONE_ORDER.items()}


def test_twenty_threads_with_one_key_place_one_order(databases: Databases) -> None:
    def rush() -> tuple[UUID, str, bool]:
        placement = place(body="same")
        return placement.order_id, placement.answer.body, placement.replayed

    answers = at_once(*[rush] * 20)

    assert len({(order_id, body) for order_id, body, _ in answers}) == 1
    assert sorted(replayed for *_, replayed in answers) == [False] + 19 * [True]
    assert counts(databases["orders"]) == ONE_ORDER


def test_a_saga_that_cannot_start_leaves_no_order_and_no_key(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("the outbox is full")

    with monkeypatch.context() as patch:
        patch.setattr(services, "start_saga", fail)
        with pytest.raises(RuntimeError, match="the outbox is full"):
            place()
    assert counts(databases["orders"]) == NOTHING

    assert place().replayed is False
    assert counts(databases["orders"]) == ONE_ORDER


def test_a_number_is_read_off_the_id() -> None:
    assert number_of(UUID("0192f3a1-b2c3-7abc-8def-0123456789ab")) == "SP-VVR1-4D2P-F2DB"
    assert number_of(UUID("0192f3a1-b2c3-7abc-8def-0123456789ac")) == "SP-VVR1-4D2P-F2DC"


@pytest.mark.parametrize(("most_per_minute", "trips"), [(0, 4), (60, 5)])
def test_placing_waits_seldom_for_its_database(
    databases: Databases, most_per_minute: int, trips: int
) -> None:
    """It reads the mode; begins; places; looks at the pace, if need be; the rest is the commit."""
    with counted("orders") as wire:
        place(most_per_minute=most_per_minute)

        assert wire.trips == trips
