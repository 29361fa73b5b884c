"""The conservation check: nothing to say of a sound platform, and each broken law is named."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from apps.contracts.numbers import number_of
from apps.contracts.plan import Mode
from apps.ops.conservation.check import prove
from apps.ops.conservation.proof import Fault, Law, Patience, Sight, Tally, Unfinished, look_twice
from tests.e2e.world import drive
from tests.ops.world import buy, deliver

NOW = timedelta(0)
AT_ONCE = Patience(NOW, NOW, NOW, second_look=0.0)


@pytest.fixture
def world(shop):
    """Two confirmed orders, one of them wrapped, and one that shipping refused."""
    buy(tea=1)
    buy(tea=2, cup=1, gift_wrap=True)
    buy(tea=100)
    deliver(shop)
    return shop


def broken(patience=AT_ONCE):
    """The laws that the check names."""
    return {verdict.law.id for verdict in prove(patience).verdicts if verdict.faults}


def faults(law):
    """What the check says of a law, in words."""
    verdicts = [verdict for verdict in prove(AT_ONCE).verdicts if verdict.law.id == law]
    return [fault.text for verdict in verdicts for fault in verdict.faults]


def test_a_sound_platform_breaks_no_law(world):
    proof = prove(AT_ONCE)
    assert [verdict.faults for verdict in proof.verdicts] == [()] * len(proof.verdicts)
    assert {verdict.law.id for verdict in proof.verdicts} == {
        "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I11",
    }  # fmt: skip
    assert proof.holds
    checked = {verdict.law.sentence: verdict.checked for verdict in proof.verdicts}
    assert checked["steps are undone in reverse, each once"] == 3
    assert checked["what is handed over is paid and confirmed"] == 2
    assert checked["each product's stock is the sum of its movements"] == 2
    assert checked["every accepted order has its saga, and one idempotency key"] == 3


# Each row: the database, a statement that breaks a law there, the law, and what is said of it.
BREAKS = [
    (
        "sagas",
        "INSERT INTO sagas_case (id, kind, context, saga_id, step, action, reason, opened_at)"
        " SELECT gen_random_uuid(), 'stuck', 'sagas', saga_id, 'x', 'undo', 'y', now()"
        " FROM sagas_saga LIMIT 1",
        "I1",
        "has an open case, but needs nobody",
    ),
    (
        "sagas",
        "INSERT INTO sagas_sagaevent (id, saga_id, revision, at, kind, step, action, generation,"
        " text) SELECT gen_random_uuid(), saga_id, 3, now(), 'paused', 'x', 'do', 1, ''"
        " FROM sagas_saga LIMIT 1",
        "I9",
        "was paused, but the audit has no row",
    ),
    (
        "orders",
        "UPDATE orders_order SET status = 'confirmed' WHERE status = 'cancelled'",
        "I1",
        "its saga ended undone, but the order is confirmed",
    ),
    (
        "orders",
        "UPDATE orders_order SET status = 'placed', ended_at = NULL WHERE status = 'confirmed'",
        "I1",
        "its saga ended confirmed, but the order is placed",
    ),
    (
        "pricing",
        "UPDATE pricing_pricefreeze SET status = 'frozen', unfrozen_at = NULL",
        "I1",
        "its saga ended undone, but freeze_price stands 1 times",
    ),
    (
        "payments",
        "UPDATE payments_account SET available_cents = available_cents + 1",
        "I2",
        "cents available and 0 held, but its entries say",
    ),
    (
        "payments",
        "UPDATE payments_payment SET status = 'refunded', refunded_cents = captured_cents"
        " WHERE status = 'captured'",
        "I2",
        "450 cents are due, 0 are taken",
    ),
    (
        "payments",
        "UPDATE payments_payment SET status = 'refunded', refunded_cents = captured_cents"
        " WHERE status = 'captured'",
        "I2",
        "its payment and its ledger entries differ",
    ),
    (
        "payments",
        "UPDATE payments_payment SET status = 'authorized' WHERE status = 'refunded'",
        "I2",
        "45000 cents are still held",
    ),
    (
        "payments",
        "DELETE FROM payments_payment WHERE status = 'captured'",
        "I2",
        "450 cents are due, 0 are taken",
    ),
    (
        "pricing",
        "UPDATE pricing_pricefreeze SET total_cents = total_cents + 1",
        "I2",
        "451 cents are promised, its lines sum to 450",
    ),
    (
        "inventory",
        "UPDATE inventory_stock SET on_hand = on_hand + 1 WHERE product_id = 'cup'",
        "I3",
        "1000000 on hand, 0 reserved and 1 shipped, but movements of 999999, 0 and 1",
    ),
    (
        "inventory",
        "UPDATE inventory_reservation SET status = 'reserved', settled_at = NULL"
        " WHERE product_id = 'cup'",
        "I3",
        "0 are reserved, 1 are in open reservations",
    ),
    (
        "inventory",
        "UPDATE inventory_reservation SET status = 'reserved', settled_at = NULL"
        " WHERE status = 'released'",
        "I3",
        "holds stock, but has ended",
    ),
    (
        "inventory",
        "INSERT INTO inventory_reservation (saga_id, product_id, order_id, quantity)"
        " VALUES (gen_random_uuid(), 'tea', gen_random_uuid(), 1)",
        "I3",
        "holds stock, but there is no such saga",
    ),
    (
        "payments",
        "UPDATE payments_payment SET status = 'authorized' WHERE status = 'refunded'",
        "I3",
        "holds money, but has ended",
    ),
    (
        "shipping",
        "UPDATE shipping_shipment SET status = 'booked', handed_over_at = NULL",
        "I3",
        "holds a booking, but was confirmed and should have been handed over",
    ),
    (
        "payments",
        "UPDATE payments_payment SET status = 'authorized', captured_cents = 0"
        " WHERE status = 'captured'",
        "I4",
        "its parcel left the house, but it is not paid",
    ),
    (
        "orders",
        "UPDATE orders_order SET status = 'cancelled' WHERE status = 'confirmed'",
        "I4",
        "its parcel left the house, but its order is not confirmed",
    ),
    (
        "shipping",
        "INSERT INTO shipping_sagalog"
        " SELECT saga_id, 'paint_it', status, generation, answer_type, answer_version, answer,"
        " started_at, changed_at FROM shipping_sagalog WHERE step = 'hand_over'",
        "I6",
        "shipping has a row of paint_it, which is not in the plan",
    ),
    (
        "pricing",
        "INSERT INTO pricing_sagalog"
        " SELECT saga_id, 'reserve_stock', status, generation, answer_type, answer_version, answer,"
        " started_at, changed_at FROM pricing_sagalog",
        "I6",
        "reserve_stock has 2 rows",
    ),
    (
        "pricing",
        "UPDATE pricing_sagalog SET status = 'tombstone' WHERE status = 'done'",
        "I6",
        "freeze_price was last told done, but its row is tombstone",
    ),
    (
        "pricing",
        "UPDATE pricing_sagalog SET status = 'done' WHERE status = 'undone'",
        "I6",
        "freeze_price was last told undone, but its row is done",
    ),
    (
        "shipping",
        "UPDATE shipping_sagalog SET status = 'done' WHERE status = 'refused'",
        "I6",
        "create_shipment was last told refused, but its row is done",
    ),
    (
        "payments",
        "INSERT INTO payments_sagalog"
        " SELECT saga_id, 'capture_payment', 'tombstone', 1, '', 1, '', now(), now()"
        " FROM payments_sagalog WHERE status = 'undone'",
        "I6",
        "capture_payment was never asked, but its row is tombstone",
    ),
    (
        "notifications",
        "DELETE FROM notifications_sagalog",
        "I6",
        "send_confirmation was last told done, but its row is absent",
    ),
    (
        "shipping",
        "DELETE FROM shipping_giftwrap",
        "I6",
        "the row of wrap_gift is done, but it was done 0 times and undone 0 times",
    ),
    (
        "notifications",
        "DELETE FROM notifications_customermessage",
        "I6",
        "the row of send_confirmation is done, but it was done 0 times and undone 0 times",
    ),
    (
        "inventory",
        "DELETE FROM inventory_stockmovement WHERE kind = 'released'",
        "I6",
        "the row of reserve_stock is undone, but it was done 1 times and undone 0 times",
    ),
    (
        "inventory",
        "DELETE FROM inventory_stockmovement WHERE kind = 'shipped' AND product_id = 'cup'",
        "I6",
        "the row of ship_stock is done, but it was done in part and undone 0 times",
    ),
    (
        "inventory",
        "DELETE FROM inventory_stockmovement WHERE product_id = 'cup' AND saga_id IS NOT NULL",
        "I6",
        "the row of reserve_stock is done, but it was done in part and undone 0 times",
    ),
    (
        "inventory",
        "DELETE FROM inventory_sagalog WHERE step = 'ship_stock'",
        "I6",
        "it was confirmed, but ship_stock is absent",
    ),
    (
        "shipping",
        "INSERT INTO shipping_sagalog"
        " SELECT saga_id, 'hand_over', 'done', 1, '', 1, '', now(), now()"
        " FROM shipping_sagalog WHERE status = 'refused'",
        "I6",
        "it was undone, but hand_over is done",
    ),
    (
        "orders",
        "INSERT INTO orders_outboxmessage"
        " VALUES (gen_random_uuid(), 'order-events', gen_random_uuid(), '{}', '', now())",
        "I6",
        "of orders, waits for order-events",
    ),
    (
        "orders",
        "DELETE FROM orders_idempotencykey",
        "I7",
        "0 idempotency keys led to it",
    ),
    (
        "orders",
        "DELETE FROM orders_sagalog WHERE step = 'create_order'",
        "I7",
        "its saga log does not know create_order",
    ),
    (
        "orders",
        "UPDATE orders_order SET saga_id = gen_random_uuid()",
        "I7",
        "has no saga",
    ),
    (
        "sagas",
        "DELETE FROM sagas_saga",
        "I7",
        "has no saga",
    ),
    (
        "orders",
        "UPDATE orders_order SET saga_id = gen_random_uuid()",
        "I7",
        "has no order",
    ),
    (
        "sagas",
        "UPDATE sagas_sagastep SET revision = 100 WHERE step = 'freeze_price' AND action = 'undo'",
        "I8",
        "its steps were undone in the order authorize_payment, reserve_stock, create_order,"
        " freeze_price",
    ),
    (
        "sagas",
        "INSERT INTO sagas_sagastep (saga_id, step, action, generation, revision,"
        " asked_at, answered_at, outcome, answer_type, answer, message_id)"
        " SELECT saga_id, step, action, 2, 100, asked_at, answered_at, outcome, answer_type,"
        " answer, message_id FROM sagas_sagastep WHERE step = 'freeze_price' AND action = 'undo'",
        "I8",
        "freeze_price was undone 2 times",
    ),
]


@pytest.mark.parametrize(("alias", "statement", "law", "said"), BREAKS)
def test_a_law_that_is_broken_by_hand_is_named(world, alias, statement, law, said):
    world[alias].execute(statement)
    assert any(said in text for text in faults(law)), broken()


@pytest.fixture
def unguarded(world):
    """Stock without the constraint that forbids less than nothing."""
    owner, name = world["inventory"], "stock_on_hand_not_negative"
    [(rule,)] = owner.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name]
    ).fetchall()
    owner.execute(f"ALTER TABLE inventory_stock DROP CONSTRAINT {name}")
    yield owner
    owner.execute("UPDATE inventory_stock SET on_hand = 0 WHERE on_hand < 0")
    owner.execute(f"ALTER TABLE inventory_stock ADD CONSTRAINT {name} {rule}")


@pytest.fixture
def told_twice(world):
    """An order's customer has its confirmation twice: the constraint that forbids it is away."""
    owner, name = world["notifications"], "notifications_once_per_order_and_kind"
    [(rule,)] = owner.execute("SELECT pg_get_indexdef(%s::regclass)", [name]).fetchall()
    owner.execute(f"DROP INDEX {name}")
    [(id, order_id)] = owner.execute(
        "INSERT INTO notifications_customermessage"
        " (saga_id, order_id, customer_id, kind, subject, body)"
        " SELECT gen_random_uuid(), order_id, customer_id, kind, subject, body"
        " FROM notifications_customermessage WHERE kind = 'confirmed' LIMIT 1"
        " RETURNING id, order_id"
    ).fetchall()
    yield order_id
    owner.execute("DELETE FROM notifications_customermessage WHERE id = %s", [id])
    owner.execute(rule)


