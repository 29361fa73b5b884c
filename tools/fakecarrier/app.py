"""The server's doors: the carrier's API, switches under /_control/, and a page for people."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, PackageLoader, StrictUndefined

from tools.fakestripe.faults import ANY, ApiFault, Fault, Faults
from tools.fakestripe.store import Json, Store
from tools.fakestripe.wire import hang_up, reset

from .depot import DEFAULTS, Depot, Order, Refused, Stage, number_of
from .webhooks import KINDS, Webhooks

log = logging.getLogger(__name__)

OPERATIONS = ("book", "cancel", "release", "close", "track")
HANG_SECONDS, SLOW_SECONDS = 3600.0, 1.0
SHOWN = 50
CALLS = """
CREATE TABLE IF NOT EXISTS calls (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,
  operation TEXT NOT NULL,
  path TEXT NOT NULL,
  fault TEXT,
  status INTEGER  -- what was answered, or would have been; null: nothing was done
) STRICT;
"""
# Nothing is loaded from elsewhere, and nothing inline runs.
SAFETY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
NO_FAULT = Fault(ApiFault.NONE)
BEFORE = {
    ApiFault.ERROR_BEFORE: Refused(500, "error", "Something went wrong"),
    ApiFault.CONFLICT: Refused(409, "busy", "Somebody else is at this booking"),
    ApiFault.RATE_LIMITED: Refused(429, "rate_limited", "Too many requests"),
}
AFTER = Refused(500, "error", "Something went wrong")
Carried = tuple[int, Json]


class FaultRule(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A fault of the API (with `operation`) or of a webhook (with `event`, a type or `any`)."""

    kind: str
    operation: str | None = None
    event: str | None = None
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    percent: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = None
    seed: str | int = 1
    seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None


class Wrong(Exception):
    """A request to the control API that makes no sense; the message says why."""


