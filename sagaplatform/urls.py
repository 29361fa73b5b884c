"""Mounts the API of each context, the admin, the health pages and the metrics."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from sagaplatform.health import live, ready
from sagaplatform.login import LoginView, LogoutView
from sagaplatform.metrics import metrics
from sagaplatform.problems import no_such_page

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="front"),
    path("favicon.ico", RedirectView.as_view(url=static("sagaplatform/favicon.svg"))),
    path("health/live", live, name="live"),
    path("health/ready", ready, name="ready"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/auth/login", LoginView.as_view(), name="login"),
    path("api/v1/auth/logout", LogoutView.as_view(), name="logout"),
    path("api/v1/", include("apps.orders.api.urls")),
    path("api/", no_such_page),
    path("api/<path:rest>", no_such_page),
    path("admin/", admin.site.urls),
]
handler500 = "sagaplatform.problems.server_error"
