"""Errors of the API as application/problem+json (RFC 9457), whoever raised them."""

import logging
import math
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.defaults import server_error as server_error_page
from rest_framework import exceptions
from rest_framework.response import Response

from apps.messaging.retry import is_passing

CONTENT_TYPE = "application/problem+json"
TYPE = "urn:sagaplatform:problem:"
UNEXPECTED = "Something went wrong on our side. Repeat the request in a moment, with the same key."
# What to do, where REST framework's own words only say what is wrong.
ADVICE: dict[type[Exception], str] = {
    exceptions.NotAuthenticated: "Log in at /api/v1/auth/login, and send what it gives in a header"
    " Authorization: Token ….",
    exceptions.UnsupportedMediaType: "Send the body as JSON, with a header"
    " Content-Type: application/json.",
    exceptions.NotAcceptable: "Answers are application/json; let the header Accept allow it, or"
    " leave it out.",
    exceptions.MethodNotAllowed: "This address does not know that method; the header Allow names"
    " those that it knows.",
    exceptions.ValidationError: "Correct what `errors` names, then send the request again.",
}

log = logging.getLogger(__name__)


def problem_response(error: Exception, context: dict[str, Any]) -> Response:
    """REST framework's EXCEPTION_HANDLER: every exception of a view becomes a problem."""
    known = _as_api_exception(error)
    if isinstance(known, Unavailable):
        log.warning("a server did not answer a request", extra={"error_type": type(error).__name__})
    if known is None:
        log.error("a request failed unexpectedly", exc_info=error)
        known = exceptions.APIException(UNEXPECTED)
    return Response(
        problem(known, context["request"].path),
        status=known.status_code,
        headers=_headers(known),
        content_type=CONTENT_TYPE,
    )


def problem(error: exceptions.APIException, path: str) -> dict[str, Any]:
    """The document. `error` may carry a `title`, and `errors` with one entry per faulty field."""
    faults = getattr(error, "errors", None)
    if isinstance(error, exceptions.ValidationError):
        faults = list(_faults_of(error.detail))
    return {
        "type": TYPE + str(error.default_code),
        "title": getattr(error, "title", HTTPStatus(error.status_code).phrase),
        "status": error.status_code,
        "detail": _detail(error, faults),
        "instance": path,
        **({"errors": faults} if faults else {}),
    }


def _detail(error: exceptions.APIException, faults: list[dict[str, str]] | None) -> str:
    """What to do: our own words where there are any, for all faults together where there are."""
    advice = ADVICE.get(type(error))
    return advice or str(error.default_detail if faults else error.detail)


@csrf_exempt  # a page that is not there has nothing to forge
def no_such_page(request: HttpRequest, rest: str = "") -> HttpResponse:
    """For every path under /api/ that leads nowhere."""
    error = exceptions.NotFound("There is nothing at this address; look at it again.")
    return _plain(error, request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, for what fails outside REST framework's views."""
    if request.path.startswith("/api/"):
        return _plain(exceptions.APIException(UNEXPECTED), request)
    return server_error_page(request)


def _plain(error: exceptions.APIException, request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        problem(error, request.path), status=error.status_code, content_type=CONTENT_TYPE
    )


class BodyTooLarge(exceptions.APIException):
    status_code = 413
    default_code = "body_too_large"
    default_detail = "The body is larger than this API takes. Send less at once."


class Unavailable(exceptions.APIException):
    status_code = 503
    default_code = "unavailable"
    default_detail = (
        "A server that is needed does not answer. Repeat the request in a moment, with the same"
        " key."
    )
    wait = 5  # seconds


def _as_api_exception(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, RequestDataTooBig):
        return BodyTooLarge()
    return Unavailable() if is_passing(error) else None


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return headers


def _faults_of(detail: Any, at: str = "#") -> Any:
    """The leaves of a ValidationError as JSON pointers, in the manner of RFC 9457's example."""
    if isinstance(detail, dict):
        for name, each in detail.items():
            yield from _faults_of(each, at if name == "non_field_errors" else f"{at}/{name}")
    elif isinstance(detail, list):
        for index, each in enumerate(detail):
            yield from _faults_of(each, at if isinstance(each, str) else f"{at}/{index}")
    else:
        yield {"pointer": at, "detail": str(detail)}
