"""The control API under /_control/: switches, the clock, and what has happened. See README.md."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from aiohttp import web

from .faults import ANY, ApiFault, Operation, WebhookFault
from .gateway import Gateway
from .ledger import Ledger
from .store import Json
from .webhooks import Webhooks

Seconds = Annotated[float, msgspec.Meta(ge=0)]


class FaultRule(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A fault of the API (with `operation`) or of a webhook (with `event`, a type or `any`)."""

    kind: str
    operation: str | None = None
    event: str | None = None
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    percent: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = None
    seed: str | int | None = None
    seconds: Seconds | None = None


class ClockMove(msgspec.Struct, forbid_unknown_fields=True):
    """By how many seconds the clock is put forward."""

    advance: Seconds


class Settings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What can be set; only what is given changes."""

    hold_seconds: Seconds | msgspec.UnsetType = msgspec.UNSET
    refund_seconds: Seconds | msgspec.UnsetType = msgspec.UNSET
    processing_seconds: Seconds | msgspec.UnsetType = msgspec.UNSET
    search_lag_seconds: Seconds | msgspec.UnsetType = msgspec.UNSET
    webhook_url: str | msgspec.UnsetType | None = msgspec.UNSET
    webhook_secret: str | msgspec.UnsetType = msgspec.UNSET


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """What the customer answers the bank."""

    approved: bool


class Disputed(msgspec.Struct, forbid_unknown_fields=True):
    """Why a cardholder's bank wants the money back, in Stripe's words."""

    reason: str = "fraudulent"


class Decided(msgspec.Struct, forbid_unknown_fields=True):
    """Whose the money of a dispute is: the shop's, if it has won."""

    won: bool


class Wrong(Exception):
    """A request to the control API that makes no sense; the message says why."""


Handler = Callable[[web.Request], Awaitable[Json]]


