"""The carrier's API over HTTP: what it is asked, and what its answers mean.

A function returns what the carrier says for good. It raises NoDefiniteAnswer, or what `requests`
raises, where the outcome is not known: silence, a lost or senseless answer, an error of the
carrier's own, "come back later".
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
import requests
from django.conf import settings

from apps.contracts.reading import read
from apps.contracts.values import Address
from apps.shipping.errors import CarrierNotConfigured, NoDefiniteAnswer

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 10.0
# Two requests one after the other, at most. There is no repetition here: the row asks again.
LONGEST_CALL_SECONDS = 2 * (CONNECT_SECONDS + ANSWER_SECONDS)
# The carrier keeps a client reference for a day; what is asked again later is looked for first.
KEY_IS_OLD_AFTER = timedelta(hours=20)
MOST_TRACKED = 100  # in one request
LARGEST_BYTES = 1024 * 1024  # of an answer

TOO_MANY_PIECES = "too_many_pieces"
COUNTRY_NOT_SERVED = "country_not_served"
ADDRESS_NOT_SERVED = "address_not_served"
CLOSED = "closed"  # the client reference is: whoever asked does not want it any more
NOT_TAKEN = frozenset({TOO_MANY_PIECES, COUNTRY_NOT_SERVED, ADDRESS_NOT_SERVED, CLOSED})
ALREADY_COLLECTED = "already_collected"
CANCELLED = "cancelled"


class Stage(StrEnum):
    """Where the carrier says that a parcel is."""

    BOOKED = "booked"
    RELEASED = "released"  # booked -> released: the carrier may come for it
    COLLECTED = "collected"  # released -> collected: it has the parcel
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    RETURNED = "returned"  # it comes back to us
    LOST = "lost"
    CANCELLED = "cancelled"  # booked or released -> cancelled

    @property
    def has_left(self) -> bool:
        """Whether the parcel is, or was, with the carrier."""
        return self not in (Stage.BOOKED, Stage.RELEASED, Stage.CANCELLED)

    @property
    def is_last(self) -> bool:
        """Whether nothing more is to be expected."""
        return self in (Stage.DELIVERED, Stage.RETURNED, Stage.LOST, Stage.CANCELLED)


class Booking(msgspec.Struct, frozen=True):
    """A carrier's promise to take an order."""

    reference: str
    parcels: int
    tracking_number: str = ""
    label_url: str = ""


class NotTaken(msgspec.Struct, frozen=True):
    """The carrier will not take an order; nothing is booked."""

    code: str
    most_pieces: int = 0  # where there are too many


class Tracked(msgspec.Struct, frozen=True):
    """How the carrier has a booking now. Each change of it has a higher revision."""

    reference: str
    client_reference: str
    status: Stage
    revision: int
    parcels: int = 1
    tracking_number: str = ""
    label_url: str = ""

    @property
    def booking(self) -> Booking:
        return Booking(self.reference, self.parcels, self.tracking_number, self.label_url)


class Found(msgspec.Struct, frozen=True):
    """A page of bookings."""

    bookings: list[Tracked]
    more: bool = False


class Told(msgspec.Struct, frozen=True):
    """The same, each to be understood on its own."""

    bookings: list[msgspec.Raw]


class Problem(msgspec.Struct, frozen=True):
    """Why the carrier did not do what it was asked. What it says in words is not passed on: it may
    repeat an address."""

    code: str
    most_pieces: int = 0


class Refused(msgspec.Struct, frozen=True):
    """The body of an answer that is none of success."""

    error: Problem


Shape = TypeVar("Shape")


def book(key: str, address: Address, pieces: int, asked_at: datetime) -> Booking | NotTaken:
    """Book under a client reference: the same one is the same booking. One that the carrier may
    have forgotten, for it was first told of long ago, is looked for first."""
    age = datetime.now(UTC) - asked_at
    if age > KEY_IS_OLD_AFTER and (found := booked_as(key)):
        return found.booking
    wanted = {"client_reference": key, "address": msgspec.to_builtins(address), "pieces": pieces}
    answer = _post("bookings", wanted)
    if _did(answer):
        return _read(answer, Tracked).booking
    problem = _problem(answer)
    if problem.code not in NOT_TAKEN:
        raise NoDefiniteAnswer(answer.status, problem.code)
    return NotTaken(problem.code, problem.most_pieces)


