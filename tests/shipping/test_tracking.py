"""What the carrier tells of parcels: webhooks good and bad, and what is learned without them."""

import json
import time
from typing import Any

import pytest
from django.test import Client

from apps.contracts.steps import PersonNeeded
from apps.shipping.tracking import CarrierWatch
from tests.shipping.dock import SECRET, Dock, until
from tools.fakecarrier.webhooks import signature


@pytest.fixture
def released(dock: Dock) -> Dock:
    """A parcel that the carrier may fetch, and that is not due to be asked about."""
    dock.book()
    dock.work()
    dock.hand_over()
    return dock


def post(body: str, *, secret: str = SECRET, age: float = 0, signed: str | None = None) -> int:
    """What is answered to an event, which is signed now, or so many seconds ago."""
    if signed is None:
        signed = signature(body, secret, int(time.time() - age))
    answer = Client().post(
        "/webhooks/carrier", body, content_type="application/json", secure=True,
        headers={"Carrier-Signature": signed},
    )  # fmt: skip
    return answer.status_code


def event(number: int = 1, reference: str = "FC00000001", **more: Any) -> str:
    told = {"id": f"evt_{number}", "type": "booking.collected", "booking": {"reference": reference}}
    return json.dumps({**told, **more})


def due(dock: Dock) -> bool:
    [(found,)] = dock.owner.execute("SELECT due_at <= now() FROM shipping_tracking").fetchall()
    return bool(found)


# --- the door


def test_what_the_carrier_tells_is_not_believed_but_asked_for(released: Dock) -> None:
    assert post(event()) == 200
    assert due(released)
    released.hear_what_is_due()
    assert (released.status(), released.stage()) == ("booked", "released")

    released.collected()
    assert post(event(2, type="booking.lost")) == 200
    released.hear_what_is_due()
    assert (released.status(), released.stage()) == ("handed_over", "collected")
    assert released.names()[-1] == "ShipmentHandedOver"


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"secret": "another"}, 400),
        ({"age": 301}, 400),
        ({"age": -310}, 400),
        ({"signed": ""}, 400),
        ({"signed": "t=,v1="}, 400),
        ({"signed": "t=²,v1=a"}, 400),
        ({"signed": f"t={int(time.time())}"}, 400),
        ({"signed": f"t={'9' * 5000},v1=a"}, 400),
        ({"age": 290}, 200),
    ],
)
def test_who_does_not_know_the_secret_or_comes_late_is_refused(
    released: Dock, how: dict[str, Any], status: int
) -> None:
    assert post(event(), **how) == status
    assert due(released) == (status == 200)


def test_what_was_changed_on_the_way_is_refused(released: Dock) -> None:
    signed = signature(event(), SECRET, int(time.time()))
    assert post(event(2), signed=signed) == 400
    assert not due(released)


