"""What support sees of an order whose customer wished to cancel it."""

from typing import Any

import psycopg
import pytest
from django.test import Client

from apps.messaging.audit import Actor
from apps.orders.models import Order, Return
from apps.sagas import operations
from apps.sagas.models import Case, Saga
from apps.shipping.watchdog import Watchdog
from tests.admin.test_order_case import case_of, page, texts
from tests.admin.world import CASE, act_on, client_of
from tests.ops.world import buy, cancel, deliver, send_back
from tests.orders.wishes import returning_saga

Databases = dict[str, psycopg.Connection]


@pytest.fixture
def support(shop: Databases, settings: Any) -> Client:
    settings.HAND_OVER_AFTER = 3600
    return client_of("support", codenames="view_")


def confirmed(shop: Databases) -> Order:
    order_id = buy(tea=2, cup=1, gift_wrap=True)
    deliver(shop)
    return Order.objects.get(id=order_id)


def test_an_order_that_nobody_wishes_to_cancel_says_so(support: Client, shop: Databases) -> None:
    order = confirmed(shop)
    case = case_of(support, order)
    assert case.wish == ["The customer did not wish to cancel."]
    assert case.taken_back_by is None
    assert texts(case.next) == ["The parcel is booked; the carrier comes at TIME."]
    record = support.get(page(order, "change")).content.decode()
    assert "Can be cancelled" in record
    assert "by return" in record


def test_a_wish_that_nobody_has_answered_yet_is_told(support: Client, shop: Databases) -> None:
    order_id = buy(tea=1)
    deliver(shop, rounds=3)
    cancel(order_id)
    order = Order.objects.get(id=order_id)
    case = case_of(support, order)
    says = "Its customer wishes to cancel it; whether that still can be is being asked."
    assert case.verdict == f"The order is under way. {says}"
    assert case.wish == [says]
    assert "The customer wished to cancel the order." in texts(case.happened)
    assert "Cancellation requested" in texts(case.readable)


def test_an_order_that_was_taken_back_is_told_to_its_end(support: Client, shop: Databases) -> None:
    order = confirmed(shop)
    cancel(order.id)
    deliver(shop)

    case = case_of(support, order)

    assert case.verdict == (
        "It was confirmed, and then taken back, for its customer wished to cancel it."
    )
    assert texts(case.next) == ["Nothing more happens by itself."]
    assert case.wish == ["Its customer wished to cancel it, and has that."]
    assert texts(case.happened)[-8:] == [
        "The customer wished to cancel the confirmed order: it was to be taken back.",
        "The parcel " + case.parcel[1].split(",")[0] + " was kept back.",
        "21.00 USD were given back.",
        "The gift was unwrapped.",
        "The promised prices were taken back.",
        "The stock put 3 pieces back.",
        "The order was cancelled.",
        "The customer was told that the order is cancelled.",
    ]
    assert case.parcel[1].endswith(": kept back, for the customer cancelled")
    assert texts(case.sent) == [
        "Your order is confirmed", "Your money is on its way back", "Your order is cancelled",
    ]  # fmt: skip
    assert [(each.what, each.amount) for each in case.money][-2:] == [
        ("Given back", "21.00 USD"),
        ("The shop has", "0.00 USD"),
    ]
    saga = returning_saga(shop["orders"], order.id)
    assert case.taken_back_by == saga
    assert f'href="/admin/sagas/saga/{saga}/change/"' in support.get(page(order)).content.decode()


def test_the_saga_that_takes_an_order_back_shows_what_is_held_of_it(
    support: Client, shop: Databases
) -> None:
    order = confirmed(shop)
    cancel(order.id)
    deliver(shop)
    saga = returning_saga(shop["orders"], order.id)

    shown = support.get(f"/admin/sagas/saga/{saga}/change/")

    assert shown.status_code == 200
    text = shown.content.decode()
    assert order.number in text
    for status in ("released", "refunded", "unwrapped", "recalled"):
        assert status in text.lower()


def test_a_wish_that_came_too_late_says_why(support: Client, shop: Databases) -> None:
    order = confirmed(shop)
    shop["shipping"].execute("UPDATE shipping_pickup SET due_at = now()")
    Watchdog().turn()  # nobody has heard of it yet
    cancel(order.id)
    deliver(shop)

    case = case_of(support, order)

    assert case.verdict == (
        "The order is confirmed: 21.00 USD taken for 3 pieces. Its customer wished to cancel it,"
        " which was not to be had any more."
    )
    reference = case.parcel[1].split(",")[0]
    why = f"The parcel {reference} has left the house; send it back when it arrives"
    assert case.wish[1:] == [f"Why not: {why}."]
    assert why in texts(case.readable)
    assert why in support.get(page(order, "change")).content.decode()


def test_a_wish_to_be_taken_back_that_is_under_way_tells_what_is_next(
    support: Client, shop: Databases
) -> None:
    order = confirmed(shop)
    cancel(order.id)
    deliver(shop, rounds=1)
    case = case_of(support, order)
    assert texts(case.next)[0].startswith("It waits for the parcel to be kept back")
    assert case.verdict.endswith("Its customer wishes to cancel it, and it is being taken back.")


def test_what_was_done_by_hand_to_its_cancellation_is_told_once(
    support: Client, shop: Databases
) -> None:
    order = confirmed(shop)
    cancel(order.id)
    deliver(shop, rounds=1)
    saga, olga = returning_saga(shop["orders"], order.id), Actor(1, "olga")
    shop["sagas"].execute(CASE, [saga])
    operations.retry_step(
        saga_id=saga, step="recall_shipment", version=Saga.objects.get(saga_id=saga).revision,
        actor=olga, reason="The carrier was away",
    )  # fmt: skip
    operations.add_note(case_id=Case.objects.get().id, actor=olga, reason="I called them")
    act_on(saga, "payments")
    act_on(order.saga_id, "payments")

    case = case_of(support, order)

    told = texts(case.hands)
    assert told[0].startswith(
        "olga: retry of “recall shipment”, of the cancellation. The carrier was away (running -> "
    )
    assert told[1:] == [
        "olga: note of “authorize payment”, of the cancellation. I called them (noted)",
        "terminal:ada: discard of “authorize payment”, of the cancellation. it was a test"
        " (discarded)",
        "terminal:ada: discard of “authorize payment”. it was a test (discarded)",
    ]
    happened = texts(case.happened)
    assert [happened.count(each) for each in told] == [1, 1, 1, 1]


def test_what_was_done_by_hand_to_its_return_is_told_once(support: Client, shop: Databases) -> None:
    order = confirmed(shop)
    shop["shipping"].execute("UPDATE shipping_pickup SET due_at = now()")
    Watchdog().turn()
    deliver(shop)
    parcel = Return.objects.get(id=send_back(order.id, tea=1))
    deliver(shop)
    for context in ("inventory", "sagas"):
        act_on(parcel.saga_id, context)

    case = case_of(support, order)

    told = "terminal:ada: discard of “authorize payment”, of the return. it was a test (discarded)"
    assert texts(case.hands) == [told, told]
    assert texts(case.happened).count(told) == 2
