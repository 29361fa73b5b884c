"""The admin's sidebar and tabs, as data: what is where, with which icon, and who sees it."""

from collections.abc import Callable, Sequence, Set
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

from sagaplatform.env import CONTEXTS

Item = dict[str, Any]


def pages(title: str, *items: Item) -> Item:
    """A group of the sidebar."""
    return {"title": title, "separator": True, "items": list(items)}


def page(model: str, title: str, icon: str = "") -> Item:
    """A link to a model's list, for those who may view it. `model` is app.model, in small letters;
    `icon` a name of Material Symbols."""
    return {
        "app": model.split(".", maxsplit=1)[0],
        "model": model,
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model.replace('.', '_')}_changelist"),
        "permission": may_view(model),
    }


def may_view(model: str) -> Callable[[HttpRequest], bool]:
    """Whether somebody may look at a model."""
    app, name = model.split(".")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")


def may_audit(request: HttpRequest) -> bool:
    """Whether somebody may look at what people did, wherever they did it."""
    return all(may_view(f"{context}.operatoraction")(request) for context in CONTEXTS)


def environment(request: HttpRequest) -> list[str]:
    """The badge beside the user's name, so that nobody takes one for the other."""
    return ["Development", "warning"] if settings.DEBUG else ["Production", "danger"]


def times_script(request: HttpRequest) -> str:
    """Shows times in the reader's zone."""
    return static("sagaplatform/times.js")


def focus_script(request: HttpRequest) -> str:
    """Gives the focus to the field that asks for it."""
    return static("sagaplatform/focus.js")


def renewal_script(request: HttpRequest) -> str:
    """Keeps what its reader does on a page that renews itself."""
    return static("sagaplatform/renewal.js")


def theme_style(request: HttpRequest) -> str:
    """Unfold's colours, which its own style sheet refers to."""
    return static("sagaplatform/theme.css")


def desk_style(request: HttpRequest) -> str:
    """What Unfold's style sheet does not have."""
    return static("sagaplatform/desk.css")


def icon(request: HttpRequest) -> str:
    """What a browser shows on its tab."""
    return static("sagaplatform/favicon.svg")


