"""The door for what Stripe tells of itself. It believes a signature and nothing else: of what a
webhook says it keeps which object it names, and a worker asks Stripe for that."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import stripe
import structlog
from django.conf import settings
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.contracts import reading
from apps.messaging.errors import NO_JSON
from apps.payments import stripe_events
from apps.payments.metrics import WEBHOOKS
from apps.payments.stripe_api import as_id

log = structlog.get_logger()

LARGEST = 256 * 1024  # bytes
TOLERANCE_SECONDS = 300  # since it was signed
Id = Annotated[str, msgspec.Meta(pattern=r"^\w{1,200}$")]


class Subject(msgspec.Struct):
    """The object that something happened to: which it is, and whose it says to be."""

    id: Id
    metadata: dict[str, Any] | None = None


class Data(msgspec.Struct):
    object: Subject


class Told(msgspec.Struct):
    """What is read of a webhook's body."""

    id: Id
    object: Literal["event"]
    type: Annotated[str, msgspec.Meta(pattern=r"^[\w.]{1,200}$")]
    created: Annotated[int, msgspec.Meta(ge=0, lt=2**33)]  # seconds since 1970
    data: Data


class Refused(APIException):
    """No webhook, or none of ours. `reason` is for the log and the counter."""

    status_code = 400
    default_code = "webhook_refused"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class TooLarge(Refused):
    status_code = 413
    default_code = "body_too_large"


class NotConfigured(Refused):
    """Stripe tells it again later, for three days."""

    status_code = 503
    default_code = "webhooks_not_configured"


class StripeWebhook(APIView):
    """POST only; nobody logs in, and nobody is asked who they are but by the signature."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []
    http_method_names = ["post"]

    def post(self, request: Request) -> Response:
        try:
            told = read(request)
        except Refused as refusal:
            WEBHOOKS.labels(refusal.reason).inc()
            log.warning("webhook_refused", reason=refusal.reason, detail=str(refusal.detail))
            raise
        saga_id = as_id((told.data.object.metadata or {}).get("saga_id"))
        happened_at = datetime.fromtimestamp(told.created, UTC)
        stripe_events.keep(told.id, told.type, told.data.object.id, saga_id, happened_at)
        WEBHOOKS.labels("accepted").inc()
        return Response()


def read(request: Request) -> Told:
    """What a request tells, if Stripe signed it a short while ago. Raises Refused."""
    if not settings.STRIPE_WEBHOOK_SECRET:
        raise NotConfigured(
            "not_configured", "Set STRIPE_WEBHOOK_SECRET to the secret of this endpoint (whsec_…)."
        )
    body = request.read(LARGEST + 1)  # as it came: the signature is over its bytes
    if len(body) > LARGEST:
        raise TooLarge("too_large", f"A webhook has at most {LARGEST} bytes.")
    header = request.headers.get("Stripe-Signature", "")
    if not header:
        raise Refused("unsigned", "There is no Stripe-Signature.")
    try:
        require_signature(body, header)
        return reading.read(body, Told)
    except NO_JSON:
        raise Refused("malformed", "The body is no event of Stripe.") from None


def require_signature(body: bytes, header: str) -> None:
    """Raises Refused where a signature is not Stripe's, or too old: it may be a recording."""
    if not _is_signed(body, header, None):
        raise Refused("forged", "The signature is not that of this endpoint's secret.")
    if not _is_signed(body, header, TOLERANCE_SECONDS):
        raise Refused("old", f"It was signed more than {TOLERANCE_SECONDS} seconds ago.")


def _is_signed(body: bytes, header: str, tolerance: int | None) -> bool:
    """By the SDK. An Event is not made of it, which would need the API's key here."""
    secret = settings.STRIPE_WEBHOOK_SECRET
    if not header.isascii():  # which the SDK does not compare, but raises TypeError
        return False
    try:
        return stripe.WebhookSignature.verify_header(body, header, secret, tolerance)
    except stripe.SignatureVerificationError:
        return False
