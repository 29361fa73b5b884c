"""Mounts what this deployment has: health and metrics always, the admin where there are users, the
API where there are users: logins and orders with orders, payments with payments; and what a
provider calls where its context is."""

from collections.abc import Iterable

from django.conf import settings
from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from sagaplatform.health import live, ready
from sagaplatform.login import LoginView, LogoutView
from sagaplatform.metrics import metrics
from sagaplatform.problems import no_such_page

# What customers and, in inventory, scanners call, where there are users.
WITH_API = ("orders", "payments", "inventory", "notifications")
WITH_WEBHOOKS = ("payments", "shipping", "notifications")  # what providers call


def admin_urls() -> list[URLPattern | URLResolver]:
    return [
        path("", RedirectView.as_view(pattern_name="admin:index"), name="front"),
        path("favicon.ico", RedirectView.as_view(url=static("sagaplatform/favicon.svg"))),
        path("admin/", admin.site.urls),
    ]


def api_urls() -> list[URLPattern | URLResolver]:
    logins = [
        path("api/v1/auth/login", LoginView.as_view(), name="login"),
        path("api/v1/auth/logout", LogoutView.as_view(), name="logout"),
    ]
    doors = [path("api/v1/", include(f"apps.{name}.api.urls")) for name in installed(WITH_API)]
    return [*(logins if "orders" in settings.CONTEXTS else []), *doors]


def webhook_urls() -> list[URLPattern | URLResolver]:
    return [path("webhooks/", include(f"apps.{name}.urls")) for name in installed(WITH_WEBHOOKS)]


def installed(names: Iterable[str]) -> list[str]:
    return [name for name in names if name in settings.CONTEXTS]


urlpatterns = [
    path("health/live", live, name="live"),
    path("health/ready", ready, name="ready"),
    path("metrics", metrics, name="metrics"),
    *(admin_urls() if settings.WITH_USERS else []),
    *(api_urls() if settings.WITH_USERS else []),
    *webhook_urls(),
    path("api/", no_such_page),
    path("api/<path:rest>", no_such_page),
]
handler500 = "sagaplatform.problems.server_error"
