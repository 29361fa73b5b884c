"""Finding sagas in the admin: tabs, search, filters, columns."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.contracts.catalogue import Action
from apps.contracts.numbers import number_of
from apps.messaging.admin import ReadOnlyAdmin, rows_named, uuid_of
from apps.messaging.admin.export import Exporting
from apps.messaging.admin.keyset import KeysetChangeList
from apps.messaging.display import in_one_line, took, words
from apps.processes import PLACE_ORDER
from apps.sagas.admin.filters import FILTERS, IN_FLIGHT, causes
from apps.sagas.figures import Count, standings
from apps.sagas.models import CAUSE_WORDS, TURNED, Saga
from apps.sagas.state import Status

WORD = re.compile(r"[^\W_]+(?:\.[^\W_]+)*")  # as PostgreSQL's parser takes them; 12.50 is one
TABS = (IN_FLIGHT, *Status)


@dataclass(frozen=True, slots=True)
class Tab:
    """A status, how many sagas it has, and its list."""

    text: str
    count: Count | None  # None: of all
    address: str
    active: bool


class SagaChangeList(KeysetChangeList):
    """The list with its tabs."""

    def get_filters(self, request: HttpRequest) -> Any:
        """Refuses what none of the filters asks for: no tab would tell that it was looked for."""
        found = super().get_filters(request)
        _, _, others, *_ = found
        if others:
            raise IncorrectLookupParameters(f"no filters: {', '.join(others)}")
        return found

    @property
    def tabs(self) -> Iterator[Tab]:
        """The same search and filters for another status. Their counts are of all sagas."""
        chosen = self.params.get("status__exact", "")
        yield Tab("all", None, self._with_status(None), not chosen)
        counts = standings()
        for status in TABS:
            count = counts.live if status == IN_FLIGHT else counts.by_status[status]
            text = "in flight" if status == IN_FLIGHT else words(status)
            yield Tab(text, count, self._with_status(status), chosen == status)

    def _with_status(self, status: str | None) -> str:
        return self.get_query_string({"status__exact": status})


class SagaListing(Exporting, ReadOnlyAdmin):
    """The list of sagas."""

    list_display = (
        "number", "status", "pending", "turned_back", "total_cents", "customer_id", "started_at",
        "duration",
    )  # fmt: skip
    list_filter = FILTERS
    list_filter_submit = True
    list_before_template = "admin/sagas/saga/tabs.html"
    search_fields = ("=saga_id", "=order_id", "=customer_id")
    search_help_text = "Order number, an id, customer number or name, words of an error"
    ordering = ("-started_at", "-saga_id")
    export_columns = {
        "saga_id": "saga_id",
        "order_id": "order_id",
        "order_number": lambda saga: number_of(saga.order_id),
        "process": "process",
        "version": "version",
        "mode": "mode",
        "status": "status",
        "waits_for": "pending_step",
        "turned_back_at": "cause_step",
        "error": "cause_type",
        "reason": "cause_reason",
        "customer": "customer_id",
        "total_cents": "total_cents",
        "currency": "currency",
        "started_at": "started_at",
        "ended_at": "ended_at",
    }
    fields = (
        ("status", "pending"),
        ("turned_back", "cause_reason"),
        ("started_at", "ended_at"),
        ("duration", "customer_id"),
        ("saga_id", "order_id"),
        ("shown_process", "driven"),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return SagaChangeList

    @display(description="order")
    def number(self, saga: Saga) -> SafeString:
        """Of the order; and what is done with it, unless it is placed, as most are."""
        number = in_one_line(number_of(saga.order_id))
        if saga.process == PLACE_ORDER.name:
            return number
        return format_html('{}<div class="text-xs">{}</div>', number, words(saga.process))

    @display(description="process")
    def shown_process(self, saga: Saga) -> str:
        return words(saga.process)

    @display(description="definition")
    def driven(self, saga: Saga) -> str:
        by = ", taken over by the engine" if saga.was_taken_over else ""
        return f"version {saga.version}, {saga.mode}{by}"

    @display(description="waits for")
    def pending(self, saga: Saga) -> str:
        if not saga.pending_step:
            return "-"
        undoing = saga.pending_action == Action.UNDO
        return f"{'undoing ' if undoing else ''}{words(saga.pending_step)}"

    @display(description="turned back at")
    def turned_back(self, saga: Saga) -> SafeString | str:
        if not saga.cause_step:
            return "-"
        shown = '<div class="lg:min-w-56"><div>{}</div><div class="text-xs">{}</div></div>'
        return format_html(shown, words(saga.cause_step), saga.cause_reason)

    @display(description="took")
    def duration(self, saga: Saga) -> str:
        if saga.ended_at:
            return in_one_line(took(saga.ended_at - saga.started_at))
        return in_one_line(f"{took(timezone.now() - saga.started_at)} so far")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Saga], search_term: str
    ) -> tuple[QuerySet[Saga], bool]:
        """By an index, whatever is asked for; what is in none finds nothing."""
        term = search_term.strip()
        if not term:
            return queryset, False
        named = rows_named(Saga, self.search_fields, term) | caused_by(term)
        return queryset.alias(cause_words=CAUSE_WORDS).filter(named), False


def caused_by(term: str) -> Q:
    """The sagas that turned back for this: the error's name, or words of its reason, the beginning
    of each being enough. An id or a number is no error."""
    if term.isdecimal() or uuid_of(term):
        return Q(pk__in=[])
    found = Q(pk__in=[])
    if named := [each for each in causes() if each.lower() == term.lower()]:
        found |= Q(cause_type__in=named)
    if given := WORD.findall(term):
        wanted = " & ".join(f"{each}:*" for each in given)
        found |= Q(cause_words=SearchQuery(wanted, config="simple", search_type="raw"))
    return TURNED & found


def list_of(**chosen: object) -> str:
    """The query string of the list of these sagas."""
    return f"?{urlencode({name: value for name, value in chosen.items() if value is not None})}"
