"""Whatever goes wrong outside, at whichever call: each order ends as it should, and the books of
all agree."""

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

import pytest

from apps.contracts.plan import Mode
from tests.e2e.world import drive
from tests.ops.world import cancel
from tests.outside.world import PRICE, Platform

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
    At("book", "carrier", "book", is_confirmed),
    At("release", "carrier", "release", is_confirmed),
    At("cancel the booking", "carrier", "cancel", is_not_paid_in_time),
    At("recall", "carrier", "cancel", is_taken_back),
)
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
    server = platform.stripe if at.provider == "stripe" else platform.carrier
    if at.before:
        server.fault(at.operation, "none", times=at.before)
    server.fault(at.operation, kind)
    if kind in SILENT:
        platform.hurry()
    at.order(platform)

    hit = [each["operation"] for each in server.calls() if each["fault"] == kind]
    assert hit == [at.operation]
    platform.adds_up()
