"""A customer wishes to cancel after each message of a saga, in both modes.

So many messages of each saga were told, and the last one of them is held back: nobody gets it
before the customer's wish is told, or before all that follows from the wish has happened.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

import pytest

from apps.contracts.plan import Mode
from apps.messaging.database import Database
from tests.kinds import KINDS, Kind
from tests.reliability.by_hand.platform import ByHand
from tests.reliability.simulation.harness import Owners

CONFIRMED, UNDONE = KINDS[:2], KINDS[2:]
AN_HOUR = 3600
ENDS = """
SELECT placed.saga_id, placed.status, coalesce(wish.status, ''), wish.saga_id IS NOT NULL,
  coalesce(wish.why_not, '')
FROM orders_order AS placed LEFT JOIN orders_cancellation AS wish ON wish.order_id = placed.id
"""
DRIVERS_OF_RETURNS = "SELECT driver FROM sagas_saga WHERE process = 'cancel_order'"
# What a customer sees in the end, by what they were answered at once.
HONEST = {
    ("taken", "cancelled", "cancelled"),
    ("taken", "confirmed", "refused"),
    ("already_shipped", "confirmed", ""),
    ("already_cancelled", "cancelled", ""),
}


class Case(NamedTuple):
    """Where a saga stands when its customer wishes to cancel."""

    kind: Kind
    messages: tuple[str, ...]  # that were told; nobody has the last of them
    late: bool  # whether that one comes after all that follows from the wish

    def __str__(self) -> str:
        when = "after the wish" if self.late else "with the wish"
        return f"{self.kind}: {len(self.messages)} messages, {self.messages[-1]} {when}"


class End(NamedTuple):
    """What became of an order and of the wish."""

    answer: str  # at once
    order: str
    wish: str
    returned: bool  # by a saga of its own
    why_not: str


def cases(platform: ByHand, kind: Kind) -> Iterator[Case]:
    """All points of such sagas."""
    messages = tuple(each.type for each in platform.undisturbed(kind))
    for told in range(1, len(messages) + 1):
        yield from (Case(kind, messages[:told], late) for late in (False, True))


def wish_everywhere(
    owners: Owners, kinds: Iterable[Kind], mode: Mode, *, carrier: int = 0
) -> dict[Case, End]:
    """Customers place orders and wish to cancel, each at a point of its own; what comes of it."""
    percent = 100 if mode is Mode.CHOREOGRAPHED else 0
    with ByHand().at_work(owners, percent=percent, carrier=carrier) as platform:
        points = [case for kind in kinds for case in cases(platform, kind)]
        sagas = {
            platform.order(each.kind, str(each), hold=len(each.messages)): each for each in points
        }
        answers = let_them_wish(platform, sagas)
        drivers = set(Database("sagas").fetch(DRIVERS_OF_RETURNS))
        assert drivers <= {("events" if percent else "engine",)}
        found = {saga_id: end for saga_id, *end in Database("orders").fetch(ENDS)}
        return {case: End(answers[saga_id], *found[saga_id]) for saga_id, case in sagas.items()}


def let_them_wish(platform: ByHand, sagas: dict[UUID, Case]) -> dict[UUID, str]:
    """Bring each saga to where it stands, let the wish be told, and deliver all that there is; what
    the customers were answered at once."""
    office = platform.broker
    platform.drain()
    held = {saga_id: office.holds(saga_id) for saga_id in sagas}
    assert held == {saga_id: case.messages[-1] for saga_id, case in sagas.items()}
    answers = {saga_id: platform.wish(saga_id) for saga_id in sagas}
    platform.deliver({saga_id: case.late for saga_id, case in sagas.items()})
    return answers


def is_honest(end: End) -> bool:
    """Whether what the customer was told is what happened."""
    refused = end.wish == "refused"
    return end[:3] in HONEST and refused == bool(end.why_not) and (end.returned or not refused)


def pivot_is_sent(case: Case, mode: Mode) -> bool:
    """Whether the pivot happens whatever the customer wishes."""
    asked = "CapturePayment" if mode is Mode.ORCHESTRATED else "PaymentCaptured"
    return asked in case.messages


def races(case: Case, mode: Mode) -> bool:
    """Whether the wish and the pivot are under way at the same time. A wish before the start waits
    for it, and is heard when services hear of the start as well."""
    return not case.late or (mode is Mode.CHOREOGRAPHED and len(case.messages) == 1)


IN_TIME = End("taken", "cancelled", "cancelled", returned=False, why_not="")
TAKEN_BACK = End("taken", "cancelled", "cancelled", returned=True, why_not="")


def check_undone(world: Owners, mode: Mode) -> dict[Case, End]:
    """An order that is undone anyway is cancelled as wished."""
    ends = wish_everywhere(world, UNDONE, mode)

    too_late = End("already_cancelled", "cancelled", "", returned=False, why_not="")
    for case, end in ends.items():
        assert end == (too_late if "OrderCancelled" in case.messages else IN_TIME), str(case)
    return ends


def check_confirmed(world: Owners, mode: Mode, carrier: int) -> dict[Case, End]:
    """Before the pivot an order is undone, and behind it taken back if it still can."""
    ends = wish_everywhere(world, CONFIRMED, mode, carrier=carrier)

    for case, end in ends.items():
        assert is_honest(end), f"{case}: {end}"
        if not pivot_is_sent(case, mode):
            assert end == IN_TIME or races(case, mode), f"{case}: {end}"
        elif carrier:
            assert end == TAKEN_BACK, f"{case}: {end}"
        else:
            assert (end.returned, end.order) != (False, "cancelled"), f"{case}: {end}"
    return ends


CARRIERS = {"at once": 0, "an hour later": AN_HOUR}


@pytest.mark.parametrize("mode", list(Mode))
def test_an_order_that_is_undone_anyway_is_cancelled_as_wished(world: Owners, mode: Mode) -> None:
    assert len(check_undone(world, mode)) > 50


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("carrier", CARRIERS)
def test_before_the_pivot_an_order_is_undone_and_behind_it_taken_back_if_it_still_can(
    world: Owners, mode: Mode, carrier: str
) -> None:
    assert len(check_confirmed(world, mode, CARRIERS[carrier])) > 20
