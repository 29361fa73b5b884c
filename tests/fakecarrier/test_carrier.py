"""The stand-in's own promises: client references, states, webhooks, faults, restarts."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from apps.messaging.signatures import is_signed
from tools.fakecarrier.client import Control, Server

ADDRESS = {"name": "A", "street": "B 1", "postal_code": "1", "city": "C", "country": "DE"}
SECRET = "of the tests"
PATIENCE = 20.0


class Carrier:
    """A server as a shop asks it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.control = Control(address)

    def ask(self, method: str, path: str, key: str = "test_1", **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key}"}
        url = f"{self.address}/{path}"
        answer = requests.request(method, url, headers=headers, timeout=PATIENCE, **more)
        return answer.status_code, answer.json()

    def book(self, reference: str = "k1", **changes: Any) -> tuple[int, Any]:
        order = {"client_reference": reference, "address": ADDRESS, "pieces": 2, **changes}
        return self.ask("POST", "bookings", json=order)

    def act(self, what: str, reference: str = "FC00000001") -> tuple[int, str]:
        """Status, and where the booking is then or why not."""
        status, body = self.ask("POST", f"bookings/{reference}/{what}")
        return status, body.get("status") or body["error"]["code"]


class Shop:
    """An endpoint for webhooks. `says` are the next statuses; then all is well."""

    def __init__(self) -> None:
        self.says: list[int] = []
        self.taken: list[tuple[str, bool]] = []  # type, and whether it is signed well
        shop = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                good = is_signed(body, self.headers["Carrier-Signature"], SECRET, time.time())
                shop.taken.append((body.decode().split('"type": "')[1].split('"')[0], good))
                self.send_response(shop.says.pop(0) if shop.says else 200 if good else 400)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Tests say what they want to know."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def wait_for(self, number: int) -> list[tuple[str, bool]]:
        limit = time.monotonic() + PATIENCE
        while len(self.taken) < number:
            assert time.monotonic() < limit, f"only {self.taken} came"
            time.sleep(0.01)
        return self.taken

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server.start(tmp_path_factory.mktemp("fakecarrier") / "carrier.sqlite3") as server:
        yield server


@pytest.fixture
def carrier(running: Server) -> Carrier:
    running.control.reset()
    running.control.set(webhook_url=None, collect_seconds=1000, transit_seconds=1000)
    return Carrier(running.address)


@pytest.fixture
def shop(carrier: Carrier) -> Iterator[Shop]:
    with Shop() as shop:
        carrier.control.set(webhook_url=shop.url, webhook_secret=SECRET)
        yield shop
        carrier.control.set(webhook_url=None)


def test_one_client_reference_is_one_booking(carrier: Carrier) -> None:
    first, again = carrier.book(), carrier.book()
    assert first == again
    assert first[0] == 201
    assert carrier.book(pieces=3) == (
        422,
        {"error": {
            "code": "reference_reused", "message": "This client reference named another order",
        }},
    )  # fmt: skip
    assert len(carrier.control.ledger()["bookings"]) == 1


def test_a_refusal_is_kept_under_its_reference_too(carrier: Carrier) -> None:
    abroad = {**ADDRESS, "country": "AQ"}
    assert carrier.book(address=abroad)[1]["error"]["code"] == "country_not_served"
    carrier.control.set(countries=["AQ"])
    assert carrier.book(address=abroad)[0] == 422
    assert carrier.book("k2", address=abroad)[0] == 201
    carrier.control.set(countries=["DE"])


def test_too_many_pieces_are_refused_with_how_many_go(carrier: Carrier) -> None:
    status, body = carrier.book(pieces=201)
    assert (status, body["error"]["most_pieces"]) == (422, 200)


def test_after_a_day_a_reference_is_forgotten_but_the_booking_is_found(carrier: Carrier) -> None:
    carrier.book()
    carrier.control.advance(25 * 3600)
    found = carrier.ask("GET", "bookings?client_reference=k1")[1]["bookings"]
    assert [each["reference"] for each in found] == ["FC00000001"]
    carrier.book()
    assert carrier.control.ledger()["booked_twice"] == ["k1"]


def test_a_booking_is_cancelled_until_it_is_collected(carrier: Carrier) -> None:
    carrier.book()
    assert [carrier.act("cancel"), carrier.act("cancel")] == [(200, "cancelled")] * 2
    assert carrier.act("release") == (409, "cancelled")
    carrier.book("k2")
    assert [carrier.act("release", "FC00000002")] * 2 == [(200, "released")] * 2
    carrier.control.advance(1001)
    assert carrier.act("cancel", "FC00000002") == (409, "already_collected")
    assert carrier.act("release", "FC00000002") == (200, "collected")


def test_a_closed_reference_books_nothing_any_more(carrier: Carrier) -> None:
    carrier.book()
    for each in ("k1", "k2"):
        assert carrier.ask("POST", f"client-references/{each}/close")[0] == 200
        assert carrier.book(each)[1]["error"]["code"] == "closed"
    assert carrier.control.live() == []


@pytest.mark.parametrize("end", ["delivered", "returned", "lost"])
def test_a_parcel_goes_its_way_by_the_clock(carrier: Carrier, end: str) -> None:
    carrier.control.set(ends=end)
    carrier.book()
    carrier.act("release")
    seen = []
    for _ in range(4):
        carrier.control.advance(1001)
        [booking] = carrier.ask("GET", "bookings?reference=FC00000001,FC9,x")[1]["bookings"]
        seen.append((booking["status"], booking["revision"]))
    assert seen == [("collected", 3), ("in_transit", 4), (end, 5), (end, 5)]


