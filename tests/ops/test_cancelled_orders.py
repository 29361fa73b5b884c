"""Orders that are cancelled after their end, as the conservation check sees them; and what each
service has of them: nothing."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from waffle import get_waffle_switch_model

from apps.ops.conservation.check import prove
from apps.ops.conservation.drain import under_way
from apps.ops.conservation.proof import Patience
from apps.shipping.watchdog import Watchdog
from tests.e2e.world import holdings
from tests.ops.test_conservation import AT_ONCE, NOW, broken, faults
from tests.ops.world import buy, cancel, deliver
from tests.orders.shop import row_of, timeline_of
from tests.orders.wishes import wish_of

Databases = dict[str, psycopg.Connection]


@pytest.fixture(autouse=True)
def tomorrow(settings: Any) -> None:
    """The carrier comes a day after the confirmation."""
    settings.HAND_OVER_AFTER = 24 * 3600


@pytest.fixture(autouse=True)
def checked(shop: Databases) -> None:
    """Every order goes through every optional step that no customer wishes for."""
    get_waffle_switch_model().objects.update_or_create(
        name="check_fraud", defaults={"active": True}
    )


def the_carrier_comes(owners: Databases) -> None:
    owners["shipping"].execute("UPDATE shipping_pickup SET due_at = now()")
    Watchdog().turn()
    deliver(owners)


def taken_back(owners: Databases, **basket: Any) -> UUID:
    """An order that is cancelled after its confirmed end."""
    order_id = buy(**basket)
    deliver(owners)
    cancel(order_id)
    deliver(owners)
    return order_id


@pytest.fixture
def world(shop: Databases) -> Databases:
    """A wrapped order that was taken back, and one whose parcel the carrier was faster to take."""
    taken_back(shop, tea=2, cup=1, gift_wrap=True)
    late = buy(tea=1)
    deliver(shop)
    shop["shipping"].execute("UPDATE shipping_pickup SET due_at = now()")
    Watchdog().turn()  # nobody has heard of it yet
    cancel(late)
    deliver(shop)
    return shop


def test_after_a_cancellation_everything_stands_as_before_the_order(shop: Databases) -> None:
    before = holdings(shop)
    order_id = taken_back(shop, tea=2, cup=1, gift_wrap=True)
    assert wish_of(shop["orders"], order_id) == ("cancelled", True, True)
    assert row_of(shop["orders"], order_id) == ("cancelled", 2100, True)
    after = holdings(shop)
    assert (before.pop("messages"), after.pop("messages")) == ([(0,)], [(2,)])
    before["shipments"] = [(1,)]  # the one that was recalled
    assert after == before
    assert [each[1] for each in timeline_of(shop["orders"], order_id)] == [
        "OrderCreated",
        "StockReserved",
        "PaymentCaptured",
        "OrderConfirmed",
        "CancelRequested",
        "CancellationBegun",
        "ShipmentRecalled",
        "PaymentReturned",
        "ConfirmedOrderCancelled",
    ]
    the_carrier_comes(shop)
    assert holdings(shop) == after | {"messages": [(2,)]}


def test_a_parcel_that_has_left_leaves_everything_as_it_is(shop: Databases) -> None:
    order_id = buy(tea=1)
    deliver(shop)
    shop["shipping"].execute("UPDATE shipping_pickup SET due_at = now()")
    Watchdog().turn()
    cancel(order_id)
    deliver(shop)
    assert wish_of(shop["orders"], order_id) == ("refused", True, True)
    assert row_of(shop["orders"], order_id) == ("confirmed", 450, True)
    found = holdings(shop)
    assert (found["shipments"], found["messages"]) == ([(1,)], [(1,)])
    assert found["inventory"][-1] == ("tea", 999_999, 0, 1)
    assert under_way() == []
    assert prove(AT_ONCE).holds


def test_a_wish_that_comes_while_the_order_is_placed_is_fulfilled_when_it_is_confirmed(
    shop: Databases,
) -> None:
    order_id = buy(tea=1)
    cancel(order_id)
    deliver(shop)
    assert row_of(shop["orders"], order_id)[0] == "cancelled"
    assert prove(AT_ONCE).holds


def test_a_wish_for_an_order_that_is_refused_anyway_is_fulfilled(shop: Databases) -> None:
    order_id = buy(tea=100)
    cancel(order_id)
    deliver(shop)
    assert wish_of(shop["orders"], order_id) == ("cancelled", False, True)
    assert prove(AT_ONCE).holds


def test_without_a_delay_the_carrier_is_faster(shop: Databases, settings: Any) -> None:
    settings.HAND_OVER_AFTER = 0
    order_id = buy(tea=1)
    for _ in range(100):
        deliver(shop, rounds=1)
        if row_of(shop["orders"], order_id)[0] == "confirmed":
            break
    cancel(order_id)  # before shipping has heard of the confirmation
    deliver(shop)
    assert wish_of(shop["orders"], order_id) == ("refused", True, True)
    assert prove(AT_ONCE).holds


def test_a_sound_platform_with_cancelled_orders_breaks_no_law(world: Databases) -> None:
    proof = prove(AT_ONCE)
    assert [verdict.faults for verdict in proof.verdicts] == [()] * len(proof.verdicts)
    assert (proof.unfinished.live, proof.unfinished.unsettled) == (0, 0)
    checked = {verdict.law.sentence: verdict.checked for verdict in proof.verdicts}
    assert checked["a wish to cancel stands as its order does"] == 2
    assert checked["steps are undone in reverse, each once"] == 4
    assert checked["what is handed over is paid and confirmed"] == 1
    assert checked["every accepted order has its saga, and one idempotency key"] == 4


def test_an_order_that_is_being_taken_back_is_left_out_and_may_hold_what_it_holds(
    shop: Databases,
) -> None:
    order_id = buy(tea=1)
    deliver(shop)
    cancel(order_id)
    seen = set()
    for _ in range(100):
        if wish_of(shop["orders"], order_id) == ("cancelled", True, True):
            break
        deliver(shop, rounds=1)
        proof = prove(Patience(NOW, Patience().overdue, NOW, second_look=0.0))
        assert [each.faults for each in proof.verdicts] == [()] * len(proof.verdicts)
        seen.add((proof.unfinished.live, proof.unfinished.unsettled))
    assert (1, 1) in seen


def test_a_parcel_that_waits_for_its_carrier_is_late_only_after_its_hour(shop: Databases) -> None:
    buy(tea=1)
    deliver(shop)
    shop["sagas"].execute("UPDATE sagas_saga SET ended_at = ended_at - interval '20 hours'")
    assert broken(Patience(NOW, NOW, second_look=0.0)) == set()
    shop["sagas"].execute("UPDATE sagas_saga SET ended_at = ended_at - interval '20 hours'")
    assert broken(Patience(NOW, NOW, second_look=0.0)) == {"I3", "I6"}


# Each row: the database, a statement that breaks a law there, the law, and what is said of it.
BREAKS = [
    (
        "orders",
        "UPDATE orders_cancellation SET status = 'requested', saga_id = NULL, decided_at = NULL"
        " WHERE status = 'cancelled'",
        "I1",
        "is cancelled, but its wish is requested",
    ),
    (
        "orders",
        "UPDATE orders_order SET status = 'confirmed' WHERE status = 'cancelled'",
        "I1",
        "is confirmed, but its wish is cancelled",
    ),
    (
        "orders",
        "UPDATE orders_order SET status = 'confirmed' WHERE status = 'cancelled'",
        "I1",
        "its saga ended taken back, but the order is confirmed",
    ),
    (
        "orders",
        "UPDATE orders_order SET status = 'confirmed' WHERE status = 'cancelled'",
        "I1",
        "its saga ended confirmed, but the wish is cancelled and the order confirmed",
    ),
    (
        "orders",
        "UPDATE orders_cancellation SET status = 'returning', decided_at = NULL"
        " WHERE status = 'refused'",
        "I1",
        "its saga ended undone, but the wish is returning and the order confirmed",
    ),
    (
        "notifications",
        "DELETE FROM notifications_customermessage WHERE kind = 'cancelled'",
        "I1",
        "its saga ended confirmed, but the customer was told 0 times",
    ),
    (
        "pricing",
        "UPDATE pricing_pricefreeze SET status = 'frozen', unfrozen_at = NULL"
        " WHERE status = 'unfrozen'",
        "I1",
        "its saga ended taken back, but freeze_price stands 1 times",
    ),
    (
        "shipping",
        "UPDATE shipping_giftwrap SET status = 'wrapped'",
        "I6",
        "the row of wrap_gift is done, but it was done 1 times and undone 0 times",
    ),
    (
        "shipping",
        "UPDATE shipping_shipment SET status = 'handed_over', handed_over_at = cancelled_at,"
        " cancelled_at = NULL WHERE status = 'recalled'",
        "I6",
        "the row of hand_over is done, but it was done 1 times and undone 0 times",
    ),
    (
        "shipping",
        "UPDATE shipping_shipment SET status = 'handed_over', handed_over_at = cancelled_at,"
        " cancelled_at = NULL WHERE status = 'recalled'",
        "I4",
        "its parcel left the house, but its order is not confirmed",
    ),
    (
        "payments",
        "UPDATE payments_payment SET status = 'captured', refunded_cents = 0"
        " WHERE status = 'refunded'",
        "I2",
        "0 cents are due, 2100 are taken",
    ),
    (
        "payments",
        "UPDATE payments_payment SET status = 'captured', refunded_cents = 0"
        " WHERE status = 'refunded'",
        "I2",
        "its payment and its ledger entries differ",
    ),
    (
        "payments",
        "UPDATE payments_payment SET status = 'refunded', refunded_cents = captured_cents"
        " WHERE status = 'captured'",
        "I2",
        "450 cents are due, 0 are taken",
    ),
    (
        "inventory",
        "UPDATE inventory_reservation SET status = 'reserved', settled_at = NULL"
        " WHERE status = 'released' AND product_id = 'cup'",
        "I3",
        "holds stock, but was confirmed and should have been handed over",
    ),
    (
        "inventory",
        "DELETE FROM inventory_stockmovement WHERE kind = 'released'",
        "I6",
        "the row of reserve_stock is done, but it was done 1 times and undone 0 times",
    ),
    (
        "inventory",
        "INSERT INTO inventory_sagalog SELECT saga_id, 'ship_stock', 'done', 1, '', 1, '', now(),"
        " now() FROM inventory_reservation WHERE status = 'released' AND product_id = 'cup'",
        "I6",
        "it was taken back, but ship_stock is done",
    ),
    (
        "inventory",
        "INSERT INTO inventory_sagalog SELECT saga_id, 'ship_stock', 'done', 1, '', 1, '', now(),"
        " now() FROM inventory_sagalog WHERE step = 'free_stock'",
        "I6",
        "inventory has a row of ship_stock, which is not in the plan",
    ),
    (
        "payments",
        "UPDATE payments_sagalog SET status = 'tombstone' WHERE step = 'return_payment'",
        "I6",
        "return_payment was last told done, but its row is tombstone",
    ),
    (
        "orders",
        "UPDATE orders_cancellation SET saga_id = gen_random_uuid()",
        "I7",
        "is taken back by no saga",
    ),
    (
        "orders",
        "UPDATE orders_cancellation SET saga_id = gen_random_uuid()",
        "I7",
        "has no order",
    ),
]


@pytest.mark.parametrize(("alias", "statement", "law", "said"), BREAKS)
def test_a_law_that_is_broken_by_hand_is_named(
    world: Databases, alias: str, statement: str, law: str, said: str
) -> None:
    world[alias].execute(statement)
    assert any(said in text for text in faults(law)), (broken(), faults(law))
