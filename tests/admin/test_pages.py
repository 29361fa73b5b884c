"""Every page of the admin: read by who may look, changed by nobody who may only look.

The pages are those that are registered, so that a new one cannot be forgotten.
"""

import re

import psycopg
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from sagaplatform.env import CONTEXTS
from sagaplatform.navigation import sidebar
from tests.admin.world import client_of, fill_every_table
from tests.ops.world import HOME

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
names = [model._meta.label for model in MODELS]
# What a page must not have for who may only look: a way to change something, and an address.
UNWANTED = ('name="_save"', "deletelink", "/delete/", "/add/", HOME.street)


@pytest.fixture
def filled(shop: dict[str, psycopg.Connection]) -> None:
    fill_every_table(shop)


def page(model: type[Model], name: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def rows_of(model: type[Model]) -> list[tuple[object, ...]]:
    return sorted(model._default_manager.values_list(), key=repr)


@pytest.fixture
def support(filled: None) -> Client:
    return client_of("support", codenames="view_")


def test_support_reads_every_page_and_changes_nothing(support: Client) -> None:
    """One test for all pages: to fill the tables takes longer than to read them."""
    answers = {model._meta.label: visit(support, model) for model in MODELS}

    assert answers == dict.fromkeys(names, (200, 200, [], 403, 403, 403, 403, True))


def visit(client: Client, model: type[Model]) -> tuple[object, ...]:
    """List and page are there, and offer nothing; to add, to change and to delete is refused."""
    before = rows_of(model)
    assert before, f"{model._meta.label}: no row to look at; see fill_every_table"
    key = model._default_manager.values_list("pk", flat=True).first()
    every, one = page(model, "changelist"), page(model, "change", key)
    shown = client.get(one)
    delete = {"action": "delete_selected", "_selected_action": str(key), "post": "yes"}
    client.post(every, delete)
    return (
        client.get(every, {"q": "no such thing"}).status_code,
        shown.status_code,
        [each for each in UNWANTED if each in shown.content.decode()],
        client.get(page(model, "add")).status_code,
        client.post(page(model, "add"), {}).status_code,
        client.post(one, {"status": "x"}).status_code,
        client.post(page(model, "delete", key), {"post": "yes"}).status_code,
        rows_of(model) == before,
    )


def test_an_administrator_changes_no_history_either(filled: None) -> None:
    """Users, groups, flags and intervals are kept here; all else comes from the services."""
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    open_ones = {
        model._meta.label for model in MODELS if client.get(page(model, "add")).status_code == 200
    }

    assert open_ones == {
        "auth.Group",
        "auth.User",
        "django_celery_beat.IntervalSchedule",
        "waffle.Switch",
    }


def test_a_stranger_is_led_to_the_login_page() -> None:
    for address in (page(model, "changelist") for model in MODELS):
        asked = Client().get(address)
        assert (asked.status_code, asked["Location"]) == (302, f"/admin/login/?next={address}")


def test_a_customer_is_refused(shop: dict[str, psycopg.Connection]) -> None:
    """Not even permissions help who is not of the staff."""
    customer = client_of("customer", codenames="view_", staff=False)

    answers = {customer.get(page(model, "changelist")).status_code for model in MODELS}

    assert answers == {302}
    password = "right, but not enough"
    User.objects.create_user("other", password=password)
    login = Client().post("/admin/login/", {"username": "other", "password": password})
    assert "correct username and password for a staff account" in login.content.decode()


def test_staff_without_permissions_see_an_empty_home(shop: dict[str, psycopg.Connection]) -> None:
    clerk = client_of("clerk")
    answers = {clerk.get(page(model, "changelist")).status_code for model in MODELS}
    home = clerk.get("/admin/")

    assert answers == {403}
    assert home.status_code == 200
    assert "home" not in home.context


def test_the_sidebar_leads_to_every_page(support: Client) -> None:
    """By a link of its own, or by a tab of its own on a page that it leads to."""
    shown = support.get("/admin/")
    groups = shown.context["sidebar_navigation"] + shown.context["tab_list"]
    links = {item["link"] for group in groups for item in group["items"]}

    assert links == {page(model, "changelist") for model in MODELS} | {reverse("admin:audit")}
    # Plain text: lazy ones are looked up in each comparison, which took most of a page's time.
    assert {type(link) for link in links} == {str}


def test_headings_speak_as_the_sidebar_does(shop: dict[str, psycopg.Connection]) -> None:
    titles = {
        str(item["link"]): item["title"]
        for group in sidebar(CONTEXTS)
        for item in group["items"]
        if "model" in item
    }
    called = {page(it, "changelist"): str(it._meta.verbose_name_plural) for it in MODELS}
    assert {link: called[link] for link in titles} == {
        link: title[0].lower() + title[1:] for link, title in titles.items()
    }
    clerk = client_of("clerk", codenames="view_")
    for address in ("/admin/sagas/case/", "/admin/orders/modeshare/", "/admin/payments/intent/"):
        shown = clerk.get(address).content.decode()
        crumb = rf'<a href="{address}" class="align-middle[^>]*>\s*{titles[address]}\s*<'
        assert re.search(crumb, shown)
