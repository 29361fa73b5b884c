"""Admin pages to look at, which change nothing."""

import enum
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from apps.contracts.numbers import number_of
from apps.messaging.admin.finding import rows_named, uuid_of
from apps.messaging.admin.keyset import KeysetChangeList
from apps.messaging.display import document, in_one_line, label, link, moment, money, short

LABELLED = {"status", "state", "kind", "decision"}
PAGES = {
    "saga_id": "sagas_saga",
    "asked_by": "sagas_saga",
    "order_id": "orders_order",
}  # what an id leads to
UNKNOWN_FILTER = "The address asked for a filter that is not there, so everything is shown."
Cell = Callable[[models.Model], object]


class Place(enum.Enum):
    """Where a field is shown."""

    FIRST = "first"  # column of a list, which leads to the row's own page
    COLUMN = "column"  # of a list
    PAGE = "page"  # of one row: there ids can be copied in full


class ReadOnly:
    """No adding, changing or deleting, whoever asks. Who may look, the permission to view says."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    """A list to search in and a page to read.

    A list is read page by page through an index (keyset.py), so it is sorted only by what an index
    serves: by its own `ordering`, which no two rows share, and by the columns in `sorted_by`.
    finding.py says what is searched.

    Fields are shown by their kind, so that lists name plain fields: cents as money in the row's
    currency, times in the reader's zone, statuses as labels, ids short, an order's as its number;
    those of sagas and orders lead to their pages.
    """

    class Media:
        css = {"all": ("sagaplatform/lists.css",)}
        js = ("sagaplatform/lists.js",)

    list_per_page = 50
    show_facets = ShowFacets.NEVER  # to count what each filter would leave reads all rows
    # Columns to sort by: each with the indexed field that gives the order, which has no nulls.
    sorted_by: ClassVar[dict[str, str]] = {}
    currency: ClassVar[str] = "currency"  # the attribute of a row that tells it; empty: none does

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Says so where Django shows all, in place of what a wrong address asked for."""
        if ERROR_FLAG in request.GET:
            messages.warning(request, UNKNOWN_FILTER)
        return super().changelist_view(request, extra_context)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def get_sortable_by(self, request: HttpRequest) -> list[Any]:
        return [each for each in self.get_list_display(request) if self.sorts_by(each)]

    def sorts_by(self, column: str | Cell) -> str | None:
        """The field that gives the order of a column; None where no index serves it."""
        name = column if isinstance(column, str) else getattr(column, "__name__", "")
        first = self.ordering[0].lstrip("-")
        return self.sorted_by.get(name, first if name == first else None)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """What is in no index finds nothing, and no row is there twice."""
        term = search_term.strip()
        named = rows_named(self.model, self.get_search_fields(request), term)
        return (queryset.filter(named) if term else queryset), False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        first, *others = super().get_list_display(request)
        shown = [self._shown(name, Place.COLUMN) for name in others]
        return [self._shown(first, Place.FIRST), *shown]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Without a link to the history of changes made here, for there are none."""
        context = {"show_history": False, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        hidden = self.get_exclude(request, obj) or ()
        stored = [each.name for each in self.model._meta.concrete_fields]
        names = self.fields or [name for name in stored if name not in hidden]
        return [
            self._shown(each, Place.PAGE)
            if isinstance(each, str)
            else tuple(self._shown(name, Place.PAGE) for name in each)
            for each in names
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        rows = self.get_fields(request, obj)
        return [cell for row in rows for cell in (row if isinstance(row, tuple) else (row,))]

    def _shown(self, name: str, place: Place) -> Any:
        return cell_of(self.model, name, self.currency, place)


class KeyedByTwo(ReadOnlyAdmin):
    """A view whose key of one column, `saga:other`, is made of the two of its table's.

    No index has what is made: a row is found by the two.
    """

    second: ClassVar[str]  # the other column

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        saga, _, other = object_id.partition(":")
        if not (id := uuid_of(saga)):
            return None
        return self.get_queryset(request).filter(saga_id=id, **{self.second: other}).first()


@cache
def cell_of(model: type[models.Model], name: str, currency: str, place: Place) -> str | Cell:
    """How a field is shown; its own name where it is shown as it is, or is no field.

    Cached, for Django compares what is shown with what is read-only.
    """
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    show = _shown_by_kind(field, currency, place)
    return _column(field, show) if show else name


def _shown_by_kind(field: Any, currency: str, place: Place) -> Cell | None:
    name = field.name
    if name == "cents" or name.endswith("_cents"):
        tells = attrgetter(currency) if currency else lambda row: ""
        return lambda row: _money(getattr(row, name), tells(row))
    if name == "customer_id":
        return lambda row: getattr(row, name)
    if name in LABELLED:
        return lambda row: label(getattr(row, name))
    for kind, shown in BY_KIND.items():
        if isinstance(field, kind):
            return lambda row: shown(getattr(row, name)) or "-"
    if isinstance(field, models.UUIDField):
        leads_to = PAGES.get(name, "")
        here = place is Place.FIRST or leads_to == field.model._meta.label_lower.replace(".", "_")
        say = _order if name == "order_id" else _id
        return lambda row: _linked(getattr(row, name), say, place, "" if here else leads_to)
    return None


BY_KIND: dict[type[Any], Callable[[Any], object]] = {
    models.DateTimeField: moment,
    models.JSONField: document,
}


def _money(cents: int | None, currency: str) -> str:
    return "-" if cents is None else in_one_line(money(cents, currency))


def _linked(
    id: UUID | None, say: Callable[[UUID, Place], object], place: Place, leads_to: str
) -> object:
    if id is None:
        return "-"
    text = say(id, place)
    return link(leads_to, id, text) if leads_to else text


def _id(id: UUID, place: Place) -> object:
    return str(id) if place is Place.PAGE else short(id)


def _order(id: UUID, place: Place) -> object:
    number = number_of(id)
    return f"{number} ({id})" if place is Place.PAGE else in_one_line(number)


def _column(field: Any, show: Cell) -> Cell:
    show.__name__ = field.name
    show.admin_order_field = field.name  # type: ignore[attr-defined]
    name = "amount" if field.name == "cents" else field.verbose_name.removesuffix(" cents")
    show.short_description = name.removesuffix(" id")  # type: ignore[attr-defined]
    return show
