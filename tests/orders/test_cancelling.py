"""A customer's wish to cancel: who is asked, what comes of it, and the races that it can be in."""

import itertools
from functools import partial
from uuid import UUID

import psycopg
import pytest
from uuid_utils.compat import uuid7

from apps.contracts.orders import (
    CancellationRefused,
    CancelOrder,
    ConfirmedOrderCancelled,
    OrderConfirmed,
)
from apps.contracts.payments import PaymentReturned
from apps.contracts.plan import Mode
from apps.contracts.sagas import CancelAccepted, CancelTooLate
from apps.contracts.shipping import ShipmentHandedOver, ShipmentNotRecalled, ShipmentRecalled
from apps.orders.errors import (
    CannotBeCancelled,
    IdempotencyKeyReused,
    NoSuchOrder,
    UnknownCancellation,
)
from apps.orders.models import CancellationStatus, OrderStatus
from apps.orders.prospects import How, Prospect, prospect_of
from apps.orders.selectors import sagas_named, summary_of_saga
from tests.e2e.world import drive
from tests.handling import ask
from tests.orders.shop import outbox, place, row_of, saga_of, timeline_of
from tests.orders.test_timeline import hear, heard
from tests.orders.wishes import (
    confirm,
    confirmed,
    everything,
    returning_saga,
    take_back,
    turn_down,
    wish,
    wish_of,
)
from tests.threads import at_once

Databases = dict[str, psycopg.Connection]
REQUESTED = ("requested", False, False)
ACCEPTED = ("accepted", False, False)
WAITING = ("waiting", False, False)
RETURNING = ("returning", True, False)
GRANTED_AT_ONCE = ("cancelled", False, True)
GRANTED_BY_RETURN = ("cancelled", True, True)
REFUSED = ("refused", True, True)
HANDED_OVER = ShipmentHandedOver(carrier="in-house", reference="SP-1")
NOT_RECALLED = ShipmentNotRecalled(carrier="in-house", reference="SP-1")


@pytest.fixture
def orders(databases: Databases) -> psycopg.Connection:
    return databases["orders"]


def undo(orders: psycopg.Connection, order_id: UUID) -> None:
    ask("orders", CancelOrder(), saga_id=saga_of(orders, order_id), step="create_order")


# --- who is asked


def test_while_the_saga_lives_the_wish_is_told_to_it(orders: psycopg.Connection) -> None:
    order_id = place().order_id

    assert wish(order_id) is False

    assert wish_of(orders, order_id) == REQUESTED
    [_, (topic, headers, payload)] = outbox(orders)
    [plan] = {each[1]["plan"] for each in outbox(orders)}
    told = {name: headers[name] for name in ("type", "step_id", "action", "generation", "mode")}
    assert (topic, headers["saga_id"]) == ("order-events", str(saga_of(orders, order_id)))
    assert told == {
        "type": "CancelRequested", "step_id": "cancel_order", "action": "do", "generation": "1",
        "mode": "orchestrated",
    }  # fmt: skip
    assert headers["plan"] == plan
    assert payload == {
        "order_id": str(order_id), "customer_id": 7, "total_cents": 2199, "currency": "GBP",
        "reason": "The customer cancelled the order",
    }  # fmt: skip
    assert [each[1] for each in timeline_of(orders, order_id)] == [
        "OrderCreated",
        "CancelRequested",
    ]


def test_after_a_confirmed_end_a_saga_of_its_own_begins(orders: psycopg.Connection) -> None:
    order_id = confirmed(orders)

    wish(order_id)

    assert wish_of(orders, order_id) == RETURNING
    assert row_of(orders, order_id) == ("confirmed", 2199, True)
    saga_id = returning_saga(orders, order_id)
    (topic, headers, payload) = outbox(orders)[-1]
    assert (topic, headers["type"], headers["saga_id"]) == (
        "order-events",
        "CancellationBegun",
        str(saga_id),
    )
    assert headers["plan"] == (
        "cancel_order/1/orchestrated/begin_cancellation,recall_shipment,return_payment,"
        "withdraw_price,free_stock,cancel_confirmed_order,send_cancellation"
    )
    assert payload == {
        "order_id": str(order_id), "customer_id": 7, "currency": "GBP", "total_cents": 2199,
        "placed_by": str(saga_of(orders, order_id)),
    }  # fmt: skip
    assert orders.execute(
        "SELECT step, status FROM orders_sagalog WHERE saga_id = %s", [saga_id]
    ).fetchall() == [("begin_cancellation", "done")]
    summary = summary_of_saga(saga_id)
    assert summary is not None
    assert summary.id == order_id
    assert sagas_named(str(order_id)) == [saga_of(orders, order_id), saga_id]


