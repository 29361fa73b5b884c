"""The carrier itself: what it takes, what becomes of a parcel, what a client reference promises.

Nothing here waits or knows of HTTP; one thread runs it, so that requests never meet half-way.
"""

import hashlib
import json
from enum import StrEnum
from sqlite3 import Row
from typing import Annotated, Any

import msgspec

from tools.fakestripe.clock import Clock
from tools.fakestripe.store import Json, Store

TABLES = """
CREATE TABLE IF NOT EXISTS bookings (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  client_reference TEXT NOT NULL,
  stage TEXT NOT NULL,
  revision INTEGER NOT NULL DEFAULT 1,
  pieces INTEGER NOT NULL CHECK (pieces > 0),
  address TEXT NOT NULL,
  changed REAL NOT NULL,
  next_at REAL  -- when it moves on by itself
) STRICT;
CREATE INDEX IF NOT EXISTS bookings_by_client ON bookings (client_reference);
CREATE INDEX IF NOT EXISTS bookings_by_time ON bookings (next_at);
-- What was answered under a client reference, for a day.
CREATE TABLE IF NOT EXISTS keys (
  client_reference TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  status INTEGER NOT NULL,
  body TEXT NOT NULL,
  created REAL NOT NULL
) STRICT;
-- Client references under which nothing is booked any more, for ever.
CREATE TABLE IF NOT EXISTS closed (client_reference TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  type TEXT NOT NULL,
  booking INTEGER NOT NULL,
  created REAL NOT NULL,
  -- due: to be sent; sent; withheld: never; given_up
  status TEXT NOT NULL CHECK (status IN ('due', 'sent', 'withheld', 'given_up')),
  due REAL NOT NULL,
  copies INTEGER NOT NULL DEFAULT 1,
  attempts INTEGER NOT NULL DEFAULT 0,
  answer TEXT NOT NULL DEFAULT '',
  fault TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_due ON events (status, due);
"""
KEPT_SECONDS = 24 * 60 * 60
PAGE = 100
PARCEL_PIECES = 20
# What can be set, and what holds where it is not.
DEFAULTS: Json = {
    "collect_seconds": 5.0,  # from the release until the parcel is fetched
    "transit_seconds": 5.0,  # from there until it is in transit, and again until the end
    "ends": "delivered",  # or returned, or lost
    "countries": ["AT", "BE", "CH", "DE", "DK", "ES", "FR", "GB", "IE", "IT", "NL", "PL", "US"],
    "most_pieces": 200,
}


class Stage(StrEnum):
    """Where a parcel is."""

    BOOKED = "booked"
    RELEASED = "released"
    COLLECTED = "collected"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    RETURNED = "returned"
    LOST = "lost"
    CANCELLED = "cancelled"


STILL_THERE = (Stage.BOOKED, Stage.RELEASED)  # at the shop's
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a parcel goes."""

    name: Text
    street: Text
    postal_code: Text
    city: Text
    country: Text


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be booked."""

    client_reference: Text
    address: Address
    pieces: Annotated[int, msgspec.Meta(ge=1)]


