"""Role by page by method: who gets in where, on every page that the admin has.

The pages are those that the site itself routes to, so that a new one cannot be forgotten. What is
expected comes from the roles' rights and the tables here, never from the admin classes.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import URLPattern, reverse
from pytest_django import Settings

from apps.sagas.admin.page import STOP_POLLING
from sagaplatform.admin_site import AdminSite
from sagaplatform.env import CONTEXTS
from sagaplatform.models import StaffAction
from sagaplatform.roles import ROLES
from tests.admin.people import CLERK, CUSTOMER, SUPERUSER, logged_in, user_of
from tests.admin.world import fill_every_table

STRANGER = "stranger"
OUTSIDE = (STRANGER, CUSTOMER)
STAFF = (CLERK, *ROLES, SUPERUSER)

# What whoever has all rights may add and change in the admin; and nobody deletes anything.
ADDED = {"auth.group", "auth.user", "django_celery_beat.intervalschedule", "waffle.switch"}
CHANGED = {"auth.group", "auth.user", "django_celery_beat.periodictask", "waffle.switch"}
# Every table's own pages, by what their names end in; None: the old address of a row.
USUAL = ("changelist", "add", "change", "delete", "history", None)


class Page(NamedTuple):
    """A page beside those: the rights that it asks for (all of them), and how it answers then.

    The bodies of our POSTs are empty, and whoever asks has confirmed lately who they are: a page
    that does something answers 400, for it wants a reason.
    """

    rights: tuple[str, ...] = ()
    get: int = 200
    post: int = 400
    without: int = 403  # the answer to staff who lack the right
    outside: int = 302  # the answer to who is no staff: a way to the login
    args: tuple[Any, ...] | None = None  # of the address; None: the key of the table's first row
    behind: tuple[Any, ...] = ()  # what follows the key in the address
    acting: tuple[str, ...] = ()  # rights that a POST asks for beside


# The pages of acts whose right is named otherwise than themselves, and those of no table.
# A page named app_model_act asks for the right app.act_model, if there is one: it needs no line.
PAGES: dict[str, Page] = {
    "index": Page(post=200, args=()),
    "app_list": Page(("sagas.view_saga",), post=200, without=404, args=("sagas",)),
    "login": Page(get=302, post=200, outside=200, args=()),
    "code": Page(get=302, post=302, args=()),
    "set_up": Page(args=()),
    "second_factor": Page(post=200, args=()),
    "renew_codes": Page(get=405, post=302, args=()),
    "confirm": Page(args=()),
    "password_change": Page(post=200, args=()),
    "password_change_done": Page(post=405, args=()),
    "auth_user_password_change": Page(("auth.change_user",), post=200),
    "search": Page(post=200, args=()),
    "jsi18n": Page(post=405, args=()),
    "autocomplete": Page(get=403, post=405, args=()),  # of no field at all
    "view_on_site": Page(get=404, post=404, args=(0, 0)),  # nothing has a page elsewhere
    "audit": Page(tuple(f"{each}.view_operatoraction" for each in CONTEXTS), post=405, args=()),
}
PAGES |= {
    "sagas_saga_resume": Page(("sagas.view_saga", "sagas.pause_saga")),
    "fraud_review_clear": Page(("fraud.view_review", "fraud.decide_review")),
    "fraud_review_refuse": Page(("fraud.view_review", "fraud.decide_review")),
    "inventory_arrival_receive": Page(("inventory.view_arrival", "inventory.receive_arrival")),
    "inventory_arrival_refuse": Page(("inventory.view_arrival", "inventory.receive_arrival")),
    "sagas_saga_export": Page(("sagas.view_saga",), post=200, args=()),
    "sagas_saga_live": Page(("sagas.view_saga",), post=200),
    "sagas_saga_messages": Page(("sagas.view_saga",), post=200),
    "sagas_saga_message": Page(
        ("sagas.view_saga", "sagas.reveal_saga"), behind=("order-events", 0, 0)
    ),
    "sagas_case_take": Page(("sagas.view_case", "sagas.assign_case")),
    "sagas_approval_approve": Page(("sagas.view_approval", "sagas.decide_approval")),
    "sagas_approval_decline": Page(("sagas.view_approval", "sagas.decide_approval")),
    "sagas_approval_withdraw": Page(("sagas.view_approval",)),
    "orders_modeshare_set": Page(("orders.view_modeshare", "orders.set_mode")),
    "orders_order_address": Page(("orders.view_order", "orders.reveal_order")),
    "notifications_dispatch_address": Page(
        ("notifications.view_dispatch", "notifications.reveal_dispatch")
    ),
    "orders_order_case": Page(("orders.view_order", "sagas.view_saga"), post=200),
}
for _context in CONTEXTS:
    _look = f"{_context}.view_deadletter"
    PAGES[f"{_context}_deadletter_groups"] = Page((_look,), post=200, args=())
    PAGES[f"{_context}_deadletter_group"] = Page(
        (_look,), args=("x",), acting=(f"{_context}.replay_deadletter",)
    )
# Tested by themselves: to log out ends the session, and the last takes what is no page.
LEFT_OUT = {"logout"}


class Asked(NamedTuple):
    """One request of the matrix."""

    person: str
    page: str
    method: str


@pytest.fixture
def filled(
    shop: dict[str, psycopg.Connection], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> dict[str, psycopg.Connection]:
    """At least one row behind every page. What pages look like is tested elsewhere: here nothing
    is drawn, which would take nearly all of the time."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"  # a query less each time
    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", "")
    monkeypatch.setattr(AdminSite, "each_context", lambda self, request: {})
    fill_every_table(shop)
    return shop


