"""The desk in the admin: what a person should look at, who looks, and the ways out."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.contracts.catalogue import Action
from apps.messaging.admin import ReadOnlyAdmin
from apps.messaging.admin.acting import (
    Act,
    ActForm,
    Acting,
    Foreseen,
    Given,
    Outcome,
    Part,
    in_words,
)
from apps.messaging.admin.filters import OpenValuesFilter
from apps.messaging.audit import Actor
from apps.messaging.display import clock, in_one_line, moment, took, words
from apps.sagas import operations
from apps.sagas.admin.operating import exits, plain
from apps.sagas.admin.standing import PARAMETER, SETTLED, Standing, StandingFilter
from apps.sagas.desk import OF_SAGAS
from apps.sagas.errors import CaseSettlesItself
from apps.sagas.models import Case, OperatorAction


class Subject(NamedTuple):
    """A case, and who looks at it."""

    row: Case
    user: Any


# --- lists


class OpenFilter(StandingFilter):
    def is_open(self) -> Q:
        return Q(closed_at=None)


class KindFilter(OpenValuesFilter):
    is_open = Q(closed_at=None)


class OwnerFilter(admin.SimpleListFilter):
    """Whose they are."""

    title = "owner"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", "mine"), ("nobody", "nobody's")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:
        if self.value() == "mine":
            return queryset.filter(owner_id=request.user.pk)
        return queryset.filter(owner_id=None) if self.value() == "nobody" else queryset


# --- what can be done to a case


class NoteForm(ActForm):
    """The remark is the reason."""

    reason = forms.CharField(label="Note", widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


class TakeForm(ActForm):
    """Who takes a case seldom has more to say than this."""

    def __init__(self, *args: Any, **others: Any) -> None:
        super().__init__(*args, **others)
        self.fields["reason"].initial = "I look into it."


class AssignForm(ActForm):
    """To somebody of the staff."""

    owner = forms.TypedChoiceField(label="To", coerce=int, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **others: Any) -> None:
        super().__init__(*args, **others)
        staff = get_user_model()._default_manager.filter(is_staff=True, is_active=True)
        found = staff.exclude(pk=self.user.pk).order_by("username").values_list("pk", "username")
        self.names = dict(found)
        self.fields["owner"].choices = list(found)  # type: ignore[attr-defined]  # a ChoiceField

    def clean_owner(self) -> Actor:
        """Number and name."""
        chosen = self.cleaned_data["owner"]
        return Actor(chosen, self.names[chosen])


def settled(case: Case) -> str:
    """Why nothing can be done to it any more."""
    return f"It is settled: {plain(case.closed_by)}." if case.closed_at else ""


def foresee_owner(subject: Subject, choice: str, *, mine: bool) -> Foreseen:
    case = subject.row
    why_not = settled(case)
    if mine and case.owner_id == subject.user.pk:
        why_not = why_not or "It is yours already."
    now = f"It is {case.owner}'s now." if case.owner else "It is nobody's now."
    return Foreseen(case.version, why_not=why_not, parts=[Part("Owner", [now])])


def foresee_note(subject: Subject, choice: str) -> Foreseen:
    kept = "The note is kept with the case for good, with your name."
    return Foreseen(subject.row.version, parts=[Part("What follows", [kept])])


def assign(subject: Subject, given: Given, owner: Actor) -> Outcome:
    operations.assign_case(
        case_id=subject.row.id,
        owner=owner,
        version=given.version,
        actor=given.actor,
        reason=given.reason,
    )
    return Outcome(f"Done. The case is {owner.name}'s.")


def take(subject: Subject, given: Given) -> Outcome:
    return assign(subject, given, given.actor)


def give(subject: Subject, given: Given) -> Outcome:
    return assign(subject, given, given.fields["owner"])


def note(subject: Subject, given: Given) -> Outcome:
    operations.add_note(case_id=subject.row.id, actor=given.actor, reason=given.reason)
    return Outcome("Done. The note is kept with the case.")


def foresee_close(subject: Subject, choice: str) -> Foreseen:
    case = subject.row
    why_not = settled(case)
    if case.kind in OF_SAGAS:
        why_not = why_not or in_words(CaseSettlesItself(kind=case.kind))
    follows = ["It leaves the desk.", "Nothing is done to the saga or the order."]
    return Foreseen(case.version, why_not=why_not, parts=[Part("What follows", follows)])


def close(subject: Subject, given: Given) -> Outcome:
    operations.close_case(
        case_id=subject.row.id, version=given.version, actor=given.actor, reason=given.reason
    )
    return Outcome("Done. The case is closed.")


ACTS = (
    Act(
        name="take", label="Take it", icon="back_hand", permission="assign_case",
        sentence="Makes you the owner of the case.", form=TakeForm,
        preview=partial(foresee_owner, mine=True), carry_out=take,
    ),
    Act(
        name="assign", label="Give to", icon="person_add", permission="assign_case",
        sentence="Makes somebody else the owner of the case.", form=AssignForm,
        preview=partial(foresee_owner, mine=False), carry_out=give,
    ),
    Act(
        name="note", label="Note", icon="add_comment", permission="note_case",
        sentence="Puts a remark on the case.", form=NoteForm,
        preview=foresee_note, carry_out=note,
    ),
    Act(
        name="close", label="Close the case", icon="task_alt", permission="close_case",
        sentence="Takes a case off the desk that nothing else closes.",
        preview=foresee_close, carry_out=close,
    ),
)  # fmt: skip


class Acted(NamedTuple):
    """What a person did, for people."""

    at: object
    actor: str
    did: str
    reason: str
    outcome: str


def acted(where: Q) -> list[Acted]:
    """What people did, oldest first."""
    return [
        Acted(
            moment(each.at),
            each.actor,
            f"{words(each.operation)} {words(each.step)}".strip(),
            each.why,
            plain(each.outcome),
        )
        for each in OperatorAction.objects.filter(where).order_by("id")
    ]


class CaseAdmin(Standing, Acting, ReadOnlyAdmin):
    """What a person should look at, and what was settled."""

    acts = ACTS
    when_empty = "Nothing waits for a person."
    change_form_outer_before_template = "admin/sagas/case/bars.html"
    change_form_outer_after_template = "admin/sagas/case/history.html"
    list_display = (
        "opened_at", "order", "kind", "about", "reason", "age", "owner", "closed_by",
    )  # fmt: skip
    fields = (
        ("kind", "about"),
        "reason",
        ("owner", "age"),
        ("opened_at", "closed_at"),
        ("context", "closed_by"),
        ("order", "saga_id"),
    )
    list_filter = (OpenFilter, OwnerFilter, ("kind", KindFilter))
    search_fields = ("=saga_id", "=owner")
    search_help_text = "Order number, order id, saga id or owner"
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by = {"opened_at": "id"}

    def get_list_display(self, request: HttpRequest) -> Any:
        """What closed it, only where settled ones are among them: a search looks for all."""
        columns = super().get_list_display(request)
        if request.GET.get(PARAMETER) == SETTLED or request.GET.get(SEARCH_VAR):
            return columns
        return [each for each in columns if each != "closed_by"]

    @display(description="about")
    def about(self, case: Case) -> str:
        """What it is about, in words."""
        return f"{'undoing ' * (case.action == Action.UNDO)}{words(case.step)}"

    @display(description="age")
    def age(self, case: Case) -> SafeString:
        """For how long it stood or stands there."""
        return in_one_line(took((case.closed_at or timezone.now()) - case.opened_at))

    def subject_of(self, request: HttpRequest, key: str) -> Subject | None:
        case = super().subject_of(request, key)
        return Subject(case, request.user) if case else None

    def row_of(self, subject: Subject) -> Case:
        return subject.row

    def changes_since(self, subject: Subject, version: int) -> Sequence[object]:
        """What people did to the case, and that it was settled."""
        case = subject.row
        done = OperatorAction.objects.filter(subject_id=case.id, version__gte=version)
        lines = [
            format_html("{} {}: {}", clock(each.at), each, each.outcome)
            for each in done.order_by("id")
        ]
        if case.closed_at:
            by = plain(case.closed_by)
            lines.append(format_html("{} settled: {}", clock(case.closed_at), by))
        return lines

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With what people did about the case and its saga, and the saga's ways out of it."""
        case = self.get_object(request, object_id) if self.has_view_permission(request) else None
        context = {**(extra_context or {})}
        if case:
            context["acted"] = acted(Q(subject_id=case.id) | Q(saga_id=case.saga_id))
            context["exits"] = [] if case.closed_at else exits(request, case.saga_id, case.step)
        return super().change_view(request, object_id, form_url, context)
