"""The page for people, the API for tests, and the receiver of pushes."""

import hashlib
import hmac
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Meta

from .faults import Fault, FaultRule, Faults
from .store import Json, Store

# Nothing is loaded from elsewhere, and nothing runs.
SAFETY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# A mail is somebody else's text: it is shown without scripts, forms, links that lead anywhere.
OF_A_MAIL = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
OURS = ("127.0.0.1", "localhost")
PATIENCE = aiohttp.ClientTimeout(total=10)


class Shop(NamedTuple):
    """Who is told of bounces."""

    webhook: str
    secret: str


class Bounce(msgspec.Struct, forbid_unknown_fields=True):
    """A mail that shall come back."""

    message_id: Annotated[str, Meta(min_length=3)]
    kind: Literal["bounced", "complained"] = "bounced"
    reason: str = "550 5.1.1 no such mailbox"


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A browser may be on any page: what such a page sends here, or asks by a name that it made to
    mean this machine, is nobody's wish."""
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    if foreign or (request.url.host or "") not in OURS:
        raise web.HTTPForbidden(text="This was sent from another site.")
    return await handler(request)


class Pages:
    """All that is answered over HTTP."""

    def __init__(self, store: Store, faults: Faults, shop: Shop | None) -> None:
        self.store, self.faults, self.shop = store, faults, shop
        self.templates = Environment(
            loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined
        )

    def application(self) -> web.Application:
        """Everything that this server answers to."""
        app = web.Application(middlewares=[refuse_other_sites], client_max_size=1_000_000)
        app.add_routes(
            [
                web.get("/", self.overview),
                web.get("/style.css", self.style),
                web.get("/mails/{id:[0-9]+}", self.mail),
                web.get("/mails/{id:[0-9]+}/html", self.html),
                web.post("/push", self.push),
                web.get("/api/mails", self.list_mails),
                web.get("/api/pushes", self.list_pushes),
                web.delete("/api/all", self.clear),
                web.get("/api/faults", self.list_faults),
                web.post("/api/faults", self.add_fault),
                web.post("/api/bounces", self.bounce),
            ]
        )
        return app

    # --- for people

    async def overview(self, request: web.Request) -> web.Response:
        """Mails and pushes, the newest first."""
        return self._page(
            "overview.html", mails=self.store.mails()[::-1], pushes=self.store.pushes()[::-1],
            faults=self.faults.rules,
        )  # fmt: skip

    async def mail(self, request: web.Request) -> web.Response:
        """One mail: its HTML in a frame of its own, its text, its headers."""
        return self._page("mail.html", mail=self._asked(request))

    async def html(self, request: web.Request) -> web.Response:
        """What stands in that frame."""
        text = self._asked(request)["html"]
        return web.Response(text=text, content_type="text/html", headers=OF_A_MAIL)

    async def style(self, request: web.Request) -> web.Response:
        path = Path(__file__).parent / "templates" / "style.css"
        return web.Response(text=path.read_text(), content_type="text/css")

    # --- for shops

    async def push(self, request: web.Request) -> web.Response:
        """Keep a push, or not."""
        kinds = (Fault.PUSH_REFUSE, Fault.PUSH_LATER, Fault.PUSH_FAIL, Fault.PUSH_DROP)
        fault = self.faults.take(*kinds)
        body = await request.text()
        if fault and fault.kind is Fault.PUSH_REFUSE:
            raise web.HTTPGone
        if fault and fault.kind is Fault.PUSH_LATER:
            raise web.HTTPServiceUnavailable
        self.store.keep_push(dict(request.headers), body)
        if fault and fault.kind is Fault.PUSH_FAIL:
            raise web.HTTPInternalServerError
        if fault and request.transport:
            request.transport.abort()
        return web.json_response({"status": "kept"})

    # --- for tests

    async def list_mails(self, request: web.Request) -> web.Response:
        return web.json_response({"mails": self.store.mails()})

    async def list_pushes(self, request: web.Request) -> web.Response:
        return web.json_response({"pushes": self.store.pushes()})

    async def clear(self, request: web.Request) -> web.Response:
        """Forget mails, pushes and faults."""
        self.store.clear()
        self.faults.rules.clear()
        return web.json_response({})

    async def list_faults(self, request: web.Request) -> web.Response:
        return web.json_response({"faults": msgspec.to_builtins(self.faults.rules)})

    async def add_fault(self, request: web.Request) -> web.Response:
        """Switch a fault on."""
        self.faults.rules.append(await read(request, FaultRule))
        return await self.list_faults(request)

    async def bounce(self, request: web.Request) -> web.Response:
        """Let a mail come back: tell the shop, and what it answered."""
        bounce = await read(request, Bounce)
        if self.shop is None:
            raise wrong("Start with --webhook and --webhook-secret, so that somebody can be told.")
        at = int(time.time())
        told = {**msgspec.structs.asdict(bounce), "at": datetime.fromtimestamp(at, UTC)}
        body = msgspec.json.encode(told)
        headers = {
            "Content-Type": "application/json",
            "Webhook-Signature": signature(body, self.shop.secret, at),
        }
        async with aiohttp.ClientSession(timeout=PATIENCE) as session:
            try:
                async with session.post(self.shop.webhook, data=body, headers=headers) as answer:
                    told = {"status": answer.status, "body": await answer.text()}
            except (aiohttp.ClientError, TimeoutError) as error:
                told = {"status": 0, "body": f"{type(error).__name__}: {error}"}
        return web.json_response(told)

    # --- pieces

    def _asked(self, request: web.Request) -> Json:
        found = self.store.mail(int(request.match_info["id"]))
        if found is None:
            raise web.HTTPNotFound
        return found

    def _page(self, name: str, **told: Any) -> web.Response:
        text = self.templates.get_template(name).render(**told)
        return web.Response(text=text, content_type="text/html", headers=SAFETY)


def signature(body: bytes, secret: str, at: int) -> str:
    """As the shop wants it: `t=<seconds>,v1=<HMAC-SHA256 of time, dot and body>`."""
    signed = f"{at}.".encode() + body
    return f"t={at},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


Given = TypeVar("Given")


async def read(request: web.Request, wanted: type[Given]) -> Given:
    """The body as it should be, or 400 with what is wrong."""
    try:
        return msgspec.json.decode(await request.read(), type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise wrong(str(error)) from error


def wrong(why: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(
        text=msgspec.json.encode({"error": why}).decode(), content_type="application/json"
    )
