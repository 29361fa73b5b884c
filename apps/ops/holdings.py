"""What each service holds for one saga, or held once: a line each, for its page."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apps.fraud import selectors as fraud
from apps.inventory import selectors as inventory
from apps.messaging.display import label, moment, money
from apps.notifications import selectors as notifications
from apps.payments import selectors as payments
from apps.pricing import selectors as pricing
from apps.shipping import selectors as shipping


class Holding(NamedTuple):
    """One thing that a service holds, or held until something settled it."""

    service: str
    what: str
    status: str
    since: datetime
    settled: datetime | None = None

    @property
    def row(self) -> Sequence[object]:
        """As a line of the table."""
        since, settled = moment(self.since), moment(self.settled)
        return [self.service, self.what, label(self.status), since, settled]


HEADERS = ("Service", "What", "Status", "Since", "Settled")


def holdings_of(saga_id: UUID) -> Iterator[Holding]:
    """In the order of the steps; nothing of a service that never acted. Eight statements."""
    yield from _stock(saga_id)
    yield from _prices(saga_id)
    yield from _checks(saga_id)
    yield from _payment(saga_id)
    yield from _gift(saga_id)
    yield from _parcel(saga_id)
    yield from _messages(saga_id)


def _stock(saga_id: UUID) -> Iterator[Holding]:
    for each in inventory.reserved_for(saga_id):
        what = f"{each.quantity} x {each.product_id} {each.name}".rstrip()
        yield Holding("inventory", what, each.status, each.reserved_at, each.settled_at)


def _prices(saga_id: UUID) -> Iterator[Holding]:
    if found := pricing.frozen_for(saga_id):
        what = f"total {money(found.total_cents, found.currency)}"
        yield Holding("pricing", what, found.status, found.frozen_at, found.unfrozen_at)


def _checks(saga_id: UUID) -> Iterator[Holding]:
    for each in fraud.checks_of_saga(saga_id):
        yield Holding("fraud", each.by, each.status, each.since, each.settled)


def _payment(saga_id: UUID) -> Iterator[Holding]:
    if found := payments.summary_of_saga(saga_id):
        parts = [f"{money(found.amount_cents, found.currency)} by {found.method}"]
        amounts = {"captured": found.captured_cents, "refunded": found.refunded_cents}
        parts += [f"{word} {money(cents)}" for word, cents in amounts.items() if cents]
        settled = found.changed_at if found.status != "authorized" else None
        what = ", ".join(parts)
        yield Holding("payments", what, found.status, found.authorized_at, settled)


def _gift(saga_id: UUID) -> Iterator[Holding]:
    if found := shipping.gift_of_saga(saga_id):
        what = f"gift, {_count(found.pieces, 'piece')} in {_count(found.boxes, 'box', 'boxes')}"
        settled = found.changed_at if found.status != "wrapped" else None
        yield Holding("shipping", what, found.status, found.wrapped_at, settled)


def _parcel(saga_id: UUID) -> Iterator[Holding]:
    if found := shipping.shipment_of_saga(saga_id):
        parcels, pieces = _count(found.parcels, "parcel"), _count(found.pieces, "piece")
        what = f"{found.reference}, {parcels} with {pieces}, {found.carrier}"
        settled = found.handed_over_at or found.cancelled_at
        yield Holding("shipping", what, found.status, found.booked_at, settled)


def _messages(saga_id: UUID) -> Iterator[Holding]:
    for each in notifications.sent_for(saga_id):
        if each.kind not in notifications.OF_STEPS:
            continue
        status = "read" if each.read_at else "sent"
        yield Holding("notifications", each.subject, status, each.sent_at, each.read_at)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
