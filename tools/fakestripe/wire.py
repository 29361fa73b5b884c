"""What goes over the wire: an answer, half of one, or none."""

import json
from contextlib import suppress

from aiohttp import web

from .errors import Answer
from .objects import CURRENT_VERSION
from .store import Json


async def send(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    """Send an answer to its last byte. A caller who is gone does not matter: the effect is kept."""
    response = web.Response(
        body=encode(answer.body),
        status=answer.status,
        content_type="application/json",
        headers={"Stripe-Version": CURRENT_VERSION, **headers},
    )
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write_eof()
    return response


async def send_half(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Promise the whole answer, send half of it, and hang up."""
    body = encode(answer.body)
    response = web.StreamResponse(
        status=answer.status,
        headers={"Content-Type": "application/json", "Content-Length": str(len(body))},
    )
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
    hang_up(request)
    return response


def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection; what has not been sent never is."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def reset(request: web.Request) -> web.StreamResponse:
    """Break the connection at once."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def encode(body: Json) -> bytes:
    return json.dumps(body, indent=2).encode()