@pytest.mark.parametrize("mode", list(Mode))
def test_its_mode_is_that_of_its_own_process(orders: psycopg.Connection, mode: Mode) -> None:
    other = Mode.CHOREOGRAPHED if mode is Mode.ORCHESTRATED else Mode.ORCHESTRATED
    drive(other, "place_order")
    drive(mode, "cancel_order")
    order_id = confirmed(orders)

    wish(order_id)

    begun, placed = outbox(orders)[-1][1], outbox(orders)[0][1]
    assert (placed["mode"], begun["mode"]) == (other, mode)
    assert begun["plan"].startswith(f"cancel_order/1/{mode}/begin_cancellation,")


def test_a_wrapped_gift_is_unpacked_too(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    orders.execute("UPDATE orders_order SET plan = replace(plan, ',create_sh', ',wrap_gift,cr')")
    confirm(orders, order_id)
    wish(order_id)
    assert ",return_payment,unpack_gift,withdraw_price," in outbox(orders)[-1][1]["plan"]


# --- what is refused at once, and changes nothing


def test_an_order_that_is_undone_cannot_be_cancelled(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    undo(orders, order_id)
    assert refused(orders, order_id) == "already_cancelled"


def test_a_parcel_that_is_known_to_have_left_is_not_asked_for(orders: psycopg.Connection) -> None:
    order_id = confirmed(orders)
    hear(heard(saga_of(orders, order_id), "hand_over", HANDED_OVER))
    assert refused(orders, order_id) == "already_shipped"


@pytest.mark.parametrize("ended", [True, False])
def test_there_is_one_wish_at_a_time(orders: psycopg.Connection, ended: bool) -> None:
    order_id = confirmed(orders) if ended else place().order_id
    wish(order_id)
    assert refused(orders, order_id, key="wish-2") == "cancellation_under_way"


def test_a_wish_that_was_refused_is_refused_again(orders: psycopg.Connection) -> None:
    order_id = confirmed(orders)
    wish(order_id)
    turn_down(orders, order_id)
    assert refused(orders, order_id, key="wish-2") == "cancellation_refused"


def test_anothers_order_does_not_exist(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    before = everything(orders)
    with pytest.raises(NoSuchOrder):
        wish(order_id, customer_id=8)
    with pytest.raises(NoSuchOrder):
        wish(uuid7())
    assert everything(orders) == before


def refused(orders: psycopg.Connection, order_id: UUID, key: str = "wish-1") -> str:
    """The code of the refusal of a wish, which changed nothing."""
    before = everything(orders)
    with pytest.raises(CannotBeCancelled) as refusal:
        wish(order_id, key=key)
    assert everything(orders) == before
    return refusal.value.code


def test_the_same_key_is_the_same_wish(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    wish(order_id)
    before = everything(orders)
    assert wish(order_id) is True
    with pytest.raises(IdempotencyKeyReused):
        wish(order_id, body="another")
    assert everything(orders) == before
    undo(orders, order_id)
    assert wish(order_id) is True


def test_twenty_wishes_at_once_are_one(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    answers = at_once(*[partial(wish, order_id)] * 20)
    assert sorted(map(str, answers)) == ["False"] + ["True"] * 19
    assert [each[1]["type"] for each in outbox(orders)] == ["OrderCreated", "CancelRequested"]


@pytest.mark.parametrize(
    ("status", "known", "happened", "prospect"),
    [
        ("placed", None, "", Prospect(How.AT_ONCE)),
        ("placed", None, "paid", Prospect(How.BY_RETURN)),
        ("confirmed", None, "", Prospect(How.BY_RETURN)),
        ("confirmed", None, "paid", Prospect(How.BY_RETURN)),
        ("confirmed", None, "paid, left", "already_shipped"),
        ("confirmed", "returning", "paid", "cancellation_under_way"),
        ("confirmed", "returning", "paid, left", "already_shipped"),
        ("confirmed", "refused", "paid, left", "already_shipped"),
        ("confirmed", "refused", "paid", "cancellation_refused"),
        ("placed", "requested", "", "cancellation_under_way"),
        ("placed", "requested", "paid", "cancellation_under_way"),
        ("placed", "accepted", "", "cancellation_under_way"),
        ("placed", "waiting", "paid", "cancellation_under_way"),
        ("cancelled", None, "", "already_cancelled"),
        ("cancelled", "cancelled", "paid", "already_cancelled"),
    ],
)
def test_what_can_be_cancelled_and_if_not_why(
    status: str, known: str | None, happened: str, prospect: Prospect | str
) -> None:
    wished = CancellationStatus(known) if known else None
    is_paid, has_left = "paid" in happened, "left" in happened
    found = prospect_of(OrderStatus(status), wished, is_paid=is_paid, has_left=has_left)
    assert (found.code if isinstance(prospect, str) else found) == prospect
    assert found.possible == isinstance(prospect, Prospect)


# --- what the engine answers, whatever is heard first

CONFIRM, UNDO = "confirm", "undo"


def carry_on(orders: psycopg.Connection, order_id: UUID, what: object) -> None:
    """One thing that happens to an order after its customer's wish."""
    if what == CONFIRM:
        confirm(orders, order_id)
    elif what == UNDO:
        undo(orders, order_id)
    else:
        assert isinstance(what, CancelAccepted | CancelTooLate)
        hear(heard(saga_of(orders, order_id), "cancel_order", what))


TOO_LATE = CancelTooLate(step="capture_payment")


def test_while_it_turns_back_the_wish_is_accepted(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    wish(order_id)
    carry_on(orders, order_id, CancelAccepted())
    assert wish_of(orders, order_id) == ACCEPTED
    assert [each[:2] for each in timeline_of(orders, order_id)][-1] == (
        "cancel_order",
        "CancelAccepted",
    )


@pytest.mark.parametrize("arriving", list(itertools.permutations([CancelAccepted(), UNDO])))
@pytest.mark.parametrize("again", [False, True])
def test_a_wish_in_time_is_granted_with_the_end(
    orders: psycopg.Connection, arriving: tuple[object, ...], again: bool
) -> None:
    order_id = place().order_id
    wish(order_id)
    for each in arriving:
        carry_on(orders, order_id, each)
    if again:
        carry_on(orders, order_id, CancelAccepted())
    assert wish_of(orders, order_id) == GRANTED_AT_ONCE
    assert row_of(orders, order_id)[0] == "cancelled"


def test_a_wish_that_nobody_has_answered_is_granted_by_the_end_that_it_wished_for(
    orders: psycopg.Connection,
) -> None:
    order_id = place().order_id
    wish(order_id)
    undo(orders, order_id)
    assert wish_of(orders, order_id) == GRANTED_AT_ONCE


def test_a_wish_behind_the_pivot_waits_for_the_confirmation(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    wish(order_id)
    carry_on(orders, order_id, TOO_LATE)
    assert wish_of(orders, order_id) == WAITING
    assert [each[1]["type"] for each in outbox(orders)] == ["OrderCreated", "CancelRequested"]


@pytest.mark.parametrize("arriving", list(itertools.permutations([TOO_LATE, CONFIRM])))
@pytest.mark.parametrize("again", [False, True])
def test_a_wish_that_came_too_late_goes_on_by_itself(
    orders: psycopg.Connection, arriving: tuple[object, ...], again: bool
) -> None:
    order_id = place().order_id
    wish(order_id)
    for each in arriving:
        carry_on(orders, order_id, each)
    if again:
        carry_on(orders, order_id, TOO_LATE)
    assert wish_of(orders, order_id) == RETURNING
    assert [each[1]["type"] for each in outbox(orders)].count("CancellationBegun") == 1
    assert row_of(orders, order_id)[0] == "confirmed"


def test_an_order_that_nobody_wants_to_cancel_is_just_confirmed(
    orders: psycopg.Connection,
) -> None:
    confirmed(orders)
    assert [each[1]["type"] for each in outbox(orders)] == ["OrderCreated"]


def test_a_wish_and_a_confirmation_at_once_lose_neither(orders: psycopg.Connection) -> None:
    for n in range(5):
        order_id = place(key=f"key-{n}").order_id
        taken, answered = at_once(partial(wish, order_id), partial(confirm, orders, order_id))
        assert (taken, answered) == (False, OrderConfirmed(order_id=order_id))
        assert wish_of(orders, order_id) == RETURNING
        assert outbox(orders)[-1][1]["type"] == "CancellationBegun"


# --- what the saga of its own comes to


def test_a_confirmed_order_is_cancelled_last(orders: psycopg.Connection) -> None:
    order_id = confirmed(orders)
    wish(order_id)
    assert take_back(orders, order_id) == ConfirmedOrderCancelled(order_id=order_id)
    assert wish_of(orders, order_id) == GRANTED_BY_RETURN
    assert row_of(orders, order_id) == ("cancelled", 2199, True)
    assert [each[1] for each in timeline_of(orders, order_id)] == [
        "OrderCreated",
        "OrderConfirmed",
        "CancelRequested",
        "CancellationBegun",
        "ConfirmedOrderCancelled",
    ]


def test_an_order_whose_parcel_has_left_stays_confirmed(orders: psycopg.Connection) -> None:
    order_id = confirmed(orders)
    before = row_of(orders, order_id)
    wish(order_id)
    assert turn_down(orders, order_id) == CancellationRefused(order_id=order_id)
    assert wish_of(orders, order_id) == REFUSED
    assert row_of(orders, order_id) == before
    assert timeline_of(orders, order_id)[-1][1] == "CancellationRefused"


def test_a_wish_is_decided_once(orders: psycopg.Connection) -> None:
    order_id = confirmed(orders)
    wish(order_id)
    turn_down(orders, order_id)
    before = everything(orders)
    for decide in (take_back, turn_down):
        with pytest.raises(UnknownCancellation, match="found=refused"):
            decide(orders, order_id)
    assert everything(orders) == before


def test_a_saga_without_a_wish_is_an_error(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    wish(order_id)  # of a live saga: it has none of its own
    with pytest.raises(UnknownCancellation, match="found=None"):
        take_back(orders, order_id)
    assert wish_of(orders, order_id) == REQUESTED


def test_an_order_that_is_not_confirmed_is_not_taken_back(orders: psycopg.Connection) -> None:
    order_id = confirmed(orders)
    wish(order_id)
    orders.execute("UPDATE orders_order SET status = 'cancelled'")
    with pytest.raises(UnknownCancellation, match="order=cancelled"):
        take_back(orders, order_id)
    assert wish_of(orders, order_id) == RETURNING


REASON = "The parcel SP-1 has left the house; send it back when it arrives"


@pytest.mark.parametrize("heard_first", [True, False])
def test_why_it_was_refused_can_be_read_whenever_it_is_heard(
    orders: psycopg.Connection, heard_first: bool
) -> None:
    order_id = confirmed(orders)
    wish(order_id)
    told = heard(returning_saga(orders, order_id), "recall_shipment", NOT_RECALLED)
    if heard_first:
        hear(told, told)
    turn_down(orders, order_id)
    if not heard_first:
        hear(told)
    assert wish_of(orders, order_id) == REFUSED
    assert orders.execute("SELECT why_not FROM orders_cancellation").fetchall() == [(REASON,)]
    row = ("recall_shipment", "ShipmentNotRecalled", {"why_not": REASON})
    assert row in timeline_of(orders, order_id)


@pytest.mark.parametrize("arriving", list(itertools.permutations(range(3))))
def test_what_is_taken_back_is_told_in_any_order_of_arrival(
    orders: psycopg.Connection, arriving: tuple[int, ...]
) -> None:
    order_id = confirmed(orders)
    wish(order_id)
    saga_id = returning_saga(orders, order_id)
    told = [
        heard(saga_id, "recall_shipment", ShipmentRecalled(reference="SP-1"), 100),
        heard(saga_id, "return_payment", PaymentReturned(amount_cents=2199), 200),
        heard(saga_id, "return_payment", PaymentReturned(amount_cents=2199), 300),
    ]
    for each in arriving:
        hear(told[each])
    assert timeline_of(orders, order_id)[-2:] == [
        ("recall_shipment", "ShipmentRecalled", {}),
        ("return_payment", "PaymentReturned", {"amount_cents": 2199}),
    ]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'lost'", "orders_cancellation_decided_has_a_time"),
        ("status = 'cancelled'", "orders_cancellation_decided_has_a_time"),
        ("decided_at = now()", "orders_cancellation_decided_has_a_time"),
        ("status = 'returning'", "orders_cancellation_saga_follows_from_status"),
        ("saga_id = gen_random_uuid()", "orders_cancellation_saga_follows_from_status"),
        (
            "status = 'refused', decided_at = now()",
            "orders_cancellation_saga_follows_from_status",
        ),
        ("idempotency_key = ''", "orders_cancellation_key_has_a_length"),
    ],
)
def test_an_invariant_of_a_wish_is_a_constraint(
    orders: psycopg.Connection, change: str, constraint: str
) -> None:
    wish(place().order_id)
    with pytest.raises(psycopg.IntegrityError, match=constraint):
        orders.execute(f"UPDATE orders_cancellation SET {change}")


def test_the_database_keeps_one_wish_per_order(orders: psycopg.Connection) -> None:
    order_id = place().order_id
    wish(order_id)
    with pytest.raises(psycopg.errors.UniqueViolation):
        orders.execute(
            "INSERT INTO orders_cancellation (order_id, status, reason, idempotency_key,"
            " request_hash) VALUES (%s, 'requested', '', 'k', '')",
            [order_id],
        )
