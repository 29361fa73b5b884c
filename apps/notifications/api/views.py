"""Doors: parse, call one service or selector, answer."""

import time
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.contracts.reading import read
from apps.messaging.signatures import HEADER, is_signed
from apps.notifications.api.bodies import read_contact
from apps.notifications.mail import ENHANCED
from apps.notifications.metrics import count_bounce
from apps.notifications.models import MessageKind, named_by
from apps.notifications.selectors import contact_of
from apps.notifications.services import Bounced, record_bounce, set_contact

LARGEST_BODY = 64 * 1024

log = structlog.get_logger()


class ContactView(APIView):
    """`GET`, `PUT`: where one wishes to be told. Every customer has one's own, and no other's."""

    def get(self, request: Request) -> Response:
        return Response(_answer(_customer(request)))

    def put(self, request: Request) -> Response:
        body = read_contact(request.data)
        customer_id = _customer(request)
        set_contact(customer_id=customer_id, email=body.email, push_url=body.push_url)
        return Response(_answer(customer_id))


def _customer(request: Request) -> int:
    assert request.user.pk is not None, "an anonymous request does not get here"
    return request.user.pk


def _answer(customer_id: int) -> dict[str, Any]:
    contact = contact_of(customer_id)
    return {
        "email": contact.email or None if contact else None,
        "push_url": contact.push_url or None if contact else None,
        "email_undeliverable_since": contact.undeliverable_since if contact else None,
    }


# --- what the mail provider tells


class BounceBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /webhooks/mail`. What else it has is passed over."""

    message_id: str
    kind: Literal["bounced", "complained"]
    at: datetime
    reason: str = ""


@csrf_exempt  # signed
@require_POST
def mail_webhook(request: HttpRequest) -> HttpResponse:
    """A mail came back, or was called spam. Told twice, it is recorded once."""
    if not settings.MAIL_WEBHOOK_SECRET:
        return _told("no provider tells us of mails: MAIL_WEBHOOK_SECRET is not set", 404)
    body = request.read(LARGEST_BODY + 1)
    if len(body) > LARGEST_BODY:
        return _told(f"the body is larger than {LARGEST_BODY} bytes", 413)
    signature = request.headers.get(HEADER, "")
    if not is_signed(body, signature, settings.MAIL_WEBHOOK_SECRET, time.time()):
        return _told(f"the header {HEADER} is not the signature of this body, or too old", 401)
    try:
        bounce = read(body, BounceBody)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _told(f"the body is not as it should be: {error}", 400)
    return JsonResponse({"status": _recorded(bounce)})


def _told(error: str, status: int) -> JsonResponse:
    return JsonResponse({"error": error}, status=status)


def _recorded(bounce: BounceBody) -> Bounced:
    """What became of it. Of the provider's reason only the code is kept: its words may hold the
    address."""
    name, kind = _message_of(bounce.message_id)
    found = ENHANCED.search(bounce.reason)
    code = found[0] if found else ""
    outcome = Bounced.UNKNOWN_MESSAGE
    if name:
        outcome = record_bounce(
            name=name,
            kind=kind,
            code=f"{bounce.kind} {code}".strip(),
            for_good=bounce.kind == "complained" or not code.startswith("4"),
        )
    count_bounce(outcome.value)
    if outcome is Bounced.UNKNOWN_MESSAGE:  # another deployment's, perhaps
        log.warning("bounce_of_unknown_message", kind=bounce.kind, code=code)
    else:
        whose = {named_by(kind): str(name)}
        log.info("bounced", **whose, kind=kind, code=code, found=outcome.value)
    return outcome


def _message_of(message_id: str) -> tuple[UUID | None, str]:
    """The id and kind that a Message-ID was made of; no id where it is none of ours."""
    kind, _, name = message_id.strip("<> ").partition("@")[0].partition(".")
    if kind not in MessageKind.values:
        return None, kind
    try:
        return UUID(name), kind
    except ValueError:
        return None, kind
