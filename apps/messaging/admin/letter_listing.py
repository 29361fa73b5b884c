"""Finding parked messages in the admin: tabs by status, search, filters, columns."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.decorators import display

from apps.contracts.catalogue import Action
from apps.messaging.admin.filters import LatelyFilter, OpenValuesFilter
from apps.messaging.admin.finding import rows_named
from apps.messaging.admin.letter_words import ago, gist
from apps.messaging.admin.read_only import ReadOnlyAdmin
from apps.messaging.context import context, contexts
from apps.messaging.database import Database
from apps.messaging.dead_letter_rows import count_parked, counts
from apps.messaging.display import in_one_line, words
from apps.messaging.models import DeadLetter, ParkedStatus

LONGEST_ERROR = 120  # of a column; all of it is on the letter's page
FINGERPRINT_LENGTH = 16
STATUS = "status__exact"  # in the address
FILTERED = ("action", "error_type", "parked_within", "step", "type")


class ParkedFilter(LatelyFilter):
    title = "parked"
    parameter_name = "parked_within"
    field = "parked_at"


class OfOpenLetters(OpenValuesFilter):
    is_open = Q(status__in=[ParkedStatus.PARKED, ParkedStatus.WAITING])


class LetterListing(ReadOnlyAdmin):
    """The list of one context's parked messages."""

    list_display = (
        "old", "status", "asked_step", "type", "cause", "tries", "behind", "saga_id",
    )  # fmt: skip
    list_filter = (
        ("step", OfOpenLetters),
        ("type", OfOpenLetters),
        ("error_type", OfOpenLetters),
        ("action", OfOpenLetters),
        ParkedFilter,
    )
    search_fields = ("=saga_id",)  # and what named_by says
    search_help_text = (
        "Order number, saga id, message id, letter id or fingerprint in full; else words of the"
        " error, a step or a type"
    )
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by: ClassVar[dict[str, str]] = {"old": "id"}
    list_before_template = "admin/dead_letters/tabs.html"

    @property
    def context_name(self) -> str:
        """The context that registers it: its app, its database, the name in its topics."""
        return self.model._meta.app_label

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """With how many wait in the saga of each."""
        waiting = (
            self.model._default_manager.filter(
                saga_id=OuterRef("saga_id"), status=ParkedStatus.WAITING
            )
            .order_by()
            .values("saga_id")
            .annotate(count=Count("*"))
            .values("count")
        )
        return super().get_queryset(request).annotate(waiting=Subquery(waiting))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter], search_term: str
    ) -> tuple[QuerySet[DeadLetter], bool]:
        term = search_term.strip()
        of_saga = rows_named(self.model, self.get_search_fields(request), term)
        return (queryset.filter(named_by(term) | of_saga) if term else queryset), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With a tab for each status, and what is parked in other contexts."""
        own: dict[str, Any] = {}
        if self.has_view_permission(request):
            own = {
                "status_tabs": status_tabs(self.context_name, request.GET),
                "elsewhere": parked_elsewhere(request, self.context_name),
                "groups_address": groups_address(self.context_name),
            }
        return super().changelist_view(request, {**own, **(extra_context or {})})

    # --- columns

    @display(description="parked", ordering="id")
    def old(self, letter: DeadLetter) -> SafeString:
        return ago(letter.parked_at, timezone.now())

    @display(description="step", ordering="step")
    def asked_step(self, letter: DeadLetter) -> SafeString:
        undoes = letter.action in (Action.UNDO, Action.FENCE)
        step = f"{letter.action} {words(letter.step)}" if undoes else words(letter.step)
        return in_one_line(step or "-")

    @display(description="error", ordering="error_type")
    def cause(self, letter: DeadLetter) -> SafeString | str:
        """In one line; empty for a message that only waits."""
        if not letter.error_type:
            return "-"
        error = f"{letter.error_type}: {letter.error}"
        line = Truncator(gist(letter.error_type, letter.error)).chars(LONGEST_ERROR)
        return format_html('<div class="letter-error" title="{}">{}</div>', error, line)

    @display(description="tried", ordering="attempts")
    def tries(self, letter: DeadLetter) -> str:
        """How often it failed, and how often people sent it again."""
        by_hand = f", {letter.replays} by hand" if letter.replays else ""
        return f"{letter.attempts}{by_hand}"

    @display(description="behind it")
    def behind(self, letter: DeadLetter) -> str:
        """How many wait for it."""
        holds_up = letter.blocks_saga and letter.status == ParkedStatus.PARKED
        waiting: int | None = letter.waiting  # type: ignore[attr-defined]  # see get_queryset
        return f"{waiting} waiting" if holds_up and waiting else "-"

    class Media:
        css = {"all": ["sagaplatform/letters.css"]}


def named_by(term: str) -> Q:
    """The letters that a search term names. Ids by an index; words wherever the error has them."""
    try:
        named = UUID(term)
    except ValueError:
        pass
    else:
        return Q(saga_id=named) | Q(message_id=named) | Q(id=named)
    found = Q(error__icontains=term) | Q(error_type__iexact=term) | Q(type__iexact=term)
    found |= Q(step__iexact=term.replace(" ", "_"))
    return found | Q(fingerprint=term.lower()) if len(term) == FINGERPRINT_LENGTH else found


def status_tabs(name: str, asked: QueryDict) -> list[dict[str, Any]]:
    """A tab for each status with its count; what else was asked for stays asked for."""
    found = counts(Database(name))
    kept = QueryDict(mutable=True)
    for key, values in asked.lists():
        if key == "q" or key.split("__")[0] in FILTERED:
            kept.setlist(key, values)
    tabs = [{"label": "all", "count": sum(found.values()), "address": f"?{kept.urlencode()}"}]
    for status in ParkedStatus.values:
        query = kept.copy()
        query[STATUS] = status
        tab = {"label": status, "count": found.get(status, 0), "address": f"?{query.urlencode()}"}
        tabs.append(tab)
    open_one = asked.get(STATUS) or "all"
    return [{**each, "is_open": each["label"] == open_one} for each in tabs]


def parked_elsewhere(request: HttpRequest, name: str) -> list[dict[str, Any]]:
    """How many are parked in the other contexts that somebody may look at, where there are any."""
    return [
        {
            "name": each,
            "count": count,
            "address": f"{reverse(f'admin:{each}_deadletter_changelist')}?{STATUS}=parked",
        }
        for each in visible_contexts(request)
        if each != name and (count := count_parked(context(each).database))
    ]


def visible_contexts(request: HttpRequest) -> list[str]:
    """The contexts whose parked messages somebody may look at."""
    names = [each.label for each in contexts() if "deadletter" in each.models]
    return [each for each in names if request.user.has_perm(f"{each}.view_deadletter")]


def groups_address(name: str) -> str:
    """The page of a context's groups."""
    return reverse(f"admin:{name}_deadletter_groups")
