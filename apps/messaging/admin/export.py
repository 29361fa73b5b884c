"""A list as a CSV file, with the same search, filters and order."""

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from apps.messaging.admin.keyset import KeysetChangeList, walk

MOST_ROWS = 100_000
CHUNK = 2_000  # rows in memory
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for a formula begins so

Column = str | Callable[[Any], object]  # a field, or what works it out of a row


class Exporting:
    """Adds `export/` to a ReadOnlyAdmin, for whoever may view its rows."""

    export_columns: ClassVar[dict[str, Column]]  # by heading
    model: type[Model]
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        wrapped = self.admin_site.admin_view(self.export)  # type: ignore[attr-defined]
        return [path("export/", wrapped, name=name), *super().get_urls()]  # type: ignore[misc]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """The rows of the list with this query string, from its first page on."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        try:
            chosen = self.get_changelist_instance(request)  # type: ignore[attr-defined]
        except IncorrectLookupParameters:
            return HttpResponseRedirect("../?e=1")
        name = f"{self.opts.verbose_name_plural}-{timezone.now():%Y-%m-%dT%H%MZ}.csv"
        return StreamingHttpResponse(
            lines(self.export_columns, chosen),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "X-Row-Limit": str(MOST_ROWS),
            },
        )


class Echo:
    """What the csv module writes to: it gives each line back."""

    def write(self, line: str) -> str:
        return line


def lines(columns: dict[str, Column], chosen: KeysetChangeList) -> Iterator[str]:
    """The file, line by line; the last one tells where rows are missing."""
    write = csv.writer(Echo()).writerow
    yield write(columns)
    rows = walk(chosen.queryset, chosen.order, chunk=CHUNK, limit=MOST_ROWS + 1)
    for number, row in enumerate(rows):
        if number == MOST_ROWS:
            yield write([f"The first {MOST_ROWS:,} rows only: choose fewer by filters"])
            return
        yield write([cell(value_of(row, column)) for column in columns.values()])


def value_of(row: Model, column: Column) -> object:
    return getattr(row, column) if isinstance(column, str) else column(row)


def cell(value: object) -> object:
    """A value as it stands in the file; a text that would be a formula behind an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return value
