"""Orders of which goods come back, in both modes: what each service has of them, and the proof."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from apps.contracts.plan import Mode
from apps.contracts.values import AcceptedLine, PaymentMethod, RefundTo
from apps.inventory.errors import ArrivalClosed
from apps.inventory.receiving import record_arrival
from apps.messaging.audit import Actor
from apps.messaging.calls import work
from apps.ops.conservation.check import prove
from apps.ops.conservation.drain import under_way
from apps.orders.cancelling import request_cancellation
from apps.orders.errors import CannotBeCancelled, CannotBeReturned, IdempotencyKeyReused
from apps.orders.returning import announce_return
from apps.payments import gateways
from tests.e2e.world import drive, holdings
from tests.ops.test_conservation import AT_ONCE, faults
from tests.ops.world import CUSTOMER, PRICES, buy, deliver, send_back
from tests.orders.shop import timeline_of
from tests.standin import VARIABLE, StandInGateway

Databases = dict[str, psycopg.Connection]
ADA = Actor(id=3, name="ada")
TEA, CUP = PRICES["tea"], PRICES["cup"]


@pytest.fixture(params=list(Mode))
def mode(request: pytest.FixtureRequest, shop: Databases) -> Mode:
    """Who drives the return; the ends are the same."""
    chosen: Mode = request.param
    drive(chosen, "return_order")
    return chosen


@pytest.fixture(autouse=True)
def gateway(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A gateway that takes cards."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gateway"))
    settings.CARD_GATEWAY = "tests.standin.StandInGateway"
    gateways.gateway.cache_clear()
    yield StandInGateway()
    gateways.gateway.cache_clear()


def carry_on(owners: Databases) -> None:
    """Messages and outside calls, until neither is left."""
    deliver(owners)
    while work("payments") + work("inventory"):
        deliver(owners)


def shipped(owners: Databases, **basket: Any) -> UUID:
    """An order that is confirmed and handed over."""
    order_id = buy(**basket)
    carry_on(owners)
    return order_id


def arrive(owners: Databases, **found: tuple[int, int] | int) -> None:
    """A person says what of the return that is expected has arrived: pieces, or pieces and how many
    of these are damaged; nothing: nothing."""
    lines = [
        AcceptedLine(product_id=name, quantity=each, damaged=0)
        if isinstance(each, int)
        else AcceptedLine(product_id=name, quantity=each[0], damaged=each[1])
        for name, each in found.items()
    ]
    [(id,)] = (
        owners["inventory"]
        .execute("SELECT id FROM inventory_arrival WHERE status = 'expected'")
        .fetchall()
    )
    record_arrival(arrival_id=id, accepted=lines, version=0, actor=ADA, reason="unpacked it")
    carry_on(owners)


def time_passes(owners: Databases) -> None:
    """So long that what is expected should have arrived."""
    owners["inventory"].execute("UPDATE inventory_arrival SET due_at = now()")
    owners["inventory"].execute("UPDATE inventory_intent SET due_at = now()")


def parcels(owners: Databases) -> list[tuple[str, int, str]]:
    """Status, cents paid back and why not, of each return."""
    return (
        owners["orders"]
        .execute("SELECT status, refunded_cents, why_not FROM orders_return ORDER BY id")
        .fetchall()
    )


def payment(owners: Databases) -> tuple[str, int, int, int]:
    """Status, captured, refunded and pending cents of the one payment."""
    [row] = (
        owners["payments"]
        .execute(
            "SELECT status, captured_cents, refunded_cents, refunding_cents FROM payments_payment"
        )
        .fetchall()
    )
    return row


def stock(owners: Databases) -> dict[str, tuple[int, int]]:
    """What is on hand less than at first, and what is shipped, by product."""
    rows = owners["inventory"].execute(
        "SELECT product_id, on_hand - 1000000, shipped FROM inventory_stock"
    )
    return {name: (less, shipped) for name, less, shipped in rows.fetchall()}


def sound() -> bool:
    """Whether every law holds, and nothing is under way."""
    proof = prove(AT_ONCE)
    found = [fault for verdict in proof.verdicts for fault in verdict.faults]
    assert found == []
    return not proof.unfinished


class Sent(NamedTuple):
    """What a customer of two teas and a cup sends back, and what comes of it."""

    announced: dict[str, int]
    found: dict[str, tuple[int, int] | int]
    cents: int
    stock: dict[str, tuple[int, int]]
    by: PaymentMethod = PaymentMethod.CREDIT
    to: RefundTo = RefundTo.ORIGINAL


ALL = {"tea": 2, "cup": 1}
SENT = {
    "whole": Sent(ALL, ALL, 2 * TEA + CUP, {"tea": (0, 0), "cup": (0, 0)}),
    "part": Sent({"tea": 1}, {"tea": 1}, TEA, {"tea": (-1, 1), "cup": (-1, 1)}),
    "less came": Sent(ALL, {"tea": 1}, TEA, {"tea": (-1, 1), "cup": (-1, 1)}),
    "damaged": Sent(
        ALL, {"tea": (2, 1), "cup": (1, 1)}, 2 * TEA + CUP, {"tea": (-1, 1), "cup": (-1, 1)}
    ),
    "to the card": Sent(
        {"cup": 1}, {"cup": 1}, CUP, {"tea": (-2, 2), "cup": (0, 0)}, PaymentMethod.CARD
    ),
    "whole to the card": Sent(
        ALL, ALL, 2 * TEA + CUP, {"tea": (0, 0), "cup": (0, 0)}, PaymentMethod.CARD
    ),
    "card to credit": Sent(
        {"cup": 1}, {"cup": 1}, CUP, {"tea": (-2, 2), "cup": (0, 0)}, PaymentMethod.CARD,
        RefundTo.CREDIT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SENT)
def test_what_is_accepted_is_paid_back_and_what_is_whole_is_on_hand(
    shop: Databases, mode: Mode, gateway: StandInGateway, name: str
) -> None:
    sent = SENT[name]
    order_id = shipped(shop, payment_method=sent.by, **ALL)
    total = 2 * TEA + CUP
    before = holdings(shop)
    send_back(order_id, refund_to=sent.to, **sent.announced)
    carry_on(shop)
    assert holdings(shop) == before  # until it is here
    assert under_way() == []

    arrive(shop, **sent.found)

    assert parcels(shop) == [("completed", sent.cents, "")]
    status = "refunded" if sent.cents == total else "captured"
    assert payment(shop) == (status, total, sent.cents, 0)
    assert stock(shop) == sent.stock
    by_card = sent.by is PaymentMethod.CARD and sent.to is RefundTo.ORIGINAL
    assert gateway.cents("refund") == ([sent.cents] if by_card else [])
    [(_, credit, held)], [(_, had, _)] = holdings(shop)["payments"], before["payments"]
    assert (credit - had, held) == (0 if by_card else sent.cents, 0)
    assert holdings(shop)["messages"] == [(2,)]
    assert [each for _, each, _ in timeline_of(shop["orders"], order_id)][-5:] == [
        "ReturnBegun", "StepWaits", "GoodsReceived", "ReturnRefunded", "ReturnClosed",
    ]  # fmt: skip
    assert sound()


def refused_by_a_person(owners: Databases) -> None:
    arrive(owners)


def too_late(owners: Databases) -> None:
    time_passes(owners)
    carry_on(owners)


REFUSED = {
    refused_by_a_person: "Nothing arrived that could be accepted",
    too_late: "The goods did not arrive in time",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_arrive_leaves_everything_and_can_be_announced_again(
    shop: Databases, mode: Mode, what: Any
) -> None:
    order_id = shipped(shop, **ALL)
    before = holdings(shop)
    send_back(order_id, **ALL)
    carry_on(shop)

    what(shop)

    assert parcels(shop) == [("refused", 0, REFUSED[what])]
    assert holdings(shop) == before
    assert sound()
    send_back(order_id, tea=2)
    carry_on(shop)
    arrive(shop, tea=2)
    assert [each[:2] for each in parcels(shop)] == [("refused", 0), ("completed", 2 * TEA)]
    assert sound()


def test_several_returns_give_back_what_was_paid_and_no_more(
    shop: Databases, mode: Mode, gateway: StandInGateway
) -> None:
    order_id = shipped(shop, payment_method=PaymentMethod.CARD, **ALL)
    for found in ({"tea": 1}, {"cup": 1}, {"tea": 1}):
        send_back(order_id, **found)
        carry_on(shop)
        arrive(shop, **found)
    total = 2 * TEA + CUP
    assert gateway.cents("refund") == [TEA, CUP, TEA]
    assert payment(shop) == ("refunded", total, total, 0)
    with pytest.raises(CannotBeReturned) as refusal:
        send_back(order_id, tea=1)
    assert refusal.value.code == "all_returned"
    assert holdings(shop)["messages"] == [(4,)]
    assert sound()


def test_two_returns_of_one_order_live_at_once(shop: Databases, mode: Mode) -> None:
    order_id = shipped(shop, **ALL)
    send_back(order_id, tea=1)
    carry_on(shop)
    shop["inventory"].execute("UPDATE inventory_arrival SET customer_id = 0")  # to tell them apart
    send_back(order_id, cup=1)
    carry_on(shop)
    expected = "SELECT id FROM inventory_arrival WHERE status = 'expected' AND customer_id = %s"
    for customer, product in ((CUSTOMER, "cup"), (0, "tea")):
        [(id,)] = shop["inventory"].execute(expected, [customer]).fetchall()
        lines = [AcceptedLine(product_id=product, quantity=1)]
        record_arrival(arrival_id=id, accepted=lines, version=0, actor=ADA, reason="unpacked it")
        carry_on(shop)
    assert [each[:2] for each in parcels(shop)] == [("completed", TEA), ("completed", CUP)]
    assert sound()


def test_a_gateway_whose_answer_is_lost_is_asked_again_and_pays_once(
    shop: Databases, mode: Mode, gateway: StandInGateway
) -> None:
    order_id = shipped(shop, payment_method=PaymentMethod.CARD, **ALL)
    send_back(order_id, cup=1)
    carry_on(shop)
    gateway.will("refund", "lost")
    arrive(shop, cup=1)
    assert payment(shop) == ("captured", 2 * TEA + CUP, 0, CUP)  # spoken for
    assert faults("I2") == []
    shop["payments"].execute("UPDATE payments_intent SET due_at = now()")
    carry_on(shop)
    assert (gateway.calls("refund"), gateway.cents("refund")) == (2, [CUP])
    assert payment(shop) == ("captured", 2 * TEA + CUP, CUP, 0)
    assert sound()


# --- what is not announced


def test_the_same_key_is_the_same_return(shop: Databases) -> None:
    order_id = shipped(shop, **ALL)
    first = send_back(order_id, key="k", tea=1)
    assert send_back(order_id, key="k", tea=1) == first
    with pytest.raises(IdempotencyKeyReused):
        announce_return(
            customer_id=CUSTOMER, order_id=order_id, lines=[], reason="", request_hash=b"y",
            refund_to=RefundTo.CREDIT, idempotency_key="k",
        )  # fmt: skip
    carry_on(shop)
    assert len(parcels(shop)) == 1


def announced_before(owners: Databases) -> None:
    """Of two teas one is left."""
    [(order_id,)] = owners["orders"].execute("SELECT id FROM orders_order").fetchall()
    send_back(order_id, tea=1)


def long_ago(owners: Databases) -> None:
    owners["orders"].execute("UPDATE orders_orderevent SET at = at - interval '31 days'")


def nothing_else(owners: Databases) -> None:
    pass


@pytest.mark.parametrize(
    ("before", "announced", "code"),
    [
        (announced_before, {"tea": 2}, "more_than_left"),
        (nothing_else, {"tea": 3}, "more_than_left"),
        (nothing_else, {"cake": 1}, "more_than_left"),
        (long_ago, {"tea": 1}, "return_window_closed"),
    ],
)
def test_what_cannot_be_returned_is_refused_and_nothing_is_changed(
    shop: Databases, before: Any, announced: dict[str, int], code: str
) -> None:
    order_id = shipped(shop, **ALL)
    before(shop)
    known = parcels(shop)
    with pytest.raises(CannotBeReturned) as refusal:
        send_back(order_id, **announced)
    assert refusal.value.code == code
    assert parcels(shop) == known


def test_what_has_not_left_is_cancelled_instead(shop: Databases) -> None:
    order_id = buy(tea=1)
    with pytest.raises(CannotBeReturned) as refusal:
        send_back(order_id, tea=1)
    assert refusal.value.code == "not_handed_over"
    refused = shipped(shop, tea=100)
    with pytest.raises(CannotBeReturned) as refusal:
        send_back(refused, tea=1)
    assert refusal.value.code == "order_cancelled"


def test_an_order_of_which_goods_come_back_is_not_cancelled(shop: Databases) -> None:
    order_id = shipped(shop, **ALL)
    send_back(order_id, tea=1)
    with pytest.raises(CannotBeCancelled) as refusal:
        request_cancellation(
            customer_id=CUSTOMER, order_id=order_id, reason="", idempotency_key="w",
            request_hash=b"x",
        )  # fmt: skip
    assert refusal.value.code == "already_shipped"


def test_who_comes_after_the_time_is_told(shop: Databases) -> None:
    order_id = shipped(shop, **ALL)
    send_back(order_id, tea=1)
    carry_on(shop)
    too_late(shop)
    [(id,)] = shop["inventory"].execute("SELECT id FROM inventory_arrival").fetchall()
    with pytest.raises(ArrivalClosed):
        record_arrival(arrival_id=id, accepted=[], version=1, actor=ADA, reason="it is here")


# --- the proof


@pytest.fixture
def world(shop: Databases) -> Databases:
    """An order of which a tea came back, and one whose return was refused."""
    order_id = shipped(shop, **ALL)
    send_back(order_id, tea=1)
    carry_on(shop)
    arrive(shop, tea=1)
    send_back(shipped(shop, cup=1), cup=1)
    carry_on(shop)
    arrive(shop)
    return shop


# Each row: the database, a statement that breaks a law there, the law, and what is said of it.
BREAKS = [
    (
        "orders",
        "UPDATE orders_return SET status = 'refused', refunded_cents = 0",
        "I1",
        "its saga ended confirmed, but the return is refused",
    ),
    (
        "orders",
        "UPDATE orders_orderline SET returned = 2 WHERE returned = 1",
        "I1",
        "2 of product tea are returned, 1 are in its returns",
    ),
    (
        "orders",
        "UPDATE orders_return SET refunded_cents = 1 WHERE status = 'completed'",
        "I2",
        "450 cents are paid back, the order says 1",
    ),
    (
        "orders",
        "UPDATE orders_return SET refunded_cents = 1 WHERE status = 'completed'",
        "I2",
        "2099 cents are due, 1650 are taken",
    ),
    (
        "orders",
        "UPDATE orders_returnline SET accepted = 0",
        "I2",
        "0 cents are due back, 450 are paid back",
    ),
    (
        "orders",
        "UPDATE orders_return SET saga_id = gen_random_uuid() WHERE status = 'completed'",
        "I7",
        "has a return that no saga carries out",
    ),
    (
        "payments",
        "UPDATE payments_payment SET refunded_cents = 0 WHERE refunded_cents = 450",
        "I2",
        "its payment and the refunds of its parts differ",
    ),
    (
        "payments",
        "UPDATE payments_refund SET cents = 449",
        "I2",
        "its payment and its ledger entries differ",
    ),
    (
        "payments",
        "UPDATE payments_payment SET refunding_cents = 1 WHERE refunded_cents = 450",
        "I2",
        "its payment and the refunds of its parts differ",
    ),
    (
        "inventory",
        "UPDATE inventory_stockmovement SET on_hand = 3, shipped = -3 WHERE kind = 'returned'",
        "I3",
        "3 of product tea came back, 2 were shipped",
    ),
    (
        "inventory",
        "DELETE FROM inventory_stockmovement WHERE kind = 'returned'",
        "I3",
        "1 pieces came back undamaged, 0 were put back",
    ),
    (
        "notifications",
        "DELETE FROM notifications_customermessage WHERE kind = 'returned'",
        "I1",
        "its saga ended confirmed, but the customer was told 0 times",
    ),
]


@pytest.mark.parametrize(("alias", "statement", "law", "said"), BREAKS)
def test_a_law_that_is_broken_by_hand_is_named(
    world: Databases, alias: str, statement: str, law: str, said: str
) -> None:
    assert sound()
    world[alias].execute(statement)
    assert any(said in text for text in faults(law)), faults(law)
