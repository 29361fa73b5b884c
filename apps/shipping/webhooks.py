"""POST /webhooks/carrier: the carrier tells that something has happened to a parcel.

Who does not know the secret is refused, and so is what is old or large. What is told is not
believed: the parcel becomes due, and `tracking` asks the carrier.
"""

import time
from http import HTTPStatus
from typing import Annotated

import msgspec
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.contracts.reading import read
from apps.messaging.context import context
from apps.messaging.signatures import is_signed

log = structlog.get_logger()

LARGEST_BYTES = 64 * 1024
SIGNATURE = "Carrier-Signature"

# Keep an event's id, unless it is known; and in passing forget those of which no copy will come.
KEEP_ID = """
WITH forgotten AS (
  DELETE FROM shipping_carrierevent WHERE received_at < now() - interval '30 days')
INSERT INTO shipping_carrierevent (id, received_at) VALUES (%b, now()) ON CONFLICT (id) DO NOTHING
"""

# The carrier is asked about this parcel next. What is not followed has no row.
MAKE_DUE = "UPDATE shipping_tracking SET due_at = now() WHERE reference = %b"


# As PostgreSQL takes it: a text with a NUL in it is none.
Id = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00]+\Z")]


class About(msgspec.Struct, frozen=True):
    """The booking that an event is about. What else is said of it is not read."""

    reference: Id


class CarrierTold(msgspec.Struct, frozen=True):
    """An event of the carrier's."""

    id: Id
    type: str
    booking: About


@csrf_exempt  # the signature says who it is
@require_POST
def carrier_webhook(request: HttpRequest) -> HttpResponse:
    """Take an event: 200 whether it is new or not, 400 where it is not the carrier's or too old,
    413 where it is too large, 404 where no secret is set."""
    secret = settings.CARRIER_WEBHOOK_SECRET
    if not secret:
        return _answer(HTTPStatus.NOT_FOUND)
    body = request.read(LARGEST_BYTES + 1)
    if len(body) > LARGEST_BYTES:
        return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if not is_signed(body, request.headers.get(SIGNATURE, ""), secret, time.time()):
        log.warning("carrier_webhook_refused")
        return _answer(HTTPStatus.BAD_REQUEST)
    try:
        event = read(body, CarrierTold)
    except msgspec.DecodeError:
        return _answer(HTTPStatus.BAD_REQUEST)
    is_new = take(event)
    log.info("carrier_told", event_id=event.id, event_type=event.type, is_new=is_new)
    return _answer(HTTPStatus.OK)


def take(event: CarrierTold) -> bool:
    """Make the event's parcel due, once; whether the event is new."""
    database = context("shipping").database
    with database.transaction():
        is_new = bool(database.execute(KEEP_ID, [event.id]))
        if is_new:
            database.execute(MAKE_DUE, [event.booking.reference])
    return is_new


def _answer(status: HTTPStatus) -> HttpResponse:
    return HttpResponse(status=status, content_type="text/plain")
