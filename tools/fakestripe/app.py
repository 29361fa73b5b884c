"""The whole server: its doors, and what it does in the background."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from .api import Api
from .control import Control
from .gateway import Gateway
from .page import Pages
from .webhooks import TICK, Webhooks


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
