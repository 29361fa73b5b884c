"""Pages beside that of a row: an admin class declares its own, packages above it add theirs.

    class SagaPage(Pages, ReadOnlyAdmin):
        pages = [Page("live", "live/", live_view)]

    SagaPage.pages.append(Page("messages", "messages/", messages_view))  # when the apps are ready

The view is called with the admin and the row: `view(admin, request, row, **of_the_path)`. Who may
not look at such rows is refused before; an unknown row leads home, as with Django's own pages.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path


class Page(NamedTuple):
    """One kind of page that every row of a table has."""

    name: str  # admin:<app>_<model>_<name>
    path: str  # behind the row's own address
    view: Callable[..., HttpResponse]


class Section(NamedTuple):
    """A table on a page. Cells are texts, or safe HTML such as a `label`."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]


class Pages:
    """Mixin of an admin class."""

    pages: ClassVar[list[Page]] = []

    # Of the admin class that this is mixed into.
    opts: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        named = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path(
                f"<path:object_id>/{each.path}",
                self.admin_site.admin_view(partial(self.page_view, page=each)),
                name=f"{named}_{each.name}",
            )
            for each in self.pages
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def page_view(
        self, request: HttpRequest, object_id: str, *, page: Page, **of_path: Any
    ) -> HttpResponse:
        """Show a page of a row to who may look at the row."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        return page.view(self, request, row, **of_path)