class Server:
    """The whole of the stand-in."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.depot = Depot(store)
        self.faults = Faults(store)
        self.webhooks = Webhooks(self.depot, self.faults)
        self.released = asyncio.Event()
        self.templates = Environment(
            loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined
        )
        store.declare(CALLS)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[refuse_other_sites])
        app.router.add_post("/bookings", self._api("book", self.book))
        app.router.add_get("/bookings", self._api("track", self.track))
        app.router.add_post("/bookings/{id}/cancel", self._api("cancel", self.cancel))
        app.router.add_post("/bookings/{id}/release", self._api("release", self.release))
        app.router.add_post("/client-references/{id}/close", self._api("close", self.close))
        for method, path, control in (
            ("GET", "faults", self.all_faults),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.clear_faults),
            ("POST", "release", self.let_go),
            ("POST", "clock", self.advance),
            ("POST", "settings", self.change_settings),
            ("POST", "bookings/{id}/move", self.move),
            ("GET", "ledger", self.ledger),
            ("GET", "calls", self.calls),
            ("GET", "events", self.events),
            ("POST", "reset", self.forget),
        ):
            app.router.add_route(method, f"/_control/{path}", as_json(control))
        app.router.add_get("/", self.overview)
        app.router.add_get("/style.css", self.style)
        app.router.add_get("/labels/{id}", self.label)
        app.cleanup_ctx.append(self._in_background)
        app.on_shutdown.append(self._on_shutdown)
        return app

    async def _in_background(self, app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self.webhooks.run())
        task.add_done_callback(stop_if_failed)
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _on_shutdown(self, app: web.Application) -> None:
        self.released.set()

    # --- the carrier's API

    def book(self, request: web.Request, body: bytes) -> Carried:
        try:
            order = msgspec.json.decode(body, type=Order)
        except msgspec.DecodeError as error:
            raise Refused(400, "malformed", str(error)) from error
        return self.depot.book(order)

    def track(self, request: web.Request, body: bytes) -> Carried:
        return 200, self.depot.listed(dict(request.query))

    def cancel(self, request: web.Request, body: bytes) -> Carried:
        return 200, self.depot.cancel(number_of(request.match_info["id"]))

    def release(self, request: web.Request, body: bytes) -> Carried:
        return 200, self.depot.release(number_of(request.match_info["id"]))

    def close(self, request: web.Request, body: bytes) -> Carried:
        return 200, self.depot.close(request.match_info["id"])

    def _api(self, operation: str, carry_out: Callable[[web.Request, bytes], Carried]) -> Handler:
        """A door of the API, with what goes wrong behind it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            if not request.headers.get("Authorization", "").startswith("Bearer test_"):
                return respond(Refused(401, "unauthorized", "Send a key that begins with test_"))
            fault = self.faults.take("api", operation) or NO_FAULT
            number = self._begin(operation, request, fault)
            if fault.kind == ApiFault.REFUSED:
                return reset(request)
            if fault.kind == ApiFault.HANG_BEFORE:
                await self._wait(fault.lasts(HANG_SECONDS))
                return hang_up(request)
            if fault.kind == ApiFault.SLOW:
                await self._wait(fault.lasts(SLOW_SECONDS))
            if failing := BEFORE.get(ApiFault(fault.kind)):
                self._end(number, failing.status)
                return respond(failing)
            response = self._carry_out(lambda: carry_out(request, body))
            self._end(number, response.status)
            return await self._deliver(request, response, fault)

        return answer

    def _carry_out(self, work: Callable[[], Carried]) -> web.Response:
        """Effect and answer in one transaction. What is refused changes nothing."""
        self.depot.fire()
        try:
            with self.store.transaction():
                status, body = work()
        except Refused as refused:
            return respond(refused)
        return web.json_response(body, status=status)

    async def _deliver(
        self, request: web.Request, response: web.Response, fault: Fault
    ) -> web.StreamResponse:
        """Send the answer, or what the fault leaves of it."""
        if fault.kind == ApiFault.ANSWER_LOST:
            return hang_up(request)
        if fault.kind == ApiFault.ERROR_AFTER:
            return respond(AFTER)
        if fault.kind == ApiFault.ANSWER_CUT:
            return await send_half(request, response)
        if fault.kind == ApiFault.HANG_AFTER:
            await self._wait(fault.lasts(HANG_SECONDS))
        return response

    async def _wait(self, seconds: float) -> None:
        """Say nothing for so long, or until all calls are let go."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.released.wait(), seconds)

    def _begin(self, operation: str, request: web.Request, fault: Fault) -> int:
        cursor = self.store.execute(
            "INSERT INTO calls (at, operation, path, fault) VALUES (?, ?, ?, ?)",
            self.depot.clock.now(), operation, request.path,
            None if fault.kind == ApiFault.NONE else fault.kind,
        )  # fmt: skip
        return cursor.lastrowid or 0

    def _end(self, number: int, status: int) -> None:
        self.store.execute("UPDATE calls SET status = ? WHERE number = ?", status, number)

    # --- switches

    async def all_faults(self, request: web.Request) -> Json:
        return {"faults": [dict(row) for row in self.faults.all()]}

    async def add_fault(self, request: web.Request) -> Json:
        """Switch a fault on: for the next calls, or for a share of all."""
        rule = await read(request, FaultRule)
        if (rule.operation is None) == (rule.event is None):
            raise Wrong("A fault is about an operation of the API or about an event")
        if rule.times is not None and rule.percent is not None:
            raise Wrong("A fault is for the next calls (times) or for a share of all (percent)")
        side = "api" if rule.operation else "webhook"
        if rule.operation and rule.operation not in (ANY, *OPERATIONS):
            raise Wrong(f"operation is one of: any, {', '.join(OPERATIONS)}")
        kinds = tuple(ApiFault) if rule.operation else KINDS
        if rule.kind not in kinds:
            raise Wrong(f"kind is one of: {', '.join(kinds)}")
        share = rule.percent is not None
        return {
            "number": self.faults.add(
                side, str(rule.operation or rule.event), rule.kind,
                times=None if share else rule.times or 1, percent=rule.percent,
                seed=str(rule.seed) if share else None, seconds=rule.seconds,
            )
        }  # fmt: skip

    async def clear_faults(self, request: web.Request) -> Json:
        self.faults.clear()
        return {}

    async def let_go(self, request: web.Request) -> Json:
        """Let go all calls that hang or are slow."""
        self.released.set()
        self.released = asyncio.Event()
        return {}

    async def advance(self, request: web.Request) -> Json:
        """Put the clock forward, and do at once what is due then."""
        moved = await read(request, dict[str, float])
        self.depot.clock.advance(moved["advance"])
        self.depot.fire()
        return {"now": self.depot.clock.now()}

    async def change_settings(self, request: web.Request) -> Json:
        """Change what is given, over restarts too."""
        given = await read(request, dict[str, Any])
        if unknown := given.keys() - {*DEFAULTS, "webhook_url", "webhook_secret"}:
            raise Wrong(f"There is no setting {', '.join(sorted(unknown))}")
        for name, value in given.items():
            self.store.set(name, value)
        return {}

    async def move(self, request: web.Request) -> Json:
        """Have something happen to a parcel now."""
        stage = (await read(request, dict[str, Stage]))["stage"]
        with self.store.transaction():
            booking = self.depot.get(number_of(request.match_info["id"]))
            self.depot.move(booking, stage)
        return {}

    async def forget(self, request: web.Request) -> Json:
        """Forget everything but where webhooks go; the clock is right again."""
        await self.let_go(request)
        self.store.empty()
        self.store.execute("DELETE FROM sqlite_sequence")
        return {}

    # --- what has happened

    async def ledger(self, request: web.Request) -> Json:
        return self.depot.ledger()

    async def calls(self, request: web.Request) -> Json:
        return {"calls": [dict(row) for row in self._newest("calls", -1)][::-1]}

    async def events(self, request: web.Request) -> Json:
        return {"events": [dict(row) for row in self._newest("events", -1)][::-1]}

    async def overview(self, request: web.Request) -> web.Response:
        """Bookings, events, calls and faults, the newest first."""
        ledger = self.depot.ledger()
        return self._render(
            "overview.html",
            webhook=self.store.setting("webhook_url", None),
            twice=ledger["booked_twice"],
            bookings=ledger["bookings"][::-1][:SHOWN],
            events=self._newest("events", SHOWN),
            calls=self._newest("calls", SHOWN),
            faults=[dict(row) for row in self.faults.all()],
        )

    async def style(self, request: web.Request) -> web.Response:
        text = self.templates.get_template("style.css").render()
        return web.Response(text=text, content_type="text/css")

    async def label(self, request: web.Request) -> web.Response:
        """What is stuck on a parcel."""
        try:
            booking = self.depot.get(number_of(request.match_info["id"]))
        except Refused as refused:
            raise web.HTTPNotFound(text=str(refused)) from refused
        address = json.loads(booking["address"])
        return self._render("label.html", booking=self.depot.shown(booking), to=address)

    def _newest(self, table: str, limit: int) -> list[Json]:
        rows = self.store.rows(
            f"SELECT * FROM {table} ORDER BY number DESC LIMIT ?",  # noqa: S608 -- our own table
            limit,
        )
        return [dict(row) for row in rows]

    def _render(self, template: str, **shown: object) -> web.Response:
        text = self.templates.get_template(template).render(**shown)
        return web.Response(text=text, content_type="text/html", headers=SAFETY)


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A browser may be on any page: what such a page sends here is nobody's wish."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text="This was sent from another site.")
    return await handler(request)


async def send_half(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Promise the whole answer, send half of it, and hang up."""
    assert isinstance(response.body, bytes)
    half = web.StreamResponse(
        status=response.status, headers={"Content-Length": str(len(response.body))}
    )
    with suppress(ConnectionError):
        await half.prepare(request)
        await half.write(response.body[: len(response.body) // 2])
    hang_up(request)
    return half


def respond(refused: Refused) -> web.Response:
    return web.json_response(refused.body, status=refused.status)


def as_json(work: Callable[[web.Request], Any]) -> Handler:
    """Answer in JSON, and tell what made no sense."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(await work(request))
        except Wrong as wrong:
            return web.json_response({"error": str(wrong)}, status=400)

    return answer


async def read(request: web.Request, shape: Any) -> Any:
    """The request's JSON in a shape. Raises Wrong."""
    try:
        return msgspec.json.decode(await request.read(), type=shape)
    except msgspec.DecodeError as error:
        raise Wrong(str(error)) from error


def stop_if_failed(task: asyncio.Task[None]) -> None:
    """A background task that fails is a mistake of ours: better no server than half of one."""
    if not task.cancelled() and task.exception() is not None:
        raise SystemExit("fakecarrier has failed in the background") from task.exception()
