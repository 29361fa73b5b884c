"""Giving metrics over HTTP: who may have them, and a server for processes that have none.

They tell how the business goes, so they are nobody else's: given to who sends the token of
METRICS_TOKEN; where none is set, to this machine only.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from hmac import compare_digest
from ipaddress import ip_address
from socketserver import ThreadingMixIn
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST

from apps.messaging.scrape import scrape

log = structlog.get_logger()

FORBIDDEN = "403 Forbidden"
NOT_KNOWN = (
    "Metrics are given to who sends the header `Authorization: Bearer` with the token that this"
    " process has in METRICS_TOKEN.\n"
)
NOT_FROM_HERE = (
    "Metrics are given to this machine only, and directly. To scrape from elsewhere, set"
    " METRICS_TOKEN here and send it as `Authorization: Bearer`.\n"
)
# What proxies add: a request that came through one on this machine may be anybody's.
PASSED_ON = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")


class Told(NamedTuple):
    """An answer to a scrape."""

    status: str
    content_type: str
    body: bytes


NOT_HERE = Told("404 Not Found", "text/plain; charset=utf-8", b"Metrics are at /metrics.\n")
SAFE = ("GET", "HEAD")


def answer(environ: Mapping[str, Any]) -> Told:
    """All metrics for who may have them, by the WSGI environment of the request."""
    if refusal := refusal_of(environ):
        return Told(FORBIDDEN, "text/plain; charset=utf-8", refusal.encode())
    return Told("200 OK", CONTENT_TYPE_LATEST, scrape())


def refusal_of(environ: Mapping[str, Any]) -> str:
    """Why a request gets no metrics, and what to do; empty where it does."""
    if token := settings.METRICS_TOKEN:
        given = str(environ.get("HTTP_AUTHORIZATION", ""))
        return "" if has_token(given, token) else NOT_KNOWN
    direct = not any(name in environ for name in PASSED_ON)
    return "" if direct and is_loopback(str(environ.get("REMOTE_ADDR"))) else NOT_FROM_HERE


def has_token(given: str, token: str) -> bool:
    """Whether an Authorization header is `Bearer` with this token, whose bytes are compared: WSGI
    gives each byte of a header as a character, and a token may have others than ASCII's."""
    scheme, _, credentials = given.partition(" ")
    sent = credentials.strip(" ").encode("latin-1", "replace")
    return scheme.lower() == "bearer" and compare_digest(sent, os.fsencode(token))


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own; what is no address is not."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


# --- a server of its own


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds that a client may be silent

    def log_message(self, format: str, *values: Any) -> None:
        """Scrapes are not worth a line each."""


def start_server(port: int) -> WSGIServer:
    """Serve `/metrics` from a daemon thread; on this machine's own address where no token is set.

    Raises OSError where the port is taken.
    """
    host = "" if settings.METRICS_TOKEN else "127.0.0.1"
    server = make_server(host, port, application, server_class=_Server, handler_class=_Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    log.info("metrics_served", port=server.server_port)
    return server


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The server's pages: one, to be got."""
    if (method := environ.get("REQUEST_METHOD")) not in SAFE:
        start_response("405 Method Not Allowed", [("Allow", ", ".join(SAFE))])
        return []
    told = answer(environ) if environ.get("PATH_INFO") == "/metrics" else NOT_HERE
    start_response(told.status, [("Content-Type", told.content_type)])
    return [] if method == "HEAD" else [told.body]
