"""A carrier outside the house: booked, cancelled, recalled, released, and whatever goes wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import requests
from uuid_utils.compat import uuid7

from apps.contracts.shipping import (
    ShipmentCancelled,
    ShipmentCreated,
    ShipmentHandedOver,
    ShipmentNotRecalled,
    ShipmentRecalled,
    ShipmentRefused,
    ShipmentReleased,
)
from apps.contracts.steps import UndoRefused
from apps.messaging.batch import HandlingFailed
from apps.messaging.calls import work
from apps.shipping import carrier_api
from apps.shipping.carrier_api import Booking, NotTaken
from apps.shipping.errors import CarrierNotConfigured, NoDefiniteAnswer
from apps.shipping.watchdog import Watchdog
from tests.shipping.desk import HOME
from tests.shipping.dock import Dock, until
from tests.threads import at_once
from tools.fakecarrier.client import Control

ROOT = Path(__file__).parent.parent.parent
# What goes wrong, and whether the carrier did what it was asked before.
FAULTS = {
    "refused": False,
    "error_before": False,
    "conflict": False,
    "rate_limited": False,
    "hang_before": False,
    "error_after": True,
    "answer_lost": True,
    "answer_cut": True,
    "hang_after": True,
}
ABROAD = msgspec.structs.replace(HOME, country="AQ")
NOW = datetime.now(UTC)


# --- the calls alone


def test_a_booking_has_reference_parcels_label_and_tracking_number(carrier: Control) -> None:
    booking = carrier_api.book("k1", HOME, 21, NOW)
    assert isinstance(booking, Booking)
    assert booking.label_url.endswith(f"/labels/{booking.reference}")
    assert (booking.parcels, booking.tracking_number) == (2, "TRK0000000001")
    assert requests.get(booking.label_url, timeout=5).status_code == 200


def test_what_the_carrier_does_not_take_is_a_definite_no(carrier: Control) -> None:
    assert carrier_api.book("k1", ABROAD, 2, NOW) == NotTaken("country_not_served")
    assert carrier_api.book("k2", HOME, 201, NOW) == NotTaken("too_many_pieces", 200)
    assert carrier.ledger()["bookings"] == []


def prepare() -> str:
    """A booking that an operation can be tried on."""
    booking = carrier_api.book("k1", HOME, 2, NOW)
    assert isinstance(booking, Booking)
    return booking.reference


def ask(operation: str, reference: str) -> object:
    if operation == "book":
        return carrier_api.book("k2", HOME, 2, NOW)
    if operation == "track":
        return [each.reference for each in carrier_api.track([reference])]
    return getattr(carrier_api, operation)("k1" if operation == "close" else reference)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("operation", ["book", "cancel", "release", "close", "track"])
def test_no_fault_of_the_way_is_taken_for_an_answer(
    carrier: Control, operation: str, kind: str
) -> None:
    reference = prepare()
    carrier.fault(operation, kind)
    with pytest.raises((requests.RequestException, NoDefiniteAnswer)):
        ask(operation, reference)
    first, second = ask(operation, reference), ask(operation, reference)
    assert first == second
    assert carrier.ledger()["booked_twice"] == []


def test_a_slow_answer_is_an_answer(carrier: Control) -> None:
    carrier.fault("book", "slow", seconds=0.1)
    assert isinstance(carrier_api.book("k1", HOME, 2, NOW), Booking)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((200, b"<html>"), (201, b"{}"), (302, b""), (401, b"{}"), (409, b"[]"), (422, b"")),
        *((status, b'{"error": {"code": "country_not_served"}}') for status in (400, 404, 500)),
    ],
)
def test_what_makes_no_sense_is_no_answer(
    carrier: Control, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    answer = carrier_api.Answer(status, body)
    monkeypatch.setattr(carrier_api, "_ask", lambda *_, **__: answer)
    with pytest.raises(NoDefiniteAnswer, match=str(status)):
        carrier_api.book("k1", HOME, 2, NOW)


def test_a_stage_that_we_do_not_know_keeps_no_other_parcel_waiting(
    carrier: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"reference": "FC1", "client_reference": "k1", "status": "lost", "revision": 2}
    told = {"bookings": [{**known, "status": "in orbit"}, known]}
    answer = carrier_api.Answer(200, msgspec.json.encode(told))
    monkeypatch.setattr(carrier_api, "_ask", lambda *_, **__: answer)
    assert [each.status for each in carrier_api.track(["FC1"])] == ["lost"]


def test_an_answer_without_end_is_no_answer(
    carrier: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier_api.book("k1", HOME, 2, NOW)
    monkeypatch.setattr(carrier_api, "LARGEST_BYTES", 10)
    with pytest.raises(NoDefiniteAnswer, match="endless"):
        carrier_api.cancel("FC00000001")


def test_a_reference_that_named_another_order_books_nothing(carrier: Control) -> None:
    carrier_api.book("k1", HOME, 2, NOW)
    with pytest.raises(NoDefiniteAnswer, match="reference_reused"):
        carrier_api.book("k1", HOME, 3, NOW)
    assert len(carrier.live()) == 1


def test_the_key_is_in_no_error(carrier: Control, settings: Any) -> None:
    settings.CARRIER_API_KEY = "somebody's secret"
    with pytest.raises(NoDefiniteAnswer) as refused:
        carrier_api.book("k1", HOME, 2, NOW)
    settings.CARRIER_URL = "http://127.0.0.1:9"  # nobody listens there
    with pytest.raises(requests.ConnectionError) as unreachable:
        carrier_api.book("k1", HOME, 2, NOW)
    assert "secret" not in str(refused.value) + str(unreachable.value)
    assert "Gasse" not in str(refused.value) + str(unreachable.value)


def test_without_an_address_nobody_is_asked(carrier: Control, settings: Any) -> None:
    settings.CARRIER_URL = ""
    with pytest.raises(CarrierNotConfigured, match="CARRIER_URL"):
        carrier_api.cancel("FC00000001")


# --- through the barrier and the intents: each operation, with each fault


def test_a_parcel_is_booked_outside_and_answered_when_it_is(dock: Dock) -> None:
    dock.book(20, 1)
    assert (dock.log(), dock.told(), dock.status()) == ("doing", [], None)
    assert dock.work() == 1

    assert dock.told() == [ShipmentCreated(carrier="carrier", reference="FC00000001")]
    assert (dock.log(), dock.status()) == ("done", "booked")
    [row] = dock.owner.execute(
        "SELECT carrier, name, street, city, pieces, parcels, tracking_number, label_url <> ''"
        " FROM shipping_shipment"
    ).fetchall()
    assert row == ("carrier", "Anna Agapova", "Gasse 7", "Berlin", 21, 2, "TRK0000000001", True)
    dock.agree()


@pytest.mark.parametrize("operation", ["book", "cancel", "recall", "release"])
@pytest.mark.parametrize("kind", FAULTS)
def test_whatever_goes_wrong_it_is_done_once(
    dock: Dock, operation: str, kind: str, request: pytest.FixtureRequest
) -> None:
    if operation != "book":
        dock.book()
        dock.work()
    asked = "cancel" if operation == "recall" else operation
    if kind.startswith("hang"):
        request.getfixturevalue("hurried")
    dock.carrier.fault(asked, kind)
    begin(dock, operation)
    dock.work()
    done = FAULTS[kind]
    assert (effect(dock, operation), dock.intents()[-1]) == (done, (operation, "unknown"))
    dock.work_until_settled()

    assert dock.calls(asked) >= 2
    assert (
        dock.names()
        == {
            "book": ["ShipmentCreated"],
            "cancel": ["ShipmentCreated", "ShipmentCancelled"],
            "recall": ["ShipmentCreated", "ShipmentRecalled"],
            "release": ["ShipmentCreated", "ShipmentReleased"],
        }[operation]
    )
    dock.agree()


def effect(dock: Dock, operation: str) -> bool:
    """Whether the carrier has done what it was asked."""
    [*standing] = [each["status"] for each in dock.carrier.ledger()["bookings"]]
    after = {"book": ["booked"], "release": ["released"]}
    return standing == after.get(operation, ["cancelled"])


def begin(dock: Dock, operation: str) -> None:
    if operation == "release":
        dock.confirm()
        Watchdog().turn()
    else:
        getattr(dock, operation)()


@pytest.mark.parametrize("address", [ABROAD, HOME])
def test_what_the_carrier_will_not_take_is_refused_in_plain_words(dock: Dock, address: Any) -> None:
    dock.book(201 if address is HOME else 2, address=address)
    dock.work()

    [refused] = dock.told()
    assert isinstance(refused, ShipmentRefused)
    assert refused.reason == (
        "The carrier takes at most 200 pieces, the order has 201"
        if address is HOME
        else "The carrier does not deliver to AQ"
    )
    assert (dock.log(), dock.status()) == ("refused", None)


@pytest.mark.parametrize("address", [ABROAD, HOME])
def test_an_address_is_kept_in_no_call_that_has_its_outcome(dock: Dock, address: Any) -> None:
    dock.book(address=address)
    [(details,)] = dock.owner.execute("SELECT details FROM shipping_intent").fetchall()
    assert b"Agapova" in bytes(details)
    dock.work()
    [(details,)] = dock.owner.execute("SELECT details FROM shipping_intent").fetchall()
    assert [each for each in (b"Agapova", b"Gasse", b"10115") if each in bytes(details)] == []


@pytest.mark.parametrize("end", [Dock.cancel, Dock.found_booked])
def test_an_address_is_kept_in_no_call_that_is_never_made(
    dock: Dock, end: Callable[[Dock], None]
) -> None:
    dock.book()
    end(dock)
    [(details, status)] = dock.owner.execute(
        "SELECT details, status FROM shipping_intent"
    ).fetchall()
    assert status == {Dock.cancel: "withdrawn", Dock.found_booked: "settled"}[end]
    assert [each for each in (b"Agapova", b"Gasse", b"10115") if each in bytes(details)] == []


@pytest.mark.parametrize("lost", ["answer_lost", "refused"])
def test_a_reference_that_the_carrier_has_forgotten_is_looked_for(dock: Dock, lost: str) -> None:
    dock.carrier.fault("book", lost)
    dock.book()
    dock.work()
    dock.carrier.advance(25 * 3600)
    dock.owner.execute("UPDATE shipping_intent SET called_at = called_at - interval '25 hours'")
    dock.time_passes()
    dock.work()

    assert dock.names() == ["ShipmentCreated"]
    assert dock.calls("book") == {"answer_lost": 1, "refused": 2}[lost]
    dock.agree()


def test_without_looking_it_would_be_booked_twice(carrier: Control) -> None:
    """What the test before relies on."""
    carrier_api.book("k1", HOME, 2, NOW)
    carrier.advance(25 * 3600)
    carrier_api.book("k1", HOME, 2, NOW)
    assert carrier.ledger()["booked_twice"] == ["k1"]


# --- undo in flight


def test_a_call_that_was_never_made_is_withdrawn(dock: Dock) -> None:
    dock.book()
    dock.cancel()
    assert dock.told() == [ShipmentCancelled(nothing_to_undo=True)]
    assert (dock.work(), dock.log()) == (0, "tombstone")


@pytest.mark.parametrize("lost", ["answer_lost", "refused"])
def test_a_booking_in_doubt_that_nobody_wants_is_closed(dock: Dock, lost: str) -> None:
    dock.carrier.fault("book", lost)
    dock.book()
    dock.work()
    dock.cancel()
    dock.work_until_settled()

    assert dock.told() == [ShipmentCancelled(nothing_to_undo=True)]
    assert (dock.log(), dock.carrier.live()) == ("tombstone", [])
    [(key,)] = dock.owner.execute("SELECT key FROM shipping_intent").fetchall()
    # A request that was on its way all the time comes too late.
    assert carrier_api.book(key, HOME, 2, NOW) == NotTaken("closed")
    assert dock.carrier.live() == []


def test_a_call_whose_undo_comes_while_it_is_made_is_undone_after_it(dock: Dock) -> None:
    dock.carrier.fault("book", "slow", seconds=0.4)
    dock.book()
    at_once(lambda: work("shipping"), lambda: undo_when_claimed(dock))
    dock.work_until_settled()

    assert dock.told() == [ShipmentCancelled(reference="FC00000001")]
    assert (dock.log(), dock.status(), dock.carrier.live()) == ("undone", "cancelled", [])


def undo_when_claimed(dock: Dock) -> None:
    until(lambda: dock.intents() == [("book", "claimed")])
    dock.cancel()


def test_a_carrier_that_has_what_should_be_cancelled_is_a_matter_for_a_person(dock: Dock) -> None:
    dock.book()
    dock.work()
    dock.collected()
    dock.cancel()
    dock.work()

    assert dock.told()[1:] == [UndoRefused(reason="carrier has the parcel FC00000001 already")]
    assert (dock.log(), dock.status()) == ("undoing", "booked")


def test_a_person_who_knows_of_a_booking_records_it(dock: Dock) -> None:
    dock.carrier.fault("book", "error_before")
    dock.book()
    dock.work()
    dock.found_booked()

    assert dock.told() == [ShipmentCreated(carrier="carrier", reference="FC-by-phone")]
    assert dock.status() == "booked"


# --- killed between the carrier's answer and our commit


@pytest.mark.parametrize("operation", ["book", "recall"])
def test_a_worker_killed_with_the_answer_in_hand_costs_nothing(
    dock: Dock, operation: str, tmp_path: Path, settings: Any
) -> None:
    if operation != "book":
        dock.book()
        dock.work()
    begin(dock, operation)
    place = "intent.before_commit" if operation == "book" else "intent.answered"
    killed = subprocess.run(
        [sys.executable, "-c", WORK], cwd=ROOT, check=False, capture_output=True, text=True,
        env={
            **os.environ, "FAILPOINT": place, "FAILPOINT_SPENT": str(tmp_path / "spent"),
            "CARRIER_URL": settings.CARRIER_URL, "CARRIER_API_KEY": "test_key",
        },
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert dock.intents()[-1] == (operation, "claimed")
    dock.time_passes()
    dock.work_until_settled()

    assert len(dock.told()) == (1 if operation == "book" else 2)
    dock.agree()


WORK = """
import os, django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sagaplatform.settings")
django.setup()
from apps.messaging.calls import work
from apps.messaging.failpoints import arm
arm()
work("shipping")
"""


# --- recall and release


def test_a_parcel_is_released_and_has_left_when_the_carrier_says_so(dock: Dock) -> None:
    dock.book()
    dock.work()
    dock.hand_over()
    assert (dock.status(), dock.carrier.live()[0]["status"]) == ("booked", "released")
    dock.follow()
    assert (dock.status(), dock.stage()) == ("booked", "released")
    dock.collected()
    dock.follow()

    assert dock.status() == "handed_over"
    assert dock.told()[1:] == [
        ShipmentReleased(carrier="carrier", reference="FC00000001"),
        ShipmentHandedOver(carrier="carrier", reference="FC00000001"),
    ]
    dock.agree()


def test_who_is_confirmed_twice_is_released_once(dock: Dock) -> None:
    dock.book()
    dock.work()
    dock.hand_over()
    dock.hand_over()
    assert dock.calls("release") == 1
    assert dock.names() == ["ShipmentCreated", "ShipmentReleased"]


def test_a_carrier_that_will_not_come_holds_no_recall_up(dock: Dock) -> None:
    dock.book()
    dock.work()
    dock.carrier.move(dock.reference(), "cancelled")
    dock.hand_over()
    dock.follow()
    assert dock.names()[1:] == ["ShipmentNotReleased", "PersonNeeded"]
    dock.recall()
    dock.work()
    assert (dock.names()[-1], dock.status()) == ("ShipmentRecalled", "recalled")


@pytest.mark.parametrize("released", [False, True])
def test_the_carrier_decides_for_the_customer(dock: Dock, released: bool) -> None:
    dock.book()
    dock.work()
    if released:
        dock.hand_over()
    dock.recall()
    dock.work()

    assert dock.told()[-1] == ShipmentRecalled(reference="FC00000001")
    assert (dock.status(), dock.carrier.live()) == ("recalled", [])
    dock.follow()
    dock.hand_over()
    assert "PersonNeeded" not in dock.names()
    assert dock.calls("release") == int(released)


def test_the_carrier_decides_for_itself(dock: Dock) -> None:
    dock.book()
    dock.work()
    dock.hand_over()
    dock.collected()
    dock.recall()
    dock.work()

    assert dock.told()[-1] == ShipmentNotRecalled(carrier="carrier", reference="FC00000001")
    assert dock.status() == "booked"
    dock.follow()
    assert (dock.status(), dock.names()[-1]) == ("handed_over", "ShipmentHandedOver")
    dock.agree()


def test_nothing_is_released_while_its_recall_is_in_doubt(dock: Dock) -> None:
    dock.book()
    dock.work()
    dock.carrier.fault("cancel", "answer_lost")
    dock.recall()
    dock.work()
    dock.confirm()
    assert Watchdog().turn() == 0
    assert dock.calls("release") == 0

    dock.work_until_settled()
    dock.owner.execute("UPDATE shipping_pickup SET due_at = now()")
    assert Watchdog().turn() == 0
    assert dock.owner.execute("SELECT count(*) FROM shipping_pickup").fetchall() == [(0,)]
    assert (dock.status(), dock.intents()[-1]) == ("recalled", ("recall", "settled"))


def test_a_recall_in_doubt_that_is_fenced_has_a_definite_outcome(dock: Dock) -> None:
    dock.book()
    dock.work()
    dock.carrier.fault("cancel", "refused")
    dock.recall()
    dock.work()
    dock.fence_recall()
    dock.work_until_settled()
    assert dock.names() == ["ShipmentCreated", "ShipmentRecalled", "Happened"]
    assert (dock.status(), dock.carrier.live()) == ("recalled", [])


def test_a_parcel_waits_for_the_carriers_hour(dock: Dock, settings: Any) -> None:
    settings.HAND_OVER_AFTER = 3600
    dock.book()
    dock.work()
    dock.hand_over()
    assert dock.calls("release") == 0
    dock.owner.execute("UPDATE shipping_pickup SET due_at = now()")
    assert (Watchdog().turn(), dock.work(), dock.calls("release")) == (1, 1, 1)


# --- the setting changes


def test_who_was_booked_outside_is_cancelled_outside_whatever_is_chosen_now(
    dock: Dock, settings: Any
) -> None:
    dock.book()
    dock.work()
    address, settings.CARRIER_URL = settings.CARRIER_URL, ""
    dock.cancel()
    assert dock.work() == 1
    assert dock.intents()[-1] == ("cancel", "unknown")
    settings.CARRIER_URL = address
    dock.work_until_settled()
    assert (dock.status(), dock.carrier.live()) == ("cancelled", [])


def test_a_carrier_outside_is_not_called_as_our_van_is(dock: Dock, settings: Any) -> None:
    settings.CARRIER_NAME = "in-house"
    with pytest.raises(HandlingFailed, match="CARRIER_NAME"):
        dock.book()


def test_who_was_booked_in_house_stays_in_house(dock: Dock, settings: Any) -> None:
    address, settings.CARRIER_URL = settings.CARRIER_URL, ""
    dock.book()
    settings.CARRIER_URL = address
    dock.confirm()
    assert (dock.status(), dock.names()) == (
        "handed_over",
        ["ShipmentCreated", "ShipmentHandedOver"],
    )
    assert dock.carrier.calls() == []


# --- both carriers side by side


@pytest.fixture(params=["in-house", "outside"])
def either(dock: Dock, settings: Any, request: pytest.FixtureRequest) -> Dock:
    if request.param == "in-house":
        settings.CARRIER_URL = ""
    return dock


@pytest.mark.parametrize(
    ("story", "status", "told"),
    [
        (["book"], "booked", ["ShipmentCreated"]),
        (["book", "cancel"], "cancelled", ["ShipmentCreated", "ShipmentCancelled"]),
        (["book", "confirm"], "handed_over", ["ShipmentCreated", "ShipmentHandedOver"]),
        (["book", "recall"], "recalled", ["ShipmentCreated", "ShipmentRecalled"]),
        (["book", "recall", "confirm"], "recalled", ["ShipmentCreated", "ShipmentRecalled"]),
        (
            ["book", "confirm", "recall"], "handed_over",
            ["ShipmentCreated", "ShipmentHandedOver", "ShipmentNotRecalled"],
        ),
        (["book", "book", "cancel", "cancel"], "cancelled",
         ["ShipmentCreated"] * 2 + ["ShipmentCancelled"] * 2),
    ],
)  # fmt: skip
def test_both_carriers_tell_the_same_stories(
    either: Dock, story: list[str], status: str, told: list[str]
) -> None:
    either.carrier.set(collect_seconds=0)
    for each in story:
        getattr(either, each)()
        Watchdog().turn()
        either.work_until_settled()
        either.follow()
    assert either.status() == status
    assert [each for each in either.names() if each != "ShipmentReleased"] == told


def test_two_sagas_have_two_bookings(dock: Dock, databases: dict[str, psycopg.Connection]) -> None:
    dock.book()
    dock.saga_id = uuid7()
    dock.book()
    dock.work()
    assert [each["reference"] for each in dock.carrier.live()] == ["FC00000001", "FC00000002"]