def test_who_is_told_the_same_twice_is_named_even_where_no_constraint_forbids_it(told_twice):
    [verdict] = [each for each in prove(AT_ONCE).verdicts if each.law.id == "I5"]
    [fault] = verdict.faults
    assert str(fault.subject) == f"order {number_of(told_twice)}"
    assert fault.text == "its customer has the message confirmed 2 times"


def test_less_than_nothing_is_named_even_where_no_constraint_forbids_it(unguarded):
    unguarded.execute("UPDATE inventory_stock SET on_hand = -1 WHERE product_id = 'cup'")
    assert "has -1 pieces" in faults("I3")


def test_a_live_saga_may_hold_what_it_needs(shop):
    buy(tea=1)
    deliver(shop, rounds=7)
    proof = prove(AT_ONCE)
    assert (proof.unfinished.live, proof.unfinished.unsettled) == (1, 0)
    assert timedelta(0) < proof.unfinished.oldest < timedelta(minutes=1)
    held = {verdict.law.sentence: verdict.checked for verdict in proof.verdicts}
    assert held["every hold, reservation and booking belongs to a saga that still needs it"] == 2
    assert broken(Patience(NOW, timedelta(seconds=30), second_look=0.0)) == set()


def test_what_events_drive_may_hold_what_it_needs_before_the_tracker_has_heard_of_it(shop):
    drive(Mode.CHOREOGRAPHED)
    buy(tea=1)
    deliver(shop, rounds=4, deaf=["sagas"])
    proof = prove(Patience(NOW, timedelta(seconds=30), second_look=0.0))
    held = {verdict.law.sentence: verdict.checked for verdict in proof.verdicts}
    assert held["every hold, reservation and booking belongs to a saga that still needs it"] == 3
    assert proof.holds
    assert "has no saga" in " ".join(faults("I7"))  # unless it never hears of it