# What belongs to one context, and to apps.ops.
BUSINESS: list[Item] = [
    pages(
        "Orders & sagas",
        page("orders.order", "Orders", "receipt_long"),
        page("orders.return", "Returns", "assignment_return"),
        page("sagas.saga", "Sagas", "account_tree"),
        page("sagas.case", "Desk", "front_hand"),
        page("sagas.approval", "Approvals", "approval"),
        page("ops.conservationcheck", "Conservation", "balance"),
    ),
    pages(
        "Stock",
        page("inventory.stock", "Stock", "inventory_2"),
        page("inventory.reservationlisting", "Reservations", "bookmark"),
        page("inventory.stockmovement", "Movements", "swap_vert"),
        page("inventory.arrival", "Arrivals", "move_to_inbox"),
        page("inventory.intent", "Goods waited for", "hourglass"),
    ),
    pages(
        "Prices",
        page("pricing.listprice", "List prices", "sell"),
        page("pricing.promotion", "Promotions", "percent"),
        page("pricing.pricefreeze", "Frozen prices", "ac_unit"),
    ),
    pages(
        "Payments",
        page("payments.payment", "Payments", "payments"),
        page("payments.cardattempt", "Cards tried", "credit_card"),
        page("payments.account", "Store credit", "account_balance_wallet"),
        page("payments.refund", "Refunds", "currency_exchange"),
        page("payments.intent", "Calls outside", "call_made"),
        page("payments.ledgerentry", "Ledger", "menu_book"),
        page("payments.finding", "Findings outside", "troubleshoot"),
        page("payments.reconciliation", "Reconciliations", "account_balance"),
        page("payments.stripeevent", "Stripe's events", "webhook"),
    ),
    pages(
        "Shipping",
        page("shipping.shipment", "Shipments", "local_shipping"),
        page("shipping.giftwrap", "Gifts", "redeem"),
        page("shipping.tracking", "Tracking", "share_location"),
        page("shipping.intent", "Calls to carriers", "call_made"),
    ),
    pages(
        "Fraud",
        page("fraud.review", "Reviews", "policy"),
        page("fraud.assessment", "Checks", "verified_user"),
        page("fraud.intent", "Questions to people", "contact_support"),
    ),
    pages(
        "Messages",
        page("notifications.customermessage", "To customers", "mail"),
        page("notifications.dispatch", "On their way", "outgoing_mail"),
        page("notifications.contact", "Contacts", "contact_mail"),
        page("notifications.intent", "Steps that wait", "call_made"),
    ),
]
# The tables that every context has: a tab each.
OF_EVERY_CONTEXT = (
    ("outboxmessage", "Outboxes", "outbox"),
    ("sagaloglisting", "Saga logs", "lock"),
    ("deadletter", "Dead letters", "report"),
    ("barriernote", "Barrier notes", "fence"),
    ("operatoraction", "Operators' actions", "history_edu"),
)
SCHEDULE: list[Item] = [
    page("django_celery_beat.periodictask", "Schedule", "schedule"),
    page("django_celery_beat.intervalschedule", "Intervals", "timer"),
]
PEOPLE = pages(
    "Users & flags",
    page("auth.user", "Users", "person"),
    page("auth.group", "Groups", "group"),
    page("waffle.switch", "Flags", "toggle_on"),
    page("orders.modeshare", "Modes", "tune"),
    {
        "app": "ops",
        "title": "Audit",
        "icon": "policy",
        "link": reverse_lazy("admin:audit"),
        "permission": may_audit,
    },
)
ACCOUNT: list[Item] = [
    {"title": "Second factor", "link": reverse_lazy("admin:second_factor")},
    {"title": "Change password", "link": reverse_lazy("admin:password_change")},
]


def name_lists(contexts: Sequence[str]) -> None:
    """Headings and breadcrumbs call a list what the sidebar calls it."""
    every = (item for context in contexts for item in _messaging(context)["items"])
    groups = (item for group in sidebar(contexts) for item in group["items"])
    for item in (*every, *groups):
        if model := item.get("model"):
            title = str(item["title"])
            apps.get_model(model)._meta.verbose_name_plural = title[0].lower() + title[1:]


def resolved(groups: list[Item]) -> Callable[[HttpRequest], list[Item]]:
    """The same with its addresses as plain text, looked up once, when there are any. For each page
    Unfold compares every link with every tab, over a thousand times."""

    @cache
    def plain() -> list[Item]:
        return [
            {**group, "items": [{**each, "link": str(each["link"])} for each in group["items"]]}
            for group in groups
        ]

    return lambda request: plain()


def sidebar(contexts: Sequence[str]) -> list[Item]:
    """The groups and links of a deployment that has these contexts."""
    absent = set(CONTEXTS).difference(contexts)
    if absent:
        absent.add("ops")
    shown = [_without(absent, group) for group in (*BUSINESS, _messaging(contexts[0]), PEOPLE)]
    return [group for group in shown if group["items"]]


def _without(apps: Set[str], group: Item) -> Item:
    return {**group, "items": [each for each in group["items"] if each["app"] not in apps]}


def _messaging(first: str) -> Item:
    """The tables of every context by those of one; tabs lead to the others."""
    tables = [page(f"{first}.{model}", title, icon) for model, title, icon in OF_EVERY_CONTEXT]
    return pages("Messaging", *tables, *SCHEDULE)


def tabs(contexts: Sequence[str]) -> list[Item]:
    """The same table of every context, a tab each."""
    return [_tabs_of(model, contexts) for model, *_ in OF_EVERY_CONTEXT]


def _tabs_of(model: str, contexts: Sequence[str]) -> Item:
    models = [f"{context}.{model}" for context in contexts]
    return {"models": models, "items": [page(each, each.split(".")[0].title()) for each in models]}
