"""Whatever goes wrong outside, at whichever call: each order ends as it should, and the books of
all agree."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from apps.contracts.plan import Mode
from apps.messaging.audit import Actor
from apps.sagas.operations import compensate_saga
from tests.e2e.world import drive
from tests.ops.world import cancel
from tests.outside.world import PRICE, Platform
from tools.fakecarrier.client import Control as Carrier
from tools.fakestripe.client import Control as Stripe

KINDS = (
    "refused", "error_before", "conflict", "rate_limited", "hang_before", "slow", "answer_lost",
    "answer_cut", "hang_after", "error_after",
)  # fmt: skip
SILENT = {"hang_before", "slow", "hang_after"}
A_FEW = (
    "refused",
    "answer_lost",
    "error_after",
)  # nothing done; done; done, and the key is used up
WEEK_AND_A_DAY = 8 * 24 * 3600


# --- orders


def is_confirmed(platform: Platform) -> None:
    """Paid once, and on its way."""
    platform.the_carrier_comes()
    order_id = platform.buy()
    platform.come_to_rest()

    assert platform.status(order_id) == "confirmed"
    assert platform.money(order_id) == (0, PRICE, 0)
    assert [each["status"] for each in platform.carrier.ledger()["bookings"]] == ["delivered"]


def is_refused_by_the_carrier(platform: Platform) -> None:
    """Undone before anything is captured."""
    order_id = platform.buy(pieces=201)
    platform.come_to_rest()

    assert platform.status(order_id) == "cancelled"
    assert platform.reasons(order_id)[0] == (
        "The carrier takes at most 200 pieces, the order has 201"
    )
    assert platform.money(order_id) == (0, 0, 0)
    assert platform.carrier.ledger()["bookings"] == []


def is_not_paid_in_time(platform: Platform) -> None:
    """The hold lapses before it is captured: what is booked is undone."""
    order_id = platform.buy()
    platform.turn_until(lambda: platform.payment() == "authorized")
    platform.stripe.advance(WEEK_AND_A_DAY)
    platform.come_to_rest()

    assert platform.status(order_id) == "cancelled"
    assert platform.reasons(order_id)[0] == (
        "The payment could not be completed: the amount was set aside for too long"
    )
    assert platform.money(order_id) == (0, 0, 0)
    assert [each["status"] for each in platform.carrier.ledger()["bookings"]] == ["cancelled"]


def is_taken_back(platform: Platform) -> None:
    """Confirmed and paid, then cancelled by the customer before the carrier came."""
    order_id = platform.buy()
    platform.turn_until(
        lambda: platform.status(order_id) == "confirmed" and not platform.open_calls()
    )
    cancel(order_id)
    platform.come_to_rest()

    assert (platform.status(order_id), platform.wish(order_id)) == ("cancelled", "cancelled")
    assert platform.money(order_id) == (0, PRICE, PRICE)
    assert [each["status"] for each in platform.carrier.ledger()["bookings"]] == ["cancelled"]


def comes_back_in_part(platform: Platform) -> None:
    """Confirmed, paid and delivered; then one piece of two is sent back and paid back."""
    platform.the_carrier_comes()
    order_id = platform.buy(pieces=2)
    platform.come_to_rest()
    platform.takes_back(order_id, pieces=1)
    platform.come_to_rest()

    assert platform.status(order_id) == "confirmed"
    assert platform.money(order_id) == (0, 2 * PRICE, PRICE)
    returned = platform.rows("orders", "SELECT status, refunded_cents FROM orders_return")
    assert returned == [("completed", PRICE)]


class At(NamedTuple):
    """A call outside, and an order in which it is made."""

    name: str
    provider: str
    operation: str  # as the stand-in's switch calls it
    order: Callable[[Platform], None]
    before: int = 0  # so many calls of this operation go well first


CALLS = (
    At("create", "stripe", "authorize", is_confirmed),
    At("confirm", "stripe", "authorize", is_confirmed, before=1),
    At("capture", "stripe", "capture", is_confirmed),
    At("cancel", "stripe", "cancel", is_refused_by_the_carrier),
    At("refund", "stripe", "refund", is_taken_back),
    At("refund a part", "stripe", "refund", comes_back_in_part),
    At("book", "carrier", "book", is_confirmed),
    At("release", "carrier", "release", is_confirmed),
    At("cancel the booking", "carrier", "cancel", is_not_paid_in_time),
    At("recall", "carrier", "cancel", is_taken_back),
)
NAMED = {at.name: at for at in CALLS}
# All in the one mode; in the other, whose barrier, intents and adapters are the same, each call.
MATRIX = [
    *((at, kind, Mode.ORCHESTRATED) for at in CALLS for kind in KINDS),
    *((at, kind, Mode.CHOREOGRAPHED) for at in CALLS for kind in A_FEW),
]


@pytest.mark.parametrize(
    ("at", "kind", "mode"), MATRIX, ids=[f"{at.name}-{kind}-{mode}" for at, kind, mode in MATRIX]
)
def test_an_order_ends_as_it_should_and_the_books_agree(
    platform: Platform, at: At, kind: str, mode: Mode
) -> None:
    drive(mode)
    drive(mode, "cancel_order")
    drive(mode, "return_order")
    server = go_wrong(platform, at, kind)
    at.order(platform)

    hit = [each["operation"] for each in server.calls() if each["fault"] == kind]
    assert hit == [at.operation]
    assert len(platform.stripe.ledger()["payments"]) == 1
    if kind != "slow" and at.order is not is_not_paid_in_time:
        assert asked_in_vain(platform) == []
    platform.adds_up()


def go_wrong(platform: Platform, at: At, kind: str) -> Stripe | Carrier:
    """Let a call go wrong once; whose it is."""
    server = platform.stripe if at.provider == "stripe" else platform.carrier
    if at.before:
        server.fault(at.operation, "none", times=at.before)
    server.fault(at.operation, kind)
    if kind in SILENT:
        platform.hurry()
    return server


def asked_in_vain(platform: Platform) -> list[str]:
    """What the gateway had to refuse, for it was done already: that nothing was done twice is then
    its merit, not ours."""
    return [each["operation"] for each in platform.stripe.calls() if each["status"] == 400]


# --- a day later


KEYED = ("create", "confirm", "capture", "cancel", "refund", "book")
LATER = [
    *((NAMED[name], kind, [25.0]) for name in KEYED for kind in ("answer_lost", "refused")),
    # Where the key may be forgotten and may be not, a refund is waited with.
    (NAMED["refund"], "refused", [23.5, 1.0]),
]


@pytest.mark.parametrize(
    ("at", "kind", "hours"),
    LATER,
    ids=[f"{at.name}-{kind}-{hours[0]}h" for at, kind, hours in LATER],
)
def test_after_a_day_no_old_key_is_used_and_nothing_is_done_twice(
    platform: Platform, at: At, kind: str, hours: list[float]
) -> None:
    asked_before: list[str] = []

    def hours_pass() -> None:
        """As long as an outcome is not known."""
        if hours and any(
            status in ("unknown", "waiting") for _, status, _ in platform.open_calls()
        ):
            platform.hours_pass(hours.pop(0))
            asked_before[:] = keys(platform)

    platform.meanwhile = hours_pass
    go_wrong(platform, at, kind)
    at.order(platform)

    assert asked_before
    assert not hours
    assert not set(asked_before) & set(keys(platform)[len(asked_before) :])
    platform.adds_up()


def keys(platform: Platform) -> list[str]:
    """Under which the gateway was asked, in order."""
    return [each["key"] for each in platform.stripe.calls() if each["key"]]


# --- what became of it cannot be found out at once

LOOKS = {
    "create": "search", "confirm": "retrieve", "capture": "retrieve",
    "refund": "list", "refund a part": "list",
}  # fmt: skip


@pytest.mark.parametrize("at", [at for at in CALLS if at.name in LOOKS], ids=list(LOOKS))
@pytest.mark.parametrize("kind", ["refused", "answer_cut", "error_before"])
def test_a_look_that_goes_wrong_is_repeated(platform: Platform, at: At, kind: str) -> None:
    go_wrong(platform, at, "answer_lost")
    platform.stripe.fault(LOOKS[at.name], kind, times=2)
    at.order(platform)

    hit = [each["operation"] for each in platform.stripe.calls() if each["fault"] == kind]
    assert hit == [LOOKS[at.name]] * 2
    assert asked_in_vain(platform) == []
    platform.adds_up()


# --- turned back by a person while nobody knows

CLOSING = {"stripe": "cancel", "carrier": "close"}  # which goes wrong too

UNDONE = [
    (NAMED[name], kind)
    for name in ("create", "confirm", "capture", "book")
    for kind in (*A_FEW, "slow")
]


@pytest.mark.parametrize(("at", "kind"), UNDONE, ids=[f"{at.name}-{kind}" for at, kind in UNDONE])
@pytest.mark.parametrize("mode", Mode)
def test_what_is_turned_back_meanwhile_costs_nothing_unless_it_was_taken(
    platform: Platform, at: At, kind: str, mode: Mode
) -> None:
    drive(mode)
    server = go_wrong(platform, at, kind)
    server.fault(CLOSING[at.provider], kind)
    platform.the_carrier_comes()
    order_id = platform.buy()
    platform.turn_until(lambda: any(status == "unknown" for _, status, _ in platform.open_calls()))
    turn_back(platform)
    platform.come_to_rest()

    taken = at.name == "capture" and platform.money(order_id) == (0, PRICE, 0)
    assert taken == (at.name == "capture" and kind != "refused")
    assert platform.status(order_id) == ("confirmed" if taken else "cancelled")
    assert platform.money(order_id) == (0, PRICE if taken else 0, 0)
    assert [each["status"] for each in platform.carrier.live()] == ["delivered"] * taken
    platform.adds_up()


def turn_back(platform: Platform) -> None:
    """An agent compensates the one saga."""
    [(saga_id, version)] = platform.rows("sagas", "SELECT saga_id, revision FROM sagas_saga")
    actor = Actor(id=None, name="agent")
    compensate_saga(saga_id=saga_id, version=version, actor=actor, reason="a test")


# --- taken back by the cardholder's bank


def test_what_a_bank_has_taken_back_is_owed_until_the_dispute_is_won(platform: Platform) -> None:
    order_id = platform.buy()
    platform.turn_until(lambda: platform.status(order_id) == "confirmed")
    [payment] = platform.stripe.ledger()["payments"]
    dispute = platform.stripe.dispute(payment["id"])
    cancel(order_id)
    platform.turn_until(lambda: any("BankHasMoney" in why for *_, why in platform.open_calls()))
    assert platform.money(order_id) == (0, PRICE, 0)

    platform.stripe.close_dispute(dispute, won=True)
    platform.hours_pass(25)  # until Stripe forgets that it said no
    platform.come_to_rest()
    assert (platform.status(order_id), platform.money(order_id)) == ("cancelled", (0, PRICE, PRICE))
    platform.adds_up()


# --- all at once


@pytest.mark.parametrize("mode", Mode)
def test_many_orders_with_all_that_can_go_wrong_at_once(platform: Platform, mode: Mode) -> None:
    drive(mode)
    drive(mode, "cancel_order")
    for number, kind in enumerate(each for each in KINDS if each not in SILENT):
        platform.stripe.chance("any", kind, 4, seed=f"{mode}{number}")
        platform.carrier.chance("any", kind, 4, seed=f"{mode}{number}")
    orders = [platform.buy(pieces) for pieces in [1, 201, 2] * 4]
    platform.turn_until(lambda: not platform.open_calls() and not_placed(platform) == 0)
    for order_id in orders[::3]:
        cancel(order_id)
    platform.turn_until(lambda: {platform.status(each) for each in orders[::3]} == {"cancelled"})
    for each in platform.carrier.live():
        platform.carrier.move(each["reference"], "delivered")
    platform.come_to_rest()

    assert [platform.status(each) for each in orders] == ["cancelled", "cancelled", "confirmed"] * 4
    assert len(platform.carrier.live()) == 4
    paid, twice = (0, PRICE, PRICE), (0, 2 * PRICE, 0)
    assert [platform.money(each) for each in orders] == [paid, (0, 0, 0), twice] * 4
    hit = [each for each in platform.stripe.calls() + platform.carrier.calls() if each["fault"]]
    assert len(hit) > 10
    platform.adds_up()


def not_placed(platform: Platform) -> int:
    """How many orders have no end yet."""
    [(count,)] = platform.rows("orders", "SELECT count(*) FROM orders_order WHERE ended_at IS NULL")
    return int(count)
