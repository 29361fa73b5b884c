"""What browsers may do on our pages, and that the pages live with it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from tests.admin.people import PASSWORD, SUPERUSER, logged_in, user_of
from tests.admin.world import fill_every_table
from tests.ops.world import open_shop

ROOT = Path(__file__).parent.parent.parent
THEME = ROOT / "sagaplatform" / "static" / "sagaplatform" / "theme.css"
STRICT = {
    "default-src": {"'self'"},
    "script-src": {"'self'"},
    "style-src": {"'self'"},
    "img-src": {"'self'", "data:"},
    "object-src": {"'none'"},
    "base-uri": {"'none'"},
    "form-action": {"'self'"},
    "frame-ancestors": {"'none'"},
}


def policy_of(answer: HttpResponse) -> dict[str, set[str]]:
    parts = [each.split() for each in answer["Content-Security-Policy"].split("; ")]
    return {name: set(sources) for name, *sources in parts}


@pytest.mark.parametrize("page", ["/admin/login/", "/admin/jsi18n/", "/admin/no-page/"])
def test_on_admin_pages_scripts_may_eval_and_nothing_is_inline(page: str) -> None:
    assert policy_of(Client().get(page)) == STRICT | {"script-src": {"'self'", "'unsafe-eval'"}}


@pytest.mark.parametrize("page", ["/health/live", "/api/v1/nothing", "/api/v1/auth/login", "/"])
def test_elsewhere_not_even_that(page: str) -> None:
    assert policy_of(Client().get(page)) == STRICT


def test_what_else_a_browser_is_told(databases: dict[str, psycopg.Connection]) -> None:
    answer = Client().get("/admin/login/")

    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Permissions-Policy"].startswith("accelerometer=(), camera=(), ")
    assert "payment=()" in answer["Permissions-Policy"].split(", ")


def test_a_session_ends_with_the_shift_and_its_cookie_is_for_us_alone(
    databases: dict[str, psycopg.Connection],
) -> None:
    User.objects.create_superuser("ada", password=PASSWORD)
    client = Client()
    cookie = client.post("/admin/login/", {"username": "ada", "password": PASSWORD}).cookies[
        "sessionid"
    ]

    assert client.session.get_expiry_age() == 8 * 3600
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", "")


class Inline(HTMLParser):
    """What the policy would not let a page do: scripts and styles that stand in it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if (tag == "script" and "src" not in named) or tag == "style":
            self.found.append(tag)
        self.found += [
            f"{tag} {name}" for name in named if name == "style" or re.match(r"on[a-z]+$", name)
        ]
        address = named.get("href") or named.get("src") or named.get("action") or ""
        if re.match(r"(https?:)?//|javascript:", address):
            self.found.append(address)


def inline_in(html: str) -> list[str]:
    parser = Inline()
    parser.feed(html)
    return parser.found


def test_the_search_for_inline_parts_finds_them() -> None:
    html = (
        '<style></style><p style="x"><a onclick="x" href="javascript:x"><script>x</script>'
        '<script src="https://elsewhere.example/x.js"></script><script src="/x.js"></script>'
    )
    assert inline_in(html) == [
        "style", "p style", "a onclick", "javascript:x", "script", "https://elsewhere.example/x.js",
    ]  # fmt: skip


def test_no_page_of_the_admin_has_anything_inline(
    databases: dict[str, psycopg.Connection], quiet: None
) -> None:
    open_shop()
    fill_every_table(databases)
    client = logged_in(user_of(SUPERUSER))
    found = {}
    for page in pages():
        answer = client.get(page)
        assert answer.status_code == 200, page
        found[page] = inline_in(answer.content.decode())

    assert {page: parts for page, parts in found.items() if parts} == {}
    assert len(found) > 50


def pages() -> list[str]:
    """Lists, rows, forms to add, and the pages beside them."""
    found = [
        reverse(f"admin:{name}")
        for name in ("index", "second_factor", "set_up", "confirm", "audit", "password_change")
    ]
    alike = {type(its_admin): model for model, its_admin in admin.site._registry.items()}
    for model in alike.values():  # what every context has once
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        key = model._default_manager.values_list("pk", flat=True).first()
        found += [reverse(f"{name}_changelist"), reverse(f"{name}_change", args=[key])]
        if model._meta.label in ("auth.User", "auth.Group", "waffle.Switch"):
            found.append(reverse(f"{name}_add"))
    return found


def test_the_pages_of_strangers_have_nothing_inline_either(
    databases: dict[str, psycopg.Connection],
) -> None:
    locked = Client()
    for _ in range(5):
        answer = locked.post("/admin/login/", {"username": "eve", "password": "guess"})
    assert answer.status_code == 429
    assert inline_in(answer.content.decode()) == []
    assert inline_in(Client().get("/admin/login/").content.decode()) == []


def theme(context: dict[str, Any]) -> str:
    """Unfold's colours and roundness as a style sheet."""
    lines = [f"  --border-radius: {context['border_radius']};"]
    for name, weights in context["colors"].items():
        lines += [f"  --color-{name}-{weight}: {value};" for weight, value in weights.items()]
    head = "/* Unfold's colours, which it would write into each page. Checked by test_policy.py. */"
    return "\n".join([head, ":root {", *lines, "}", ""])


def test_the_colours_are_those_that_unfold_would_have_written() -> None:
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    context = UnfoldAdminSite.each_context(admin.site, request)

    assert THEME.read_text() == theme(context), "write what is expected into theme.css"