def pages() -> Iterator[tuple[str, str | None, type[Model] | None]]:
    """Every page of the site: its name without the app and model, its whole name, its model."""
    for pattern in admin.site.get_urls():
        if isinstance(pattern, URLPattern):
            if pattern.name and pattern.name not in LEFT_OUT:
                yield pattern.name, pattern.name, None
            continue
        app, name = str(pattern.pattern).strip("/").split("/")
        model = apps.get_model(app, name)
        for each in pattern.url_patterns:
            page = each.name
            yield (page or "").removeprefix(f"{app}_{name}_"), page, model


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_page_lets_in_whom_it_should(filled: dict[str, psycopg.Connection]) -> None:
    clients = people()
    before = everything()
    actual, expected, unknown = {}, {}, []
    for short, name, model in pages():
        usual = model is not None and (short or None) in USUAL
        rule = None if usual else rule_of(str(name), short, model)
        if not usual and rule is None:
            unknown.append(name)
            continue
        address = address_of(short, name, model, rule)
        for person, client in clients.items():
            for method in ("GET", "POST"):
                asked = Asked(person, address, method)
                status = client.generic(method, address).status_code
                actual[asked] = 200 if status == STOP_POLLING else status  # seen all the same
                expected[asked] = (
                    answer_of(rule, person, method)
                    if rule
                    else usual_answer(short, model, person, method)  # type: ignore[arg-type]
                )

    assert unknown == [], "say in PAGES of tests/admin/test_matrix.py which right they ask for"
    wrong = {each: answer for each, answer in actual.items() if answer != expected[each]}
    told = sorted(f"{answer} not {expected[each]}: {each}" for each, answer in wrong.items())
    assert "\n".join(told) == ""
    assert everything() == before
    assert len(actual) > 3000


def people() -> dict[str, Client]:
    """A client of everybody who may come."""
    known = {each: logged_in(user_of(each)) for each in (CUSTOMER, *STAFF)}
    return {STRANGER: Client(), **known}


