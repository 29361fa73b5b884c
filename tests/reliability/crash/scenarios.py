"""The shipped definition in scenarios: confirmed and undone, by store credit and by card, late."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from apps.contracts.values import PaymentMethod, PricedLine
from apps.processes import PLACE_ORDER
from tests.e2e.world import basket, buy, open_shop
from tests.reliability.crash.points import Scenario, Time
from tests.reliability.crash.way import Way
from tests.running import Platform
from tests.standin import StandInGateway

GIFT = frozenset({"gift_wrap"})
CREDIT, CARD = PaymentMethod
INSIDE = frozenset({"authorize_payment", "capture_payment"})  # store credit is in our own ledger
TOO_MANY = {"cake": 70}  # for a carrier


def place(lines: Sequence[PricedLine], method: PaymentMethod, *, gift_wrap: bool = True) -> UUID:
    """Place an order; its id."""
    return buy(lines, gift_wrap=gift_wrap, payment_method=method).order_id


by_credit = partial(place, basket(tea=1), CREDIT)
by_card = partial(place, basket(tea=1), CARD)
CONFIRMED_BY_CARD = Way(PLACE_ORDER, GIFT)
UNDONE_BY_CARD = Way(PLACE_ORDER, GIFT, refused="capture_payment")
NOT_CAPTURED = (("capture", "decline"),)

SCENARIOS = (
    Scenario("confirmed by store credit", Way(PLACE_ORDER, GIFT, inside=INSIDE), by_credit),
    Scenario("confirmed by card", CONFIRMED_BY_CARD, by_card),
    Scenario(
        "undone by store credit",
        Way(PLACE_ORDER, refused="create_shipment", inside=INSIDE),
        partial(place, basket(**TOO_MANY), CREDIT, gift_wrap=False),
    ),
    Scenario("undone by card", UNDONE_BY_CARD, by_card, calls=NOT_CAPTURED),
    Scenario("late by card", CONFIRMED_BY_CARD, by_card, Time.LATE),
    Scenario("late in undoing by card", UNDONE_BY_CARD, by_card, Time.LATE, NOT_CAPTURED),
    Scenario("out of time by card", CONFIRMED_BY_CARD, by_card, Time.OVER),
    Scenario("start lost by card", CONFIRMED_BY_CARD, by_card, Time.LOST),
)

# What each payment by card says that the gateway has done for it.
CARD_EFFECTS = """
SELECT saga_id::text, operation FROM payments_payment, unnest(CASE
    WHEN status = 'authorized' THEN ARRAY['authorize']
    WHEN status = 'captured' THEN ARRAY['authorize', 'capture']
    WHEN captured_cents > 0 THEN ARRAY['authorize', 'capture', 'give_back']
    ELSE ARRAY['authorize', 'give_back'] END) AS operation
WHERE method = 'card' ORDER BY 1, 2
"""
# Calls that may have been made, and whose outcome we do not know yet.
OPEN_CALLS = """
SELECT subject, operation FROM payments_intent
WHERE status IN ('claimed', 'unknown', 'waiting') OR status = 'due' AND called_at IS NOT NULL
"""
SWITCH_GIFTS_ON = """
INSERT INTO waffle_switch (name, active, note, created, modified)
VALUES ('gift_wrap', true, '', now(), now())
"""


# The start of an order is gone on its way, and was told long ago.
LOSE_STARTS = "DELETE FROM orders_outboxmessage"
STARTS_ARE_LATE = """
UPDATE orders_order SET start_told_at = start_told_at - interval '1 day' WHERE status = 'placed'
"""


class Shop:
    """What the kit asks of the world in which the sagas of a definition live."""

    environment = {"CARD_GATEWAY": "tests.standin.StandInGateway"}

    def __init__(self, owners: dict[str, psycopg.Connection], folder: Path) -> None:
        self.owners = owners
        self.platform = Platform(owners, folder)
        ledger = folder / f"gateway-{uuid4()}.db"
        self.environment = {**self.environment, "STANDIN_GATEWAY": str(ledger)}
        self.gateway = StandInGateway(ledger)

    def open(self) -> None:
        """All that orders need, plenty of it; the databases are empty."""
        self.owners["default"].execute(SWITCH_GIFTS_ON)
        open_shop(stock=1_000_000, credit_cents=10**12)

    def meet(self, scenario: Scenario, sagas: int) -> None:
        """What the outside world does to so many sagas, however often each of them calls."""
        self.gateway.forget()
        for operation, what in scenario.calls:
            self.gateway.will(operation, *[what] * sagas * 10)

    def lose_start(self) -> None:
        """Nobody has heard of what was just started, and it is time to tell it again."""
        self.owners["orders"].execute(LOSE_STARTS)
        self.owners["orders"].execute(STARTS_ARE_LATE)

    def under_way(self, sagas: int) -> list[str]:
        """What is not at its end, in words."""
        return self.platform.open_ends(sagas)

    def faults(self) -> Iterator[str]:
        """Where the gateway's ledger is not ours (law I10). It may be ahead by an open call."""
        theirs = self.gateway.had_effect()
        ours = self.owners["payments"].execute(CARD_EFFECTS).fetchall()
        known = [*ours, *self.owners["payments"].execute(OPEN_CALLS).fetchall()]
        yield from (f"the gateway did {each} and we do not know" for each in extra(theirs, known))
        yield from (f"we believe {each} and the gateway did not" for each in extra(ours, theirs))


def extra(some: Sequence[object], others: Sequence[object]) -> list[object]:
    """What some have and others have not, or not as often."""
    return list((Counter(some) - Counter(others)).elements())