def booked_as(key: str) -> Tracked | None:
    """The booking under a client reference, however old it is; None where there is none."""
    found = _read(_get("bookings", {"client_reference": key}), Found).bookings
    return next((each for each in found if each.status != Stage.CANCELLED), None)


def close(key: str) -> None:
    """Nothing is booked under a client reference, nor ever will be: a request that is still on its
    way is refused."""
    answer = _post(f"client-references/{quote(key, safe='')}/close", {})
    if not _did(answer):
        raise NoDefiniteAnswer(answer.status, _problem(answer).code)


def cancel(reference: str) -> bool:
    """Take a booking back; False: the carrier has the parcel already."""
    return _said_yes(_post(f"bookings/{quote(reference, safe='')}/cancel", {}), ALREADY_COLLECTED)


def release(reference: str) -> bool:
    """The parcel is ready, the carrier may come for it; False: the booking is cancelled."""
    return _said_yes(_post(f"bookings/{quote(reference, safe='')}/release", {}), CANCELLED)


def track(references: Sequence[str]) -> list[Tracked]:
    """How the carrier has these bookings now; at most MOST_TRACKED. Left out is what it does not
    know, and what it says of one that we do not understand: the others are not kept waiting."""
    told = _read(_get("bookings", {"reference": ",".join(references)}), Told).bookings
    return [each for each in map(_understood, told) if each]


def live_bookings(after: str = "") -> Found:
    """A page of the bookings that have not ended, behind that one in the carrier's order."""
    return _read(_get("bookings", {"live": "1", "after": after}), Found)


# --- one request


class Answer(NamedTuple):
    """What came back: a status and the whole body."""

    status: int
    body: bytes


def _post(path: str, body: dict[str, Any]) -> Answer:
    return _ask("POST", path, json=body)


def _get(path: str, query: dict[str, str]) -> Answer:
    answer = _ask("GET", path, params=query)
    if not _did(answer):
        raise NoDefiniteAnswer(answer.status, _problem(answer).code)
    return answer


def _ask(method: str, path: str, **more: Any) -> Answer:
    if not settings.CARRIER_URL:
        raise CarrierNotConfigured
    until = time.monotonic() + CONNECT_SECONDS + ANSWER_SECONDS
    with requests.request(
        method,
        f"{settings.CARRIER_URL.rstrip('/')}/{path}",
        auth=_with_key,  # as a header it would give way to a .netrc
        timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
        allow_redirects=False,  # the key is for this host alone
        stream=True,
        **more,
    ) as answer:
        return Answer(answer.status_code, b"".join(_body(answer, until)))


def _with_key(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.headers["Authorization"] = f"Bearer {settings.CARRIER_API_KEY}"
    return request


def _body(answer: requests.Response, until: float) -> Iterator[bytes]:
    """The body, while it is neither too large nor too slow: the timeout is for each read."""
    size = 0
    for piece in answer.iter_content(64 * 1024):
        yield piece
        size += len(piece)
        if size > LARGEST_BYTES or time.monotonic() > until:
            raise NoDefiniteAnswer(answer.status_code, "endless")


def _did(answer: Answer) -> bool:
    """Whether the carrier did what it was asked."""
    return answer.status in (200, 201)


def _understood(told: msgspec.Raw) -> Tracked | None:
    try:
        return read(told, Tracked)
    except msgspec.DecodeError:
        return None


def _said_yes(answer: Answer, no: str) -> bool:
    """Whether it was done; False for that one code. Raises NoDefiniteAnswer for every other."""
    if _did(answer):
        return True
    problem = _problem(answer)
    if problem.code != no:
        raise NoDefiniteAnswer(answer.status, problem.code)
    return False


def _problem(answer: Answer) -> Problem:
    """Why not. Raises NoDefiniteAnswer where the answer does not say so."""
    if answer.status not in (409, 422):  # all others are no decision of the carrier's
        raise NoDefiniteAnswer(answer.status)
    return _read(answer, Refused).error


def _read(answer: Answer, shape: type[Shape]) -> Shape:
    try:
        return read(answer.body, shape)
    except msgspec.DecodeError as error:
        raise NoDefiniteAnswer(answer.status, "senseless") from error