def test_a_confirmed_saga_that_is_not_shipped_yet_is_left_out_until_it_is_late(world):
    world["inventory"].execute("DELETE FROM inventory_sagalog WHERE step = 'ship_stock'")
    proof = prove(Patience(NOW, NOW, second_look=0.0))
    assert (proof.unfinished.unsettled, proof.holds) == (2, True)
    assert broken() == {"I6"}


def test_a_saga_that_ended_just_now_is_left_out(world):
    world["pricing"].execute("DELETE FROM pricing_sagalog")
    assert broken(Patience(timedelta(hours=1), NOW, NOW, second_look=0.0)) == set()
    assert broken() == {"I6"}


def test_the_command_names_what_is_broken_and_fails(world, capsys):
    world["payments"].execute("UPDATE payments_account SET available_cents = 5")
    with pytest.raises(SystemExit, match="1"):
        call_command("check_conservation", "--json")
    proof = json.loads(capsys.readouterr().out)
    assert proof["holds"] is False
    [law] = [law for law in proof["laws"] if law["violations"]]
    assert (law["law"], law["checked"], law["violations"]) == ("I2", 1, 1)
    assert law["examples"][0].startswith("account of customer 7 in USD: 5 cents available and 0")


def test_the_command_prints_every_law(world, capsys):
    call_command("check_conservation", "--moment", "0")
    printed = capsys.readouterr().out
    assert "Everything adds up. No saga is under way." in printed
    assert all(f" {law} " in printed for law in ("I1", "I2", "I3", "I4", "I6", "I7", "I8"))


