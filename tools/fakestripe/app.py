"""The doors: Stripe's API over HTTP, with what goes wrong on the way; and the whole server."""

import asyncio
import base64
import binascii
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from . import params
from .cards import refuse_card_data
from .control import Control
from .errors import (
    Answer,
    StripeError,
    key_in_use,
    refused,
    server_error,
    too_many_requests,
    unauthorized,
)
from .faults import ApiFault, Fault
from .gateway import Call, Gateway, Result
from .idempotency import require_key
from .objects import CURRENT_VERSION
from .page import Pages
from .store import Json, new_id
from .webhooks import TICK, Webhooks

log = logging.getLogger(__name__)

TEST_KEYS = ("sk_test_", "rk_test_")
LIVE_KEYS = ("sk_live_", "rk_live_")
HANG_SECONDS = 3600.0
SLOW_SECONDS = 1.0
ERRORS_BEFORE = {
    ApiFault.ERROR_BEFORE: lambda call: server_error(),
    ApiFault.CONFLICT: lambda call: key_in_use(call.key),
    ApiFault.RATE_LIMITED: lambda call: too_many_requests(),
}


class Api:
    """Stripe's API as a handler of aiohttp."""

    def __init__(self, gateway: Gateway, webhooks: Webhooks) -> None:
        self.gateway = gateway
        self.webhooks = webhooks
        self.released = asyncio.Event()

    def release(self) -> None:
        """Let go all calls that hang."""
        self.released.set()
        self.released = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of the API, or fail it as the switched faults say."""
        request_id = new_id("req")
        try:
            call = await self._read(request, request_id)
            fault = self.gateway.faults.take("api", call.route.operation)
            self._begin(request, call, fault)
            try:
                return await self._answer(request, call, fault)
            except StripeError as error:
                self.gateway.journal.end(request_id, error.status, replayed=False)
                raise
        except StripeError as error:
            return await self._send_error(request, request_id, error)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return await self._send_error(request, request_id, server_error())

    # --- reading

    async def _read(self, request: web.Request, request_id: str) -> Call:
        account = authenticate(request)
        require_version(request)
        posted = request.method == "POST"
        form = (await request.read()).decode("utf-8", "replace") if posted else request.query_string
        key = request.headers.get("Idempotency-Key") if posted else None
        given = params.decode(form)
        refuse_card_data([*request.path.split("/"), key or ""], given)
        if key is not None:
            require_key(key)
        route, subject = self.gateway.operations.find(request.method, request.path)
        return Call(
            request_id, route, subject, request.path, given, account, key, self.gateway.epoch
        )

    def _begin(self, request: web.Request, call: Call, fault: Fault | None) -> None:
        self.gateway.journal.begin(
            call.request_id,
            call.route.operation,
            request.method,
            call.path,
            call.key,
            fault.kind if fault else None,
        )

    # --- answering, and failing to

    async def _answer(
        self, request: web.Request, call: Call, fault: Fault | None
    ) -> web.StreamResponse:
        kind = ApiFault(fault.kind) if fault else ApiFault.NONE
        seconds = fault.seconds if fault else None
        if kind is ApiFault.REFUSED:
            return reset(request)
        if kind is ApiFault.HANG_BEFORE:
            await self._hang(seconds)
            return hang_up(request)
        if failing := ERRORS_BEFORE.get(kind):
            raise failing(call)
        result = await self._execute(call, kind, seconds)
        return await self._deliver(request, call, result, kind, seconds)

    async def _execute(self, call: Call, kind: ApiFault, seconds: float | None) -> Result:
        """Carry the call out; meanwhile its key is in use."""
        with self.gateway.keys.in_use(call.asked):
            if kind is ApiFault.SLOW:
                await self._hang(SLOW_SECONDS if seconds is None else seconds)
            result = self.gateway.execute(call, fails_after=kind is ApiFault.ERROR_AFTER)
        self.gateway.journal.end(
            call.request_id, result.answer.status, replayed=result.original is not None
        )
        await self.webhooks.deliver_early()
        return result

    async def _deliver(
        self,
        request: web.Request,
        call: Call,
        result: Result,
        kind: ApiFault,
        seconds: float | None,
    ) -> web.StreamResponse:
        """Send the answer, or what is left of it; then the webhooks may go."""
        try:
            if kind is ApiFault.ANSWER_LOST:
                return hang_up(request)
            if kind is ApiFault.ANSWER_CUT:
                return await send_half(request, result.answer)
            if kind is ApiFault.HANG_AFTER:
                self.webhooks.wake()
                await self._hang(seconds)
            return await send(request, result.answer, headers_of(call, result))
        finally:
            self.webhooks.wake()

    async def _hang(self, seconds: float | None) -> None:
        """Say nothing for so long, or until all calls are let go."""
        with suppress(TimeoutError):
            await asyncio.wait_for(
                self.released.wait(), HANG_SECONDS if seconds is None else seconds
            )

    async def _send_error(
        self, request: web.Request, request_id: str, error: StripeError
    ) -> web.StreamResponse:
        answer = error.answer(self.gateway.log_url(request_id))
        return await send(request, answer, {"Request-Id": request_id})


# --- who asks


def authenticate(request: web.Request) -> str:
    """Whose request it is: a digest of the secret key. Raises StripeError."""
    key = secret_key(request.headers.get("Authorization", ""))
    if not key:
        raise unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if key.startswith(LIVE_KEYS):
        raise unauthorized(
            "This is fakestripe, which moves no money: it refuses live keys. Use one that begins "
            "with sk_test_, and replace the live key, which has been where it does not belong."
        )
    if not key.startswith(TEST_KEYS) or key in TEST_KEYS:
        raise unauthorized("Invalid API Key provided: it should begin with sk_test_.")
    return hashlib.sha256(key.encode()).hexdigest()


def secret_key(authorization: str) -> str:
    """The key in a header: as a bearer's token, or as the name of a basic login."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        with suppress(binascii.Error, UnicodeDecodeError):
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    return ""