def rule_of(name: str, short: str, model: type[Model] | None) -> Page | None:
    """What is expected of a page that is none of a table's usual ones; None: nobody has said."""
    if name in PAGES:
        return PAGES[name]
    if model is None:
        return None
    right = f"{short}_{model._meta.model_name}"
    declared = {codename for codename, _ in model._meta.permissions}
    return Page((f"{model._meta.app_label}.{right}",)) if right in declared else None


def address_of(short: str, name: str | None, model: type[Model] | None, rule: Page | None) -> str:
    if rule and rule.args is not None:
        return reverse(f"admin:{name}", args=rule.args)
    assert model is not None
    if short in ("changelist", "add"):
        return reverse(f"admin:{name}")
    key = model._default_manager.order_by("pk").values_list("pk", flat=True).first()
    assert key is not None, f"{model._meta.label}: no row to look at; see fill_every_table"
    if name:
        return reverse(f"admin:{name}", args=[key, *(rule.behind if rule else ())])
    every = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return f"{reverse(every)}{key}/"


def may(person: str, right: str) -> bool:
    """By the table of roles, and nothing else."""
    return person == SUPERUSER or right in ROLES.get(person, ())


def answer_of(rule: Page, person: str, method: str) -> int:
    """How a page answers that has a rule."""
    if person in OUTSIDE:
        return rule.outside
    answer = rule.get if method == "GET" else rule.post
    rights = rule.rights if method == "GET" else (*rule.rights, *rule.acting)
    refused = not all(may(person, each) for each in rights)
    return rule.without if refused and answer != 405 else answer


def usual_answer(short: str, model: type[Model], person: str, method: str) -> int:
    """How a table's own pages answer."""
    if person in OUTSIDE:
        return 302
    label, name = model._meta.label_lower, model._meta.model_name
    app = model._meta.app_label
    sees = may(person, f"{app}.view_{name}")
    changes, adds = may(person, f"{app}.change_{name}"), may(person, f"{app}.add_{name}")
    allowed = {
        "changelist": sees,
        "history": sees,
        "change": sees if method == "GET" else changes and label in CHANGED,
        "add": adds and label in ADDED,
        "delete": False,
    }
    return 302 if not short else 200 if allowed[short] else 403


def everything() -> dict[str, list[Any]]:
    """All rows that pages show, and all that tells of changes."""
    models = [*admin.site._registry, StaffAction]
    left_out = {User: ("last_login",)}
    return {
        model._meta.label: sorted(
            (
                tuple(
                    row[each.attname]
                    for each in model._meta.concrete_fields
                    if each.name not in left_out.get(model, ())
                )
                for row in model._default_manager.values()
            ),
            key=repr,
        )
        for model in models
    }


def test_logging_out_ends_the_session(databases: dict[str, psycopg.Connection]) -> None:
    client = logged_in(user_of(CLERK))
    assert client.get("/admin/").status_code == 200

    assert client.get("/admin/logout/").status_code == 405
    assert client.post("/admin/logout/").status_code == 200

    answer = client.get("/admin/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/admin/")


def test_an_address_that_is_no_page_is_not_found(databases: dict[str, psycopg.Connection]) -> None:
    assert logged_in(user_of(SUPERUSER)).get("/admin/no/such/page/").status_code == 404
    assert Client().get("/admin/no/such/page/").status_code == 302


def test_every_right_of_a_role_leads_to_something(databases: dict[str, psycopg.Connection]) -> None:
    """A right to look is that of a page, or of rows on one."""
    user_of(CLERK)
    inline = {"orders.view_orderline", "orders.view_orderevent", "sagaplatform.view_staffaction"}
    tables = [each._meta for each in admin.site._registry]
    pages = {f"{each.app_label}.view_{each.model_name}" for each in tables}
    viewing = {right for rights in ROLES.values() for right in rights if ".view_" in right}

    assert viewing - pages - inline == set()
    assert pages - viewing == set()
    assert Permission.objects.filter(codename="view_staffaction").count() == 1
