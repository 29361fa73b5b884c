"""Mounts the API of each context, the admin and the health pages."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import RedirectView

from sagaplatform.login import LoginView, LogoutView
from sagaplatform.problems import no_such_page


def live(request: HttpRequest) -> HttpResponse:
    """The process answers. It asks no database: a database that is down is no reason to restart."""
    return HttpResponse("ok\n", content_type="text/plain")


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="front"),
    path("health/live", live, name="live"),
    path("api/v1/auth/login", LoginView.as_view(), name="login"),
    path("api/v1/auth/logout", LogoutView.as_view(), name="logout"),
    path("api/v1/", include("apps.orders.api.urls")),
    path("api/", no_such_page),
    path("api/<path:rest>", no_such_page),
    path("admin/", admin.site.urls),
]
handler500 = "sagaplatform.problems.server_error"
