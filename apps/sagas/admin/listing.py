"""Finding sagas in the admin: search, filters, columns."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from apps.contracts.catalogue import Action
from apps.messaging.admin import ReadOnlyAdmin
from apps.messaging.display import took, words
from apps.processes import LIVE
from apps.sagas.models import Saga

LONGEST_NUMBER = 18  # digits that fit a bigint


class ProcessFilter(admin.SimpleListFilter):
    """By process, from the definitions, so that no list has to be counted for it."""

    title = "process"
    parameter_name = "process"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ")) for name in sorted({each.name for each in LIVE})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Saga]) -> QuerySet[Saga]:
        return queryset.filter(process=self.value()) if self.value() else queryset


class PendingStepFilter(admin.SimpleListFilter):
    """By the step that a saga waits for."""

    title = "pending step"
    parameter_name = "pending_step"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = dict.fromkeys(step.name for each in LIVE for step in each.steps)
        return [(name, name.replace("_", " ")) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Saga]) -> QuerySet[Saga]:
        return queryset.filter(pending_step=self.value()) if self.value() else queryset


class SagaListing(ReadOnlyAdmin):
    """The list of sagas."""

    list_display = (
        "saga_id", "status", "shown_process", "pending", "turned_back",
        "customer_id", "order_id", "started_at", "duration",
    )  # fmt: skip
    list_filter = ("status", ProcessFilter, PendingStepFilter, "started_at")
    search_fields = ("saga_id",)  # shows the field; get_search_results says what is searched
    search_help_text = "Saga id, order id or customer number, in full"
    ordering = ("-saga_id",)  # UUIDv7: the newest first
    fields = (
        ("status", "pending"),
        ("turned_back", "cause_reason"),
        ("started_at", "ended_at"),
        ("duration", "customer_id"),
        ("saga_id", "order_id"),
        ("shown_process", "driven"),
    )

    @display(description="process", ordering="process")
    def shown_process(self, saga: Saga) -> str:
        return words(saga.process)

    @display(description="definition")
    def driven(self, saga: Saga) -> str:
        return f"version {saga.version}, {saga.mode}"

    @display(description="waits for", ordering="pending_step")
    def pending(self, saga: Saga) -> str:
        if not saga.pending_step:
            return "-"
        undoing = saga.pending_action == Action.UNDO
        return f"{'undoing ' if undoing else ''}{words(saga.pending_step)}"

    @display(description="turned back at", ordering="cause_step")
    def turned_back(self, saga: Saga) -> str:
        return words(saga.cause_step) or "-"

    @display(description="took")
    def duration(self, saga: Saga) -> str:
        if saga.ended_at:
            return took(saga.ended_at - saga.started_at)
        return f"{took(timezone.now() - saga.started_at)} so far"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Saga], search_term: str
    ) -> tuple[QuerySet[Saga], bool]:
        """By an index, whatever is asked for; what is no id finds nothing."""
        term = search_term.strip()
        return (queryset.filter(named_by(term)) if term else queryset), False


def named_by(term: str) -> Q:
    """The sagas that a search term names."""
    if term.isdecimal() and len(term) <= LONGEST_NUMBER:
        return Q(customer_id=int(term))
    try:
        named = UUID(term)
    except ValueError:
        return Q(pk__in=[])
    return Q(saga_id=named) | Q(order_id=named)
