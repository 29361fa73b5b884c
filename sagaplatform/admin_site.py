"""The admin's site: who is let in, and the pages beside those of the tables."""

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from sagaplatform.second_factor import views
from sagaplatform.second_factor.devices import is_verified


class AdminSite(UnfoldAdminSite):
    """Staff are let in who gave their second factor, where they have one or need one."""

    index_title = "Home"

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and is_verified(request.user)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Without Unfold's colours, which it would write into the page: they are in theme.css."""
        return {**super().each_context(request), "colors": None}

    @method_decorator(never_cache)
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """The password; the code has a page of its own. A part of a page that was asked for by
        htmx after its session's end makes the whole page go to the login."""
        home = reverse("admin:index")
        if "HX-Request" in request.headers:
            shown = urlsplit(request.headers.get("HX-Current-URL", home)).path
            login = f"{reverse('admin:login')}?{urlencode({REDIRECT_FIELD_NAME: shown})}"
            return HttpResponse(status=204, headers={"HX-Redirect": login})
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(home)
        request.current_app = self.name
        context = {
            **self.each_context(request),
            "title": "Log in",
            "subtitle": None,
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
            REDIRECT_FIELD_NAME: home,
            **(extra_context or {}),
        }
        view = views.PasswordView.as_view(
            authentication_form=self.login_form, extra_context=context, next_page=home
        )
        return view(request)

    def extra_urls(self) -> list[URLPattern]:
        """Unfold puts them before its own."""
        inside = self.admin_view
        return [
            path("login/code/", views.code, name="code"),
            path("second-factor/", inside(views.overview), name="second_factor"),
            path("second-factor/set-up/", views.set_up, name="set_up"),
            path("second-factor/codes/", inside(views.renew_codes), name="renew_codes"),
            path("confirm/", inside(views.confirm), name="confirm"),
            *self._urls_of_ops(),
        ]

    def _urls_of_ops(self) -> list[URLPattern]:
        """What shows all contexts, where all are."""
        if not settings.IS_WHOLE:
            return []
        from apps.ops.audit_page import audit  # noqa: PLC0415 - it needs the site that we make here

        return [path("audit/", self.admin_view(audit), name="audit")]
