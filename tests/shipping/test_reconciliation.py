"""The carrier's bookings and ours, laid over one another."""

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.ops.conservation.platform_laws import carriers_bookings
from apps.ops.conservation.proof import Patience, Tally, View
from apps.shipping import carrier_api, reconciliation
from tests.shipping.desk import HOME
from tests.shipping.dock import Dock

NOW = datetime.now(UTC)


def test_what_both_know_is_no_difference(dock: Dock) -> None:
    dock.book()
    dock.work()
    assert reconciliation.compare() == (1, [])
    dock.hand_over()
    for _ in range(2):  # before and after we hear of it
        dock.collected()
        assert reconciliation.compare() == (1, [])
        dock.follow()
    dock.carrier.move(dock.reference(), "delivered")
    assert reconciliation.compare() == (0, [])


def test_a_delivery_that_we_have_not_heard_of_is_no_difference(dock: Dock) -> None:
    dock.book()
    dock.work()
    dock.hand_over()
    dock.carrier.move(dock.reference(), "delivered")
    assert (dock.status(), reconciliation.compare()) == ("booked", (1, []))


def test_what_only_the_carrier_knows_is_told(dock: Dock) -> None:
    carrier_api.book("0199c0de-0000-7000-8000-000000000001-create_shipment-book-1", HOME, 2, NOW)
    assert reconciliation.compare() == (
        1, [("FC00000001", "is booked at the carrier, but no shipment of ours")],
    )  # fmt: skip


def test_what_is_in_doubt_is_not_told(dock: Dock) -> None:
    dock.carrier.fault("book", "answer_lost")
    dock.book()
    dock.work()
    assert reconciliation.compare() == (1, [])
    dock.work_until_settled()
    dock.carrier.fault("cancel", "answer_lost")
    dock.recall()
    dock.work()
    assert reconciliation.compare() == (1, [])


@pytest.mark.parametrize(
    ("break_it", "how"),
    [
        ("UPDATE shipping_shipment SET status = 'cancelled', cancelled_at = now()",
         "is booked at the carrier, but cancelled here"),
        ("UPDATE shipping_shipment SET reference = 'FC00000009'", "the carrier does not know it"),
    ],
)  # fmt: skip
def test_what_differs_is_told(dock: Dock, break_it: str, how: str) -> None:
    dock.book()
    dock.work()
    dock.owner.execute(break_it)
    assert how in " ".join(text for _, text in reconciliation.compare().differences)


def test_what_the_carrier_has_cancelled_is_told(dock: Dock) -> None:
    dock.book()
    dock.work()
    dock.carrier.move(dock.reference(), "cancelled")
    assert reconciliation.compare() == (
        1, [("FC00000001", "is booked here, but cancelled there")],
    )  # fmt: skip


def test_many_bookings_come_in_pages(dock: Dock) -> None:
    for number in range(101):
        carrier_api.book(f"k{number}", HOME, 1, NOW)
    assert len(reconciliation.compare().differences) == 101


@pytest.mark.parametrize("silent", [False, True])
def test_the_conservation_check_asks_the_carrier(dock: Dock, silent: bool, settings: Any) -> None:
    carrier_api.book("k1", HOME, 2, NOW)
    if silent:
        dock.carrier.fault("track", "refused")
    tally = Tally()
    carriers_bookings(View.at(NOW, Patience()), tally)
    said = "could not be asked: ConnectionError"
    here = "is booked at the carrier, but no shipment of ours"
    assert [each.text for each in tally.faults] == [said if silent else here]
    assert Patience().shipping.days == 3
    settings.CARRIER_URL = ""
    tally = Tally()
    carriers_bookings(View.at(NOW, Patience()), tally)
    assert tally == Tally()
