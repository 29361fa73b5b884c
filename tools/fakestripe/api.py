"""Stripe's API over HTTP, and what goes wrong with a call of it on the way."""

import asyncio
import logging
from contextlib import suppress

from aiohttp import web

from . import params
from .auth import authenticate, require_version
from .calls import Call
from .cards import refuse_card_data
from .errors import StripeError, conflict, server_error, too_many_requests
from .faults import NO_FAULT, ApiFault, Fault
from .gateway import Gateway, Result
from .idempotency import require_key
from .store import new_id
from .webhooks import Webhooks
from .wire import hang_up, reset, send, send_half

log = logging.getLogger(__name__)

HANG_SECONDS = 3600.0
SLOW_SECONDS = 1.0
ERRORS_BEFORE = {
    ApiFault.ERROR_BEFORE: lambda call: server_error(),
    ApiFault.CONFLICT: lambda call: conflict(call.key),
    ApiFault.RATE_LIMITED: lambda call: too_many_requests(),
}


class Api:
    """The door that the SDK comes through."""

    def __init__(self, gateway: Gateway, webhooks: Webhooks) -> None:
        self.gateway = gateway
        self.webhooks = webhooks
        self.released = asyncio.Event()

    def release(self) -> None:
        """Let go all calls that hang or are slow."""
        self.released.set()
        self.released = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or fail it as the switched faults say."""
        request_id = new_id("req")
        try:
            call = await self._read(request, request_id)
        except StripeError as error:
            return await self._send_error(request, request_id, error)
        fault = self.gateway.faults.take("api", call.route.operation) or NO_FAULT
        self.gateway.journal.begin(call, fault)
        try:
            return await self._answer(request, call, fault)
        except StripeError as error:
            return await self._refuse(request, call, error)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return await self._refuse(request, call, server_error())

    async def _read(self, request: web.Request, request_id: str) -> Call:
        """The request, if it is one of the API's. Raises StripeError."""
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
        epoch = self.gateway.epoch
        return Call(request_id, route, subject, request.path, given, account, key, epoch)

    # --- answering, and failing to

    async def _answer(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse:
        if fault.kind == ApiFault.REFUSED:
            return reset(request)
        if fault.kind == ApiFault.HANG_BEFORE:
            await self._wait(fault.lasts(HANG_SECONDS))
            return hang_up(request)
        if failing := ERRORS_BEFORE.get(ApiFault(fault.kind)):
            raise failing(call)
        result = await self._execute(call, fault)
        try:
            return await self._deliver(request, call, result, fault)
        finally:
            self.webhooks.wake()

    async def _execute(self, call: Call, fault: Fault) -> Result:
        """Carry the call out; meanwhile its key is in use."""
        with self.gateway.keys.in_use(call.asked):
            if fault.kind == ApiFault.SLOW:
                await self._wait(fault.lasts(SLOW_SECONDS))
            result = self.gateway.execute(call, fails_after=fault.kind == ApiFault.ERROR_AFTER)
        self.gateway.journal.end(call, result.answer.status, replayed=result.original is not None)
        await self.webhooks.deliver_early()
        return result

    async def _deliver(
        self, request: web.Request, call: Call, result: Result, fault: Fault
    ) -> web.StreamResponse:
        """Send the answer, or what the fault leaves of it."""
        if fault.kind == ApiFault.ANSWER_LOST:
            return hang_up(request)
        if fault.kind == ApiFault.ANSWER_CUT:
            return await send_half(request, result.answer)
        if fault.kind == ApiFault.HANG_AFTER:
            self.webhooks.wake()
            await self._wait(fault.lasts(HANG_SECONDS))
        return await send(request, result.answer, headers_of(call, result))

    async def _wait(self, seconds: float) -> None:
        """Say nothing for so long, or until all calls are let go."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.released.wait(), seconds)

    async def _refuse(
        self, request: web.Request, call: Call, error: StripeError
    ) -> web.StreamResponse:
        self.gateway.journal.end(call, error.status, replayed=False)
        return await self._send_error(request, call.request_id, error)

    async def _send_error(
        self, request: web.Request, request_id: str, error: StripeError
    ) -> web.StreamResponse:
        answer = error.answer(self.gateway.log_url(request_id))
        return await send(request, answer, {"Request-Id": request_id})


def headers_of(call: Call, result: Result) -> dict[str, str]:
    """What Stripe says beside the answer: whose it is, and whether it is repeated."""
    headers = {"Request-Id": call.request_id}
    if call.key is not None:
        headers["Idempotency-Key"] = call.key
    if result.original is not None:
        headers.update({"Idempotent-Replayed": "true", "Original-Request": result.original})
    return headers
