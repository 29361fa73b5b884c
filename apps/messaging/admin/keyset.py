"""Lists of any length: a page is found by the row that it begins behind, through an index.

A page is never found by its number, and nothing is counted: both read every row before the page.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

AFTER, BEFORE = "after", "before"  # in the address: the row that the page begins behind, or ends at
NUL = "\0"  # PostgreSQL's texts have none


class Order(NamedTuple):
    """A total order of a model's rows: fields without nulls, each with - before it to descend."""

    model: type[Model]
    fields: tuple[str, ...]

    def reversed(self) -> "Order":
        turned = (each[1:] if each.startswith("-") else f"-{each}" for each in self.fields)
        return Order(self.model, tuple(turned))

    def beyond(self, values: Sequence[object]) -> Q:
        """The rows that come behind the one with these values.

        Bounded by the first field alone, too, so that an index on it finds where to begin.
        """
        found = Q()
        for field, value in zip(reversed(self.fields), reversed(values), strict=True):
            name, way = field.lstrip("-"), "lt" if field.startswith("-") else "gt"
            strictly = Q((f"{name}__{way}", value))
            found = Q((f"{name}__{way}e", value)) & (strictly | found) if found else strictly
        return found

    def values_of(self, row: Model) -> list[object]:
        return [getattr(row, each.lstrip("-")) for each in self.fields]

    def token(self, row: Model) -> str:
        """A row's place, for an address."""
        texts = [each.value_to_string(row) for each in self._stored()]
        return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")

    def read(self, token: str) -> list[object]:
        """The place that a token names. Raises ValueError."""
        try:
            padded = token + "=" * (-len(token) % 4)
            texts = json.loads(base64.urlsafe_b64decode(padded.encode()))
            if any(not isinstance(each, str) or NUL in each for each in texts):
                raise ValueError(token)
            pairs = zip(self._stored(), texts, strict=True)
            return [field.to_python(text) for field, text in pairs]
        except (ValueError, TypeError, binascii.Error, ValidationError) as error:
            raise ValueError(f"no place in this list: {token!r}") from error

    def _stored(self) -> "list[Field[Any, Any]]":
        found = [self.model._meta.get_field(each.lstrip("-")) for each in self.fields]
        return [each for each in found if isinstance(each, Field)]


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page of a list lies: what Unfold's templates take for a paginator."""

    rows: list[Model]
    previous: str  # the query string of the page before; empty: there is none
    following: str
    first: str  # of the first page; empty: this is it

    template_name: ClassVar[str] = "admin/keyset.html"


class KeysetChangeList(ChangeList):
    """Django's list of rows with pages by keys. What may be sorted by, the admin says."""

    place: tuple[str, str] | None = None  # AFTER or BEFORE, and the token
    order: Order

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        for name in (AFTER, BEFORE):
            token = self.params.pop(name, None)
            self.filter_params.pop(name, None)
            if token:
                self.place = (name, token)
        return super().get_queryset(request, *args, **kwargs)

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Without fields of the form that were left empty."""
        given = super().get_filters_params(params)
        return {name: values for name, values in given.items() if any(values)}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """The order that was asked for where an index serves it, otherwise the list's own."""
        self.order = Order(self.model, self._order(request))
        return list(self.order.fields)

    def get_ordering_field_columns(self) -> dict[int, str]:
        """For the arrow above the column."""
        first = self.order.fields[0]
        way = "desc" if first.startswith("-") else "asc"
        served = [self.model_admin.sorts_by(column) for column in self.list_display]
        name = first.lstrip("-")
        return {served.index(name): way} if name in served else {}

    def get_results(self, request: HttpRequest) -> None:
        page = self._page()
        self.result_list = page.rows
        self.result_count = len(page.rows)
        self.full_result_count = len(page.rows)  # otherwise Unfold tells it beside the title
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = False  # Django's own links are not wanted
        self.paginator = page

    def _order(self, request: HttpRequest) -> tuple[str, ...]:
        own = tuple(self.model_admin.get_ordering(request))
        _, way, index = self.params.get(ORDER_VAR, "").rpartition("-")
        chosen = self.list_display[int(index) :][:1] if index.isdecimal() else []
        name = self.model_admin.sorts_by(*chosen) if chosen else None
        if name is None:
            return own
        first = f"{way}{name}"
        if self.model._meta.get_field(name).unique:
            return (first,)
        if first == own[0]:
            return own
        return (first, f"{way}{self.model._meta.pk.attname}")

    def _page(self) -> Page:
        if self.place is None:
            return self._first_page()
        name, token = self.place
        try:
            values = self.order.read(token)
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error
        return self._page_before(values) if name == BEFORE else self._page_after(values)

    def _first_page(self) -> Page:
        rows, more = self._fetch(self.queryset)
        return Page(rows, "", self._link(AFTER, rows[-1]) if more else "", "")

    def _page_after(self, values: list[object]) -> Page:
        rows, more = self._fetch(self.queryset.filter(self.order.beyond(values)))
        if not rows:
            return Page(rows, "", "", self._first())
        following = self._link(AFTER, rows[-1]) if more else ""
        return Page(rows, self._link(BEFORE, rows[0]), following, self._first())

    def _page_before(self, values: list[object]) -> Page:
        """Where not even a page comes before, the first page is meant."""
        turned = self.order.reversed()
        before = self.queryset.filter(turned.beyond(values)).order_by(*turned.fields)
        rows, more = self._fetch(before)
        if not more:
            return self._first_page()
        rows.reverse()
        return Page(rows, self._link(BEFORE, rows[0]), self._link(AFTER, rows[-1]), self._first())

    def _fetch(self, queryset: QuerySet[Any]) -> tuple[list[Any], bool]:
        """A page of rows, and whether there are more."""
        rows = list(queryset[: self.list_per_page + 1])
        return rows[: self.list_per_page], len(rows) > self.list_per_page

    def _link(self, name: str, row: Model) -> str:
        return self.get_query_string({name: self.order.token(row)})

    def _first(self) -> str:
        return self.get_query_string()


def walk(queryset: QuerySet[Any], order: Order, *, chunk: int, limit: int) -> Iterator[Any]:
    """The first rows of a list, read page by page."""
    page, left = queryset, limit
    while left > 0 and (rows := list(page[: min(chunk, left)])):
        yield from rows
        left -= len(rows)
        page = queryset.filter(order.beyond(order.values_of(rows[-1])))
