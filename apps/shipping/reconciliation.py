"""Whether the carrier outside and we have the same parcels booked. Reads only."""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from apps.shipping import carrier_api
from apps.shipping.carrier_api import MOST_TRACKED, Stage, Tracked
from apps.shipping.carriers import IN_HOUSE
from apps.shipping.models import OPEN_CALLS, Intent, Shipment, ShipmentStatus

OURS = {ShipmentStatus.BOOKED, ShipmentStatus.HANDED_OVER}


class Compared(NamedTuple):
    """How many bookings were compared, and what is wrong: which one, and how, in words."""

    checked: int
    differences: list[tuple[str, str]]


def compare() -> Compared:
    """Lay the carrier's live bookings over our shipments, and what we have booked over its own.

    What a call is open for is left out: its outcome is not recorded yet. Raises what `carrier_api`
    raises where the carrier does not answer.
    """
    theirs = list(_live())
    in_doubt = _in_doubt()
    booked = _booked()
    here = {each.reference for each in theirs}
    missing = [reference for reference in booked if reference not in here]
    found = {each.reference: each for each in _ask(missing)}
    differences = [
        *_not_ours(theirs, in_doubt),
        *(
            (reference, problem)
            for reference in missing
            if booked[reference] not in in_doubt and (problem := _not_theirs(found.get(reference)))
        ),
    ]
    return Compared(len(here | booked.keys()), differences)


def _not_ours(theirs: list[Tracked], in_doubt: set[UUID]) -> Iterator[tuple[str, str]]:
    rows = Shipment.objects.filter(reference__in=[each.reference for each in theirs])
    known = {row.reference: row for row in rows}
    doubted = {str(each) for each in in_doubt}
    for each in theirs:
        row = known.get(each.reference)
        if row is None:
            if each.client_reference[:36] not in doubted:  # a key begins with its saga's id
                yield each.reference, f"is {each.status} at the carrier, but no shipment of ours"
        elif row.status not in OURS and row.saga_id not in in_doubt:
            yield each.reference, f"is {each.status} at the carrier, but {row.status} here"


def _not_theirs(found: Tracked | None) -> str:
    if found is None:
        return "is booked here, but the carrier does not know it"
    return "is booked here, but cancelled there" if found.status is Stage.CANCELLED else ""


def _booked() -> dict[str, UUID]:
    rows = Shipment.objects.filter(status=ShipmentStatus.BOOKED).exclude(carrier=IN_HOUSE)
    return dict(rows.values_list("reference", "saga_id"))


def _in_doubt() -> set[UUID]:
    """The sagas about whose parcels the carrier is being asked."""
    subjects = Intent.objects.filter(status__in=OPEN_CALLS).values_list("subject", flat=True)
    return {UUID(each) for each in subjects}


def _live() -> Iterator[Tracked]:
    """All that has not ended at the carrier."""
    after, more = "", True
    while more:
        page = carrier_api.live_bookings(after)
        yield from page.bookings
        more = page.more and bool(page.bookings)
        after = page.bookings[-1].reference if page.bookings else after


def _ask(references: list[str]) -> Iterator[Tracked]:
    for start in range(0, len(references), MOST_TRACKED):
        yield from carrier_api.track(references[start : start + MOST_TRACKED])
