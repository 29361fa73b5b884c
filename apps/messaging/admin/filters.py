"""Filters of lists that ask no table for all that there is to choose from, as some of Django's do.

Those of a form are its fields, so that every choice is in the address.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, NamedTuple

from django.contrib.admin import AllValuesFieldListFilter, ListFilter, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.messaging.display import words

LARGEST = Decimal(10**15)  # more in cents fits no bigint


class Choice(NamedTuple):
    """Something to choose: how it stands in the address, and for people."""

    value: str
    text: str


class FormFilter(ListFilter):
    """A filter whose parameters are fields of the form that Unfold puts around all of them."""

    names: ClassVar[tuple[str, ...]]  # of the parameters in the address

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.names:
            given = params.pop(name, [""])[-1].strip()
            if given:
                self.used_parameters[name] = given

    def given(self, name: str) -> str:
        """What stands in the address; empty: nothing."""
        return str(self.used_parameters.get(name, ""))

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.names)

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """Nothing beside itself, which the templates show."""
        yield from ()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(self.wanted()) if self.used_parameters else queryset

    def wanted(self) -> Q:
        """The rows that were chosen. Raises IncorrectLookupParameters."""
        raise NotImplementedError


class ChoiceFilter(FormFilter):
    """One of several."""

    template = "admin/filters/choice.html"

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def value(self) -> str:
        return self.given(self.name)

    def options(self) -> list[Choice]:
        """What there is to choose; another value that is in the address, too."""
        found = list(self.offered())
        if self.value and self.value not in {each.value for each in found}:
            found.append(Choice(self.value, self.value))
        return found

    def offered(self) -> Iterable[Choice]:
        raise NotImplementedError


class Bound(NamedTuple):
    """One end of a range, for the template."""

    name: str
    text: str
    value: str


class RangeFilter(FormFilter):
    """From and to, either of them optional. The upper end itself is left out of times."""

    template = "admin/filters/range.html"
    field: ClassVar[str]
    kind: ClassVar[str]  # how it is entered: moment or money
    below: ClassVar[str] = "lt"

    def bounds(self) -> list[Bound]:
        texts = ("from", "to")
        pairs = zip(self.names, texts, strict=True)
        return [Bound(name, text, self.given(name)) for name, text in pairs]

    def wanted(self) -> Q:
        read = READERS[self.kind]
        found = Q()
        for name, way in zip(self.names, ("gte", self.below), strict=True):
            if text := self.given(name):
                found &= Q((f"{self.field}__{way}", read(text)))
        return found


SPANS = {
    "1h": ("in the last hour", timedelta(hours=1)),
    "24h": ("in the last 24 hours", timedelta(hours=24)),
    "7d": ("in the last 7 days", timedelta(days=7)),
    "30d": ("in the last 30 days", timedelta(days=30)),
}


class LatelyFilter(SimpleListFilter):
    """How long ago. Spans that end now are the same in every zone, which days are not."""

    field: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, text) for value, (text, _) in SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Raises IncorrectLookupParameters."""
        if not (chosen := self.value()):
            return queryset
        if chosen not in SPANS:
            raise IncorrectLookupParameters(chosen)
        return queryset.filter(**{f"{self.field}__gte": timezone.now() - SPANS[chosen][1]})


class KnownFilter(SimpleListFilter):
    """One of the values that the code knows of the field `parameter_name`."""

    def known(self, context_name: str) -> Iterable[str]:
        """The values in one context."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Worded as Django words a field's choices."""
        return [(each, words(each).title()) for each in self.known(model_admin.opts.app_label)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(**{str(self.parameter_name): chosen}) if chosen else queryset


class OpenValuesFilter(AllValuesFieldListFilter):
    """The values of the rows that are open, which an index finds however many are settled."""

    is_open: ClassVar[Q]

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.lookup_choices = self.lookup_choices.filter(self.is_open)


def moment_of(text: str) -> datetime:
    """A day or a moment; in UTC, unless it says its zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise IncorrectLookupParameters(error) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def cents_of(text: str) -> int:
    """An amount as people write it: 12.34."""
    try:
        amount = Decimal(text.replace(",", ""))
    except InvalidOperation as error:
        raise IncorrectLookupParameters(error) from error
    if not amount.is_finite() or abs(amount) > LARGEST:
        raise IncorrectLookupParameters(text)
    return int(amount * 100)


READERS: dict[str, Callable[[str], object]] = {"moment": moment_of, "money": cents_of}
