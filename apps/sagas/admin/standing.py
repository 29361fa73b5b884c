"""Lists of what is to be decided and what was: two tabs, and the open ones come first."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.contracts.numbers import number_of
from apps.messaging.display import in_one_line, link
from apps.sagas.models import Saga

OPEN, SETTLED = "open", "settled"
PARAMETER = "standing"


class StandingFilter(admin.SimpleListFilter):
    """The open ones, unless the settled ones are asked for; a search looks among all."""

    title = "standing"
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(OPEN, "open"), (SETTLED, "settled")]

    def choices(self, changelist: Any) -> Any:
        """The two, without a third for both."""
        return list(super().choices(changelist))[1:]

    def value(self) -> str:
        return SETTLED if super().value() == SETTLED else OPEN

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if request.GET.get(SEARCH_VAR) and PARAMETER not in request.GET:
            return queryset
        is_open = self.is_open()
        return queryset.filter(~is_open if self.value() == SETTLED else is_open)

    def is_open(self) -> Q:
        """What of the model is open."""
        raise NotImplementedError


class Standing:
    """Mixin of an admin class whose first filter is a StandingFilter. Keys are UUIDv7."""

    when_empty: ClassVar[str]  # what the list says where nothing is open
    list_before_template = "admin/sagas/case/tabs.html"
    ordering = ("-id",)  # UUIDv7: the newest first
    model: type[Model]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the order of each one's saga."""
        of_saga = Saga.objects.filter(saga_id=OuterRef("saga_id")).values("order_id")
        return super().get_queryset(request).annotate(order_id=Subquery(of_saga))  # type: ignore[misc]

    @display(description="order")
    def order(self, row: Any) -> SafeString | str:
        """Its number, which leads to the saga; a saga that never started has none."""
        if row.order_id is None:
            return "-"
        return link("sagas_saga", row.saga_id, in_one_line(number_of(row.order_id)))

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Of the open ones the oldest first; of the others the newest."""
        return ("-id",) if request.GET.get(PARAMETER) == SETTLED else ("id",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = SETTLED if request.GET.get(PARAMETER) == SETTLED else OPEN
        tabs = [(each.title(), f"?{PARAMETER}={each}", each == shown) for each in (OPEN, SETTLED)]
        context = {"standing_tabs": tabs, **(extra_context or {})}
        return super().changelist_view(request, context)  # type: ignore[misc]
