"""Push: a POST of JSON to the customer's own address, signed, under a key that never changes."""

import http.client
import socket
import ssl
import time
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from apps.messaging.signatures import HEADER, sign
from apps.notifications.letters import Letter, Outcome, cut_off_after
from apps.notifications.models import DispatchStatus
from apps.notifications.outward import NotLookedUp, NotOutward, Place, place_of

TIMEOUT_SECONDS = 5  # to connect, and for each read
SECONDS_IN_ALL = 15.0  # when the name is looked up
NOT_NOW = {408, 425, 429, 503}  # the answers of who has done nothing, and will take it later


class Post(NamedTuple):
    """What is posted, and where to."""

    url: str
    key: str
    body: bytes


class Pinned(http.client.HTTPConnection):
    """A connection to the very address that was looked at, whatever the name stands for now."""

    sock: Any = None

    def __init__(self, place: Place) -> None:
        super().__init__(place.host, place.port, timeout=TIMEOUT_SECONDS)
        self.place = place
        self.default_port = 443 if place.tls else 80  # which the header Host leaves out

    def connect(self) -> None:
        """See HTTPConnection."""
        place = self.place
        self.sock = socket.create_connection((place.address, place.port), TIMEOUT_SECONDS)
        if place.tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=place.host)


def post_of(letter: Letter) -> Post:
    """The same for every copy of a message, but for the signature."""
    told = {
        "id": letter.key,
        "kind": letter.kind,
        "order_id": letter.order_id,
        "order_number": letter.number,
        "subject": letter.subject,
        "text": letter.body,
        "facts": letter.facts,
        "written_at": letter.written_at,
    }
    return Post(letter.address, letter.key, msgspec.json.encode(told))


def send_push(post: Post) -> Outcome:
    """Post it, once. A redirect is followed nowhere: it could lead into our own network."""
    if not settings.NOTIFY_WEBHOOK_SECRET:
        return Outcome(DispatchStatus.QUEUED, "NOTIFY_WEBHOOK_SECRET is not set")
    try:
        place = place_of(post.url, on_this_machine=settings.DEBUG)
    except NotOutward as refused:
        return Outcome(DispatchStatus.REFUSED, str(refused))
    except NotLookedUp as unknown:
        return Outcome(DispatchStatus.QUEUED, str(unknown))
    connection = Pinned(place)
    with cut_off_after(SECONDS_IN_ALL, lambda: connection.sock):
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            return Outcome(DispatchStatus.QUEUED, type(error).__name__)
        try:
            return answered(asked(connection, post))
        except (OSError, http.client.HTTPException) as error:
            return Outcome(DispatchStatus.UNKNOWN, type(error).__name__)
        finally:
            connection.close()


def asked(connection: Pinned, post: Post) -> int:
    """The status of the answer; of the rest nothing is read."""
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": post.key,
        HEADER: sign(post.body, settings.NOTIFY_WEBHOOK_SECRET, time.time()),
        "User-Agent": "sagaplatform",
    }
    connection.request("POST", connection.place.path, post.body, headers)
    return connection.getresponse().status


def answered(status: int) -> Outcome:
    """Success, a definite no, or not now. A server that failed may have taken it."""
    said = f"HTTP {status}"
    if 200 <= status < 300:
        return Outcome(DispatchStatus.SENT, said)
    if status in NOT_NOW:
        return Outcome(DispatchStatus.QUEUED, said)
    if status >= 500:
        return Outcome(DispatchStatus.UNKNOWN, said)
    return Outcome(DispatchStatus.REFUSED, said)