def test_of_several_signatures_one_must_be_right(released: Dock) -> None:
    signed = signature(event(), SECRET, int(time.time()))
    assert post(event(), signed=f"{signed},v1=00") == 200


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 200), (64 * 1024 + 1, 413)])
def test_what_is_too_large_is_not_read(released: Dock, size: int, status: int) -> None:
    body = event()
    assert post(body + " " * (size - len(body))) == status
    assert due(released) == (status == 200)


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{", '{"id": "1"}', '{"id": 1, "booking": {}}', event(reference="FC\0"),
     event(id="evt_\0")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(released: Dock, body: str) -> None:
    assert post(body) == 400
    assert not due(released)


def test_without_a_secret_there_is_no_door(released: Dock, settings: Any) -> None:
    settings.CARRIER_WEBHOOK_SECRET = ""
    assert post(event(), secret="") == 404
    assert not due(released)


def test_only_posts_are_taken(released: Dock) -> None:
    assert Client().get("/webhooks/carrier", secure=True).status_code == 405


def test_what_was_told_before_is_taken_and_changes_nothing(released: Dock) -> None:
    assert post(event()) == 200
    released.hear_what_is_due()
    assert post(event()) == 200
    assert not due(released)
    rows = released.owner.execute("SELECT id FROM shipping_carrierevent").fetchall()
    assert rows == [("evt_1",)]


def test_a_parcel_that_nobody_follows_is_no_error(dock: Dock) -> None:
    assert post(event()) == 200


def test_ids_are_forgotten_when_no_copy_can_come(released: Dock) -> None:
    post(event(1))
    released.owner.execute(
        "UPDATE shipping_carrierevent SET received_at = now() - interval '31 days'"
    )
    post(event(2))
    rows = released.owner.execute("SELECT id FROM shipping_carrierevent").fetchall()
    assert rows == [("evt_2",)]


# --- what is learned


def test_a_lost_webhook_costs_time_and_nothing_else(released: Dock) -> None:
    released.collected()
    released.follow()
    assert (released.status(), released.stage()) == ("handed_over", "collected")


@pytest.mark.parametrize(
    ("stages", "kinds"),
    [
        (["collected", "in_transit", "delivered"], []),
        (["collected", "in_transit", "lost"], ["parcel_lost"]),
        (["collected", "returned"], ["parcel_returned"]),
        (["delivered"], []),  # what came between was never heard of
        (["lost"], ["parcel_lost"]),
        (["cancelled"], ["parcel_refused"]),
    ],
)
def test_a_parcel_is_followed_to_its_end(
    released: Dock, stages: list[str], kinds: list[str]
) -> None:
    for each in stages:
        released.carrier.move(released.reference(), each)
        for _ in range(2):  # heard twice, told once
            released.follow()
        assert released.stage() == each
    assert released.names().count("ShipmentHandedOver") == int(stages != ["cancelled"])
    needs = [each for each in released.told() if isinstance(each, PersonNeeded)]
    assert [each.kind for each in needs] == kinds
    assert [each.context for each in needs] == ["shipping"] * len(kinds)
    assert all("FC00000001" in each.reason for each in needs)


@pytest.mark.parametrize("stage", ["delivered", "lost", "returned", "cancelled"])
def test_an_ended_parcel_is_asked_about_only_if_the_carrier_tells_something(
    released: Dock, stage: str
) -> None:
    released.carrier.move(released.reference(), stage)
    released.follow()
    rows = released.owner.execute("SELECT due_at FROM shipping_tracking").fetchall()
    assert rows == [(None,)]
    released.carrier.move(released.reference(), "delivered")
    post(event())
    released.hear_what_is_due()
    assert released.stage() == "delivered"


def test_what_is_heard_late_changes_nothing(released: Dock) -> None:
    """Two ask at the same time; the older answer is written after the newer one."""
    released.owner.execute("UPDATE shipping_tracking SET due_at = now()")
    slow = CarrierWatch()
    slow.turn()
    until(lambda: slow.answer is not None and slow.answer.done())
    released.carrier.move(released.reference(), "collected")
    released.carrier.move(released.reference(), "delivered")
    released.follow()
    slow.turn()
    assert (released.stage(), released.status()) == ("delivered", "handed_over")
    assert released.names().count("ShipmentHandedOver") == 1
    slow.close()


def test_a_webhook_that_comes_while_the_carrier_is_asked_is_not_lost(released: Dock) -> None:
    released.owner.execute("UPDATE shipping_tracking SET due_at = now()")
    watch = CarrierWatch()
    watch.turn()
    until(lambda: watch.answer is not None and watch.answer.done())
    released.collected()
    post(event())
    watch.turn()
    assert released.status() == "booked"
    assert due(released)
    watch.close()


def test_a_recall_under_way_is_no_news(released: Dock) -> None:
    released.carrier.fault("cancel", "answer_lost")
    released.recall()
    released.work()
    released.follow()  # the carrier says that it is cancelled; whether by us is not recorded yet
    assert (released.stage(), "PersonNeeded" in released.names()) == ("booked", False)
    released.work_until_settled()
    released.follow()
    assert (released.status(), released.stage()) == ("recalled", "cancelled")
    assert "PersonNeeded" not in released.names()


def test_a_carrier_that_fetches_what_it_had_cancelled_is_found_out(released: Dock) -> None:
    released.recall()
    released.work()
    released.collected()
    released.follow()
    [need] = [each for each in released.told() if isinstance(each, PersonNeeded)]
    assert (need.kind, released.status()) == ("parcel_taken", "recalled")
    assert "ShipmentHandedOver" not in released.names()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("kind", ["refused", "error_before", "answer_cut", "hang_before"])
def test_a_carrier_that_is_silent_is_left_alone_for_a_while(released: Dock, kind: str) -> None:
    released.collected()
    released.carrier.fault("track", kind)
    released.owner.execute("UPDATE shipping_tracking SET due_at = now()")
    watch = CarrierWatch()
    watch.turn()
    until(lambda: watch.answer is not None and watch.answer.done())
    assert (watch.turn(), released.stage()) == (0, "booked")
    asked = released.calls("track")
    released.owner.execute("UPDATE shipping_tracking SET due_at = now()")
    watch.turn()
    assert released.calls("track") == asked
    watch.quiet_until = 0
    watch.turn()
    until(lambda: watch.answer is not None and watch.answer.done())
    assert (watch.turn(), released.stage(), watch.silent) == (1, "collected", 0)
    watch.close()


def test_nobody_waits_for_a_carrier_that_hangs(released: Dock) -> None:
    """The watchdog's process has other things to watch over."""
    released.carrier.fault("track", "hang_before")
    released.owner.execute("UPDATE shipping_tracking SET due_at = now()")
    watch = CarrierWatch()
    assert [watch.turn() for _ in range(3)] == [0, 0, 0]
    assert watch.answer is not None
    assert not watch.answer.done()
    released.carrier.release()
    watch.close()


def test_a_parcel_that_the_carrier_does_not_know_is_asked_about_again(released: Dock) -> None:
    released.owner.execute("UPDATE shipping_tracking SET reference = 'FC99999999'")
    released.follow()
    [(soon,)] = released.owner.execute("SELECT due_at > now() FROM shipping_tracking").fetchall()
    assert (soon, released.stage()) == (True, "booked")


def test_two_watchdogs_share_what_is_due(released: Dock) -> None:
    released.owner.execute("UPDATE shipping_tracking SET due_at = now()")
    one, other = CarrierWatch(), CarrierWatch()
    one.turn()
    other.turn()
    assert [len(each.asked) for each in (one, other)] == [1, 0]
    one.close()
    other.close()