class Control:
    """What a developer or a test does to the server."""

    def __init__(self, gateway: Gateway, webhooks: Webhooks, release: Callable[[], None]) -> None:
        self.gateway = gateway
        self.webhooks = webhooks
        self.let_go = release

    def add_to(self, app: web.Application) -> None:
        doors: list[tuple[str, str, Handler]] = [
            ("GET", "faults", self.faults),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.clear_faults),
            ("POST", "release", self.release),
            ("POST", "clock", self.advance_clock),
            ("POST", "settings", self.change_settings),
            ("POST", "payments/{id}/authenticate", self.authenticate),
            ("GET", "ledger", self.ledger),
            ("GET", "calls", self.calls),
            ("GET", "deliveries", self.deliveries),
            ("POST", "payments/{id}/dispute", self.dispute),
            ("POST", "disputes/{id}/close", self.close_dispute),
            ("POST", "reset", self.reset),
        ]
        for method, path, handler in doors:
            app.router.add_route(method, f"/_control/{path}", as_json(handler))

    # --- switches

    async def faults(self, request: web.Request) -> Json:
        """What is switched on."""
        return {"faults": [dict(row) for row in self.gateway.faults.all()]}

    async def add_fault(self, request: web.Request) -> Json:
        """Switch a fault on."""
        return {"number": add_rule(self.gateway, await read(request, FaultRule))}

    async def clear_faults(self, request: web.Request) -> Json:
        """Switch all faults off; what hangs goes on hanging."""
        self.gateway.faults.clear()
        return {}

    async def release(self, request: web.Request) -> Json:
        """Let go all calls that hang."""
        self.let_go()
        return {}

    async def advance_clock(self, request: web.Request) -> Json:
        """Put the clock forward, and do at once what is due then."""
        move = await read(request, ClockMove)
        self.gateway.clock.advance(move.advance)
        self.gateway.operations.timers.fire()
        self.webhooks.wake()
        return {"now": self.gateway.clock.now()}

    async def change_settings(self, request: web.Request) -> Json:
        """Change what is given, over restarts too."""
        settings = msgspec.to_builtins(await read(request, Settings))
        for name, value in settings.items():
            self.gateway.store.set(name, value)
        return {}

    async def authenticate(self, request: web.Request) -> Json:
        """Answer the bank as the customer would on the page."""
        approval = await read(request, Approval)
        intent = self.gateway.store.find("payment_intent", request.match_info["id"])
        challenge = intent.private.get("challenge") if intent else None
        if challenge is None:
            raise Wrong("The bank asks nobody about this payment")
        with self.gateway.store.transaction():
            asked = self.gateway.operations.intents.authenticate(
                challenge, approved=approval.approved
            )
        self.webhooks.wake()
        return {"status": asked.body["status"]}

    async def dispute(self, request: web.Request) -> Json:
        """Let the cardholder's bank dispute a payment."""
        given, payment = await read(request, Disputed), request.match_info["id"]
        return self._bank(lambda: self.gateway.operations.disputes.open(payment, given.reason))

    async def close_dispute(self, request: web.Request) -> Json:
        """Decide a dispute."""
        given, dispute = await read(request, Decided), request.match_info["id"]
        return self._bank(lambda: self.gateway.operations.disputes.close(dispute, won=given.won))

    def _bank(self, move: Callable[[], Json]) -> Json:
        try:
            with self.gateway.store.transaction():
                body = move()
        except LookupError as error:
            raise Wrong(str(error)) from error
        self.webhooks.wake()
        return {"id": body["id"], "status": body["status"]}

    async def reset(self, request: web.Request) -> Json:
        """Forget everything but where webhooks go; the clock is right again."""
        self.let_go()
        self.gateway.forget()
        return {}

    # --- what has happened

    async def ledger(self, request: web.Request) -> Json:
        """Payments, the sums of each order, and the orders that were charged twice."""
        return Ledger(self.gateway.store).as_json()

    async def calls(self, request: web.Request) -> Json:
        """The calls of the API that came in, in order."""
        return {"calls": [dict(row) for row in self.gateway.journal.all()]}

    async def deliveries(self, request: web.Request) -> Json:
        """The webhooks that went out, or will."""
        rows = self.gateway.store.rows("SELECT * FROM deliveries ORDER BY number")
        return {"deliveries": [dict(row) for row in rows]}


def add_rule(gateway: Gateway, rule: FaultRule) -> int:
    """Switch a fault on; returns its number. Raises Wrong where the rule makes no sense."""
    side, target = where(rule)
    kinds: type[ApiFault] | type[WebhookFault] = ApiFault if side == "api" else WebhookFault
    if rule.kind not in set(kinds):
        raise Wrong(f"kind is one of: {', '.join(kinds)}")
    if rule.times is not None and rule.percent is not None:
        raise Wrong("A fault is for the next calls (times) or for a share of all (percent)")
    seed = None if rule.percent is None else str(rule.seed if rule.seed is not None else 1)
    times = (rule.times or 1) if rule.percent is None else None
    return gateway.faults.add(
        side, target, rule.kind, times=times, percent=rule.percent, seed=seed, seconds=rule.seconds
    )


def where(rule: FaultRule) -> tuple[str, str]:
    """The side that a rule is about, and its operation or event type."""
    if (rule.operation is None) == (rule.event is None):
        raise Wrong("A fault is about an operation of the API or about an event")
    if rule.event is not None:
        return "webhook", rule.event
    if rule.operation not in {ANY, *Operation}:
        raise Wrong(f"operation is one of: any, {', '.join(Operation)}")
    return "api", str(rule.operation)


async def read(request: web.Request, shape: type[Any]) -> Any:
    """The request's JSON in a shape. Raises Wrong."""
    try:
        return msgspec.json.decode(await request.read(), type=shape)
    except msgspec.DecodeError as error:
        raise Wrong(str(error)) from error


def as_json(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answer in JSON, and tell what made no sense."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return web.json_response(await handler(request))
        except Wrong as wrong:
            return web.json_response({"error": str(wrong)}, status=400)

    return answer