def test_what_lives_comes_in_pages(carrier: Carrier) -> None:
    for number in range(102):
        carrier.book(f"k{number}")
    carrier.act("cancel")
    page = carrier.ask("GET", "bookings?live=1&after=")[1]
    rest = carrier.ask("GET", f"bookings?live=1&after={page['bookings'][-1]['reference']}")[1]
    assert (len(page["bookings"]), page["more"]) == (100, True)
    assert (len(rest["bookings"]), rest["more"]) == (1, False)


@pytest.mark.parametrize(
    "order", [{"pieces": 0}, {"address": {}}, {"more": 1}, {"client_reference": ""}]
)
def test_what_makes_no_sense_is_refused(carrier: Carrier, order: dict[str, Any]) -> None:
    assert carrier.book(**order)[0] == 400
    assert carrier.control.ledger()["bookings"] == []


def test_who_has_no_test_key_is_nobody(carrier: Carrier) -> None:
    assert carrier.ask("GET", "bookings", key="live_1")[0] == 401


# --- webhooks


def test_each_change_is_told_and_signed(carrier: Carrier, shop: Shop) -> None:
    carrier.book()
    carrier.act("release")
    carrier.control.advance(1001)
    told = shop.wait_for(3)
    assert sorted(told) == [
        ("booking.booked", True), ("booking.collected", True), ("booking.released", True),
    ]  # fmt: skip


def test_a_webhook_comes_again_until_it_is_taken(carrier: Carrier, shop: Shop) -> None:
    shop.says = [500, 302]
    carrier.book()
    for number in (1, 2):
        shop.wait_for(number)
        wait_until(lambda number=number: carrier.control.events()[0]["attempts"] == number)
        carrier.control.advance(10)
    assert shop.wait_for(3) == [("booking.booked", True)] * 3
    wait_until(lambda: carrier.control.events()[0]["status"] == "sent")


@pytest.mark.parametrize(
    ("kind", "came"),
    [("twice", [True, True]), ("forged", [False, True]), ("old", [False, True]), ("late", [True])],
)
def test_a_webhook_goes_wrong_as_it_is_told_to(
    carrier: Carrier, shop: Shop, kind: str, came: list[bool]
) -> None:
    carrier.control.webhook_fault("booking.booked", kind, seconds=100)
    carrier.book()
    if kind == "late":
        wait_until(lambda: carrier.control.events()[0]["fault"] == "late")
        assert shop.taken == []
    elif kind in ("forged", "old"):
        wait_until(lambda: carrier.control.events()[0]["attempts"] == 1)
    carrier.control.advance(200)
    assert [good for _, good in shop.wait_for(len(came))] == came


def test_a_webhook_that_never_comes(carrier: Carrier, shop: Shop) -> None:
    carrier.control.webhook_fault("any", "never")
    carrier.book()
    wait_until(lambda: carrier.control.events()[0]["status"] == "withheld")
    carrier.act("release")
    assert shop.wait_for(1) == [("booking.released", True)]


def wait_until(condition: Any) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.01)


# --- faults, page, restart


def test_a_share_of_calls_fails_by_its_seed(carrier: Carrier) -> None:
    def statuses() -> list[int]:
        carrier.control.clear_faults()
        carrier.control.chance("book", "error_before", 50, seed=7)
        return [carrier.book(f"k{number}")[0] for number in range(20)]

    first = statuses()
    assert 500 in first
    assert 201 in first
    assert statuses() == first


@pytest.mark.parametrize(
    "rule",
    [
        {"operation": "fly", "kind": "slow"},
        {"operation": "book", "kind": "twice"},
        {"event": "any", "kind": "slow"},
        {"operation": "book", "event": "any", "kind": "slow"},
        {"kind": "slow"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(carrier: Carrier, rule: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"is (one of|about)"):
        carrier.control._post("faults", **rule)
    assert carrier.control.faults() == []


def test_a_person_sees_what_happened_and_nothing_runs(carrier: Carrier) -> None:
    carrier.book("<script>", address={**ADDRESS, "name": "<b>"})
    carrier.control.fault("cancel", "slow")
    for path, shown in (("", "&lt;script&gt;"), ("labels/FC00000001", "&lt;b&gt;")):
        page = requests.get(f"{carrier.address}/{path}", timeout=PATIENCE)
        assert page.status_code == 200
        assert shown in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert requests.get(f"{carrier.address}/labels/FC7", timeout=PATIENCE).status_code == 404


def test_another_site_cannot_switch_anything(carrier: Carrier) -> None:
    answer = requests.post(
        f"{carrier.address}/_control/reset", headers={"Origin": "http://evil.example"},
        timeout=PATIENCE,
    )  # fmt: skip
    assert answer.status_code == 403


def test_a_killed_server_goes_on_where_it_was(tmp_path: Path) -> None:
    with Server.start(tmp_path / "carrier.sqlite3", "--collect-after", "0") as server:
        carrier = Carrier(server.address)
        booked = carrier.book()
        carrier.act("release")
        server.kill()
    with Server.start(tmp_path / "carrier.sqlite3") as server:
        carrier = Carrier(server.address)
        assert carrier.book()[1]["reference"] == booked[1]["reference"]
        wait_until(lambda: carrier.control.live()[0]["status"] != "released")
        assert len(carrier.control.ledger()["bookings"]) == 1