class Refused(Exception):
    """The carrier says no: a status, a code for programs and a sentence for people."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": message, **more}

    @property
    def body(self) -> Json:
        return {"error": self.error}


class Depot:
    """Every booking, kept in one file."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = Clock(store)
        self.address = ""  # where this server is, for the links in its answers
        store.declare(TABLES)

    def setting(self, name: str) -> Any:
        return self.store.setting(name, DEFAULTS[name])

    # --- what can be asked

    def book(self, order: Order) -> tuple[int, Json]:
        """Book; the same client reference has the same answer for a day, refusals too."""
        if self._is_closed(order.client_reference):
            raise Refused(409, "closed", "This client reference is closed")
        self.store.execute("DELETE FROM keys WHERE created < ?", self.clock.now() - KEPT_SECONDS)
        kept = self.store.row("SELECT * FROM keys WHERE client_reference = ?",
                              order.client_reference)  # fmt: skip
        if kept is None:
            return self._keep(order, *self._decide(order))
        if kept["fingerprint"] != _fingerprint(order):
            raise Refused(422, "reference_reused", "This client reference named another order")
        return kept["status"], json.loads(kept["body"])

    def close(self, client_reference: str) -> Json:
        """Book nothing under a client reference any more, and cancel what is booked. Raises Refused
        where the parcel is gone."""
        self.store.execute("INSERT OR IGNORE INTO closed VALUES (?)", client_reference)
        booked = self.find(client_reference=client_reference)
        return {"cancelled": [self.cancel(each["number"])["reference"] for each in booked
                              if each["stage"] != Stage.CANCELLED]}  # fmt: skip

    def cancel(self, number: int) -> Json:
        """Not to be fetched; said again, it stays so."""
        booking = self.get(number)
        if booking["stage"] in STILL_THERE:
            self.move(booking, Stage.CANCELLED)
        elif booking["stage"] != Stage.CANCELLED:
            raise Refused(409, "already_collected", "We have the parcel already")
        return self.shown(self.get(number))

    def release(self, number: int) -> Json:
        """May be fetched; said again, nothing changes."""
        booking = self.get(number)
        if booking["stage"] == Stage.CANCELLED:
            raise Refused(409, "cancelled", "This booking is cancelled")
        if booking["stage"] == Stage.BOOKED:
            self.move(booking, Stage.RELEASED)
        return self.shown(self.get(number))

    def listed(self, query: dict[str, str]) -> Json:
        """Bookings by client reference, by references, or all that have not ended, in pages."""
        if "client_reference" in query:
            return self._page(self.find(client_reference=query["client_reference"]))
        if "reference" in query:
            numbers = [number_of(each) for each in query["reference"].split(",")][:PAGE]
            found = [self.store.row("SELECT * FROM bookings WHERE number = ?", each)
                     for each in numbers]  # fmt: skip
            return self._page([each for each in found if each is not None])
        behind = number_of(query["after"]) if query.get("after") else 0
        rows = self.store.rows(
            "SELECT * FROM bookings WHERE number > ? "
            "AND stage IN ('booked', 'released', 'collected', 'in_transit') "
            "ORDER BY number LIMIT ?",
            behind, PAGE + 1,
        )  # fmt: skip
        return self._page(rows[:PAGE], more=len(rows) > PAGE)

    def get(self, number: int) -> Row:
        """One booking. Raises Refused where there is none."""
        found = self.store.row("SELECT * FROM bookings WHERE number = ?", number)
        if found is None:
            raise Refused(404, "not_found", "There is no such booking")
        return found

    def find(self, *, client_reference: str) -> list[Row]:
        return self.store.rows(
            "SELECT * FROM bookings WHERE client_reference = ? ORDER BY number", client_reference
        )

    # --- what happens by itself

    def fire(self) -> None:
        """Move on what is due, in the order of its times."""
        while row := self.store.row(
            "SELECT * FROM bookings WHERE next_at <= ? ORDER BY next_at, number LIMIT 1",
            self.clock.now(),
        ):
            with self.store.transaction():
                self.move(row, self._following(Stage(row["stage"])))

    def move(self, booking: Row, stage: Stage) -> None:
        """A change of a booking, and the event that tells of it."""
        now = self.clock.now()
        pause = self._pause(stage)
        self.store.execute(
            "UPDATE bookings SET stage = ?, revision = revision + 1, changed = ?, next_at = ? "
            "WHERE number = ?",
            stage, now, None if pause is None else now + pause, booking["number"],
        )  # fmt: skip
        self.happened(booking["number"], stage)

    def happened(self, number: int, stage: Stage) -> None:
        """Keep an event, to be told where somebody wants to hear."""
        heard = self.store.setting("webhook_url", None)
        now = self.clock.now()
        self.store.execute(
            "INSERT INTO events (type, booking, created, status, due) VALUES (?, ?, ?, ?, ?)",
            f"booking.{stage}", number, now, "due" if heard else "withheld", now,
        )  # fmt: skip

    def _following(self, stage: Stage) -> Stage:
        if stage is Stage.RELEASED:
            return Stage.COLLECTED
        return Stage.IN_TRANSIT if stage is Stage.COLLECTED else Stage(self.setting("ends"))

    def _pause(self, stage: Stage) -> float | None:
        if stage is Stage.RELEASED:
            return float(self.setting("collect_seconds"))
        if stage in (Stage.COLLECTED, Stage.IN_TRANSIT):
            return float(self.setting("transit_seconds"))
        return None

    # --- what is shown

    def shown(self, booking: Row) -> Json:
        """A booking as the API shows it. No address: whoever booked knows it."""
        reference = reference_of(booking["number"])
        return {
            "reference": reference,
            "client_reference": booking["client_reference"],
            "status": booking["stage"],
            "revision": booking["revision"],
            "parcels": -(-booking["pieces"] // PARCEL_PIECES),
            "tracking_number": f"TRK{booking['number']:010d}",
            "label_url": f"{self.address}/labels/{reference}",
        }

    def ledger(self) -> Json:
        """All bookings, and the client references that have more than one that is not cancelled."""
        rows = self.store.rows("SELECT * FROM bookings ORDER BY number")
        live = [each["client_reference"] for each in rows if each["stage"] != Stage.CANCELLED]
        return {
            "bookings": [self.shown(each) for each in rows],
            "booked_twice": sorted({each for each in live if live.count(each) > 1}),
        }

    # --- pieces

    def _decide(self, order: Order) -> tuple[int, Json]:
        most = int(self.setting("most_pieces"))
        if order.address.country not in self.setting("countries"):
            return 422, Refused(422, "country_not_served", "We do not deliver there").body
        if order.pieces > most:
            message = f"We take at most {most} pieces"
            return 422, Refused(422, "too_many_pieces", message, most_pieces=most).body
        cursor = self.store.execute(
            "INSERT INTO bookings (client_reference, stage, pieces, address, changed) "
            "VALUES (?, ?, ?, ?, ?)",
            order.client_reference, Stage.BOOKED, order.pieces,
            json.dumps(msgspec.to_builtins(order.address)), self.clock.now(),
        )  # fmt: skip
        number = cursor.lastrowid or 0
        self.happened(number, Stage.BOOKED)
        return 201, self.shown(self.get(number))

    def _keep(self, order: Order, status: int, body: Json) -> tuple[int, Json]:
        self.store.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?)",
            order.client_reference, _fingerprint(order), status, json.dumps(body),
            self.clock.now(),
        )  # fmt: skip
        return status, body

    def _is_closed(self, client_reference: str) -> bool:
        return self.store.row(
            "SELECT 1 FROM closed WHERE client_reference = ?", client_reference
        ) is not None  # fmt: skip

    def _page(self, rows: list[Row], *, more: bool = False) -> Json:
        return {"bookings": [self.shown(each) for each in rows], "more": more}


def reference_of(number: int) -> str:
    return f"FC{number:08d}"


def number_of(reference: str) -> int:
    """The number in a reference; 0, which no booking has, for what is none."""
    digits = reference.removeprefix("FC")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0


def _fingerprint(order: Order) -> str:
    return hashlib.sha256(msgspec.json.encode(order)).hexdigest()