def require_version(request: web.Request) -> None:
    version = request.headers.get("Stripe-Version", CURRENT_VERSION)
    if version != CURRENT_VERSION:
        raise refused(f"fakestripe speaks version {CURRENT_VERSION} of the API, not {version}.")


# --- what goes over the wire


def headers_of(call: Call, result: Result) -> dict[str, str]:
    headers = {"Request-Id": call.request_id}
    if call.key is not None:
        headers["Idempotency-Key"] = call.key
    if result.original is not None:
        headers.update({"Idempotent-Replayed": "true", "Original-Request": result.original})
    return headers


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


# --- the whole server


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A browser may be on any page: what such a page sends here is nobody's wish."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text="This was sent from another site.")
    return await handler(request)


def application(gateway: Gateway) -> web.Application:
    """Everything that this server answers to."""
    webhooks = Webhooks(gateway.store, gateway.clock)
    api = Api(gateway, webhooks)
    app = web.Application(middlewares=[refuse_other_sites])
    Control(gateway, webhooks, api.release).add_to(app)
    Pages(gateway, webhooks).add_to(app)
    app.router.add_route("*", "/v1{rest:(/.*)?}", api.handle)

    async def in_background(app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(webhooks.run()), asyncio.create_task(tick(gateway, webhooks))]
        for task in tasks:
            task.add_done_callback(stop_if_failed)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def let_go(app: web.Application) -> None:
        api.release()

    app.cleanup_ctx.append(in_background)
    app.on_shutdown.append(let_go)
    return app


async def tick(gateway: Gateway, webhooks: Webhooks) -> None:
    """Do what is due by the clock, for as long as the server runs."""
    while True:
        gateway.operations.timers.fire()
        webhooks.wake()
        await asyncio.sleep(TICK)


def stop_if_failed(task: asyncio.Task[None]) -> None:
    """A background task that fails is a mistake of ours: better no server than half of one."""
    if not task.cancelled() and task.exception() is not None:
        raise SystemExit("fakestripe has failed in the background") from task.exception()
