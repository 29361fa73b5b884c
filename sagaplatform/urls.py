"""Mounts what this deployment has: health and metrics always, the admin where there are users, the
API where there are users and orders."""

from django.conf import settings
from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from sagaplatform.health import live, ready
from sagaplatform.login import LoginView, LogoutView
from sagaplatform.metrics import metrics
from sagaplatform.problems import no_such_page


def admin_urls() -> list[URLPattern | URLResolver]:
    return [
        path("", RedirectView.as_view(pattern_name="admin:index"), name="front"),
        path("favicon.ico", RedirectView.as_view(url=static("sagaplatform/favicon.svg"))),
        path("admin/", admin.site.urls),
    ]


def api_urls() -> list[URLPattern | URLResolver]:
    return [
        path("api/v1/auth/login", LoginView.as_view(), name="login"),
        path("api/v1/auth/logout", LogoutView.as_view(), name="logout"),
        path("api/v1/", include("apps.orders.api.urls")),
        *([path("api/v1/", include("apps.inventory.api.urls"))] if _has_stock() else []),
    ]


def _has_stock() -> bool:
    return "inventory" in settings.CONTEXTS


urlpatterns = [
    path("health/live", live, name="live"),
    path("health/ready", ready, name="ready"),
    path("metrics", metrics, name="metrics"),
    *(admin_urls() if settings.WITH_USERS else []),
    *(api_urls() if settings.WITH_USERS and "orders" in settings.CONTEXTS else []),
    path("api/", no_such_page),
    path("api/<path:rest>", no_such_page),
]
handler500 = "sagaplatform.problems.server_error"
