"""Each web request has an id, which its answer carries and its log lines too."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, unbind_contextvars
from uuid_utils.compat import uuid7

HEADER = "X-Request-ID"
FAIR = re.compile(r"[A-Za-z0-9._-]{1,64}")  # an id of the proxy's; anything else is not repeated


class RequestIdMiddleware:
    """Takes the id that the request came with (`X-Request-ID`), or makes one up.

    It stays bound until the request is finished, for Django tells of a 404 behind all middleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        request_id = given if FAIR.fullmatch(given) else str(uuid7())
        bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response[HEADER] = request_id
        return response


def forget_request_id(sender: object, **facts: object) -> None:
    """Receives Django's signal that a request is finished."""
    unbind_contextvars("request_id")