@pytest.mark.parametrize("given", ["-1", "-0.001", "soon", "nan", "inf"])
@pytest.mark.parametrize("option", ["--overdue", "--moment"])
def test_what_is_no_number_of_seconds_is_refused(option, given):
    with pytest.raises(CommandError, match=f"{option}: must be a number of seconds from 0 on"):
        call_command("check_conservation", option, given)


LAW = Law("I0", "nothing differs")


def looks(*found):
    """Looks that find these faults, one after the other."""
    sights = [Sight({LAW: Tally(1, list(each))}, Unfinished(0, NOW, 0)) for each in found]
    return lambda patience: sights.pop(0)


def test_what_differs_counts_only_if_it_still_does_at_the_second_look():
    once, always = Fault("a", "differs"), Fault("b", "differs")
    [verdict], _ = look_twice(looks([once, always], [always]), AT_ONCE)
    assert verdict.faults == (always,)


def test_what_differs_at_the_second_look_only_is_not_yet_counted():
    before, after = Fault("a", "differs"), Fault("b", "differs")
    [verdict], _ = look_twice(looks([before], [after]), AT_ONCE)
    assert verdict.faults == ()


def test_where_nothing_differs_there_is_one_look():
    [verdict], _ = look_twice(looks([]), AT_ONCE)
    assert (verdict.checked, verdict.faults) == (1, ())
