"""Pages for people: what has happened, which faults are on, and the bank's question."""

from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from .control import FaultRule, Wrong, add_rule
from .faults import ANY, ApiFault, Operation, WebhookFault
from .gateway import Gateway
from .ledger import Ledger
from .store import Json, Record
from .webhooks import Webhooks

SHOWN = 50
# Nothing is loaded from elsewhere, and nothing inline runs.
SAFETY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """The pages, rendered here and escaped by the template engine."""

    def __init__(self, gateway: Gateway, webhooks: Webhooks) -> None:
        self.gateway = gateway
        self.webhooks = webhooks
        self.templates = Environment(
            loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined
        )
        self.templates.filters["time"] = as_time

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/", self.overview)
        app.router.add_get("/style.css", self.style)
        app.router.add_post("/faults", self.switch)
        app.router.add_get("/authenticate/{challenge}", self.ask)
        app.router.add_post("/authenticate/{challenge}", self.answer)

    # --- what has happened

    async def overview(self, request: web.Request) -> web.Response:
        """Payments, refunds, events, webhooks, calls and faults, the newest first."""
        return self._overview()

    async def switch(self, request: web.Request) -> web.Response:
        """Switch a fault on, or all of them off."""
        form = {name: str(value) for name, value in (await request.post()).items() if value}
        if form.pop("clear", None):
            self.gateway.faults.clear()
            raise web.HTTPSeeOther("/")
        try:
            add_rule(self.gateway, msgspec.convert(form, FaultRule, strict=False))
        except (Wrong, msgspec.ValidationError) as error:
            return self._overview(error=str(error))
        raise web.HTTPSeeOther("/")

    async def style(self, request: web.Request) -> web.Response:
        return web.Response(
            text=self.templates.get_template("style.css").render(), content_type="text/css"
        )

    # --- the bank's question

    async def ask(self, request: web.Request) -> web.Response:
        """Ask the customer whether the payment is theirs."""
        return self._render("authenticate.html", intent=self._asked(request).body)

    async def answer(self, request: web.Request) -> web.Response:
        """Tell the bank, and send the customer back to the shop."""
        intent = self._asked(request)
        approved = (await request.post()).get("answer") == "approve"
        with self.gateway.store.transaction():
            intent = self.gateway.operations.intents.authenticate(
                request.match_info["challenge"], approved=approved
            )
        self.webhooks.wake()
        back = intent.private.get("return_url")
        if back is None:
            return self._render("answered.html", intent=intent.body)
        raise web.HTTPSeeOther(way_back(back, intent))

    # --- pieces

    def _asked(self, request: web.Request) -> Record:
        intent = self.gateway.operations.intents.asked(request.match_info["challenge"])
        if intent is None:
            raise web.HTTPNotFound(text="This question was answered, or never asked.")
        return intent

    def _overview(self, error: str = "") -> web.Response:
        store = self.gateway.store
        ledger = Ledger(store).as_json()
        return self._render(
            "overview.html",
            status=400 if error else 200,
            error=error,
            now=self.gateway.clock.now(),
            webhook=store.setting("webhook_url", None),
            payments=ledger["payments"][::-1][:SHOWN],
            double_charges=ledger["double_charges"],
            refunds=[each.body for each in store.select("refund", limit=SHOWN)],
            deliveries=self._newest("deliveries"),
            events=[each.body for each in store.select("event", limit=SHOWN)],
            calls=self._newest("calls"),
            faults=[dict(row) for row in self.gateway.faults.all()],
            operations=[ANY, *Operation],
            api_faults=list(ApiFault)[1:],
            webhook_faults=list(WebhookFault)[1:],
        )

    def _newest(self, table: str) -> list[Json]:
        rows = self.gateway.store.rows(
            f"SELECT * FROM {table} ORDER BY number DESC LIMIT ?",  # noqa: S608 -- our own table
            SHOWN,
        )
        return [dict(row) for row in rows]

    def _render(self, template: str, *, status: int = 200, **shown: object) -> web.Response:
        text = self.templates.get_template(template).render(**shown)
        return web.Response(text=text, content_type="text/html", status=status, headers=SAFETY)


def way_back(url: str, intent: Record) -> str:
    """The shop's URL, with what Stripe adds to it."""
    failed = intent.body["status"] == "requires_payment_method"
    parts = urlsplit(url)
    added = urlencode(
        {
            "payment_intent": intent.id,
            "payment_intent_client_secret": intent.body["client_secret"],
            "redirect_status": "failed" if failed else "succeeded",
        }
    )
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, added]))))


def as_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
