"""The page of the audit: who did what, to what, and why, in every database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.messaging.admin.filters import moment_of
from apps.messaging.admin.pages import Section
from apps.messaging.context import contexts
from apps.messaging.display import link, moment, words
from apps.ops.audit import LAST, Action, Wanted, actions, operations

PER_PAGE = 50
HEADERS = ("At", "Who", "Did", "To", "Step", "Why", "Outcome")
PAGES = {"saga": "sagas_saga", "case": "sagas_case", "approval": "sagas_approval"}


def in_zone(text: str) -> SafeString:
    """A label that says in which zone a moment is entered; lists.js makes it the reader's own."""
    return format_html("{} <span data-zone>(UTC)</span>", text)


class MomentField(forms.CharField):
    """A moment, or none. lists.js enters it in the reader's zone; without it a time is in UTC."""

    def __init__(self, **others: Any) -> None:
        shown = {"data-moment": True, "placeholder": "2026-11-26 09:00", "autocomplete": "off"}
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget(shown), **others)

    def clean(self, value: Any) -> datetime | None:
        text: str = super().clean(value)
        try:
            return moment_of(text) if text else None
        except IncorrectLookupParameters as wrong:
            raise forms.ValidationError("This is no time, as 2026-11-26 09:00 is one.") from wrong


class AuditFilter(forms.Form):
    """What to look for; all of it may be empty."""

    actor = forms.CharField(label="Who", required=False, widget=UnfoldAdminTextInputWidget)
    operation = forms.ChoiceField(label="Did", required=False, widget=UnfoldAdminSelectWidget)
    saga = forms.UUIDField(label="Saga id", required=False, widget=UnfoldAdminTextInputWidget)
    since = MomentField(label=in_zone("From"))
    until = MomentField(label=in_zone("To"))
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [("", "anything"), *((each, words(each)) for each in operations())]
        self.fields["operation"].choices = known  # type: ignore[attr-defined]

    def wanted(self) -> Wanted:
        """What a valid form asks for."""
        given = self.cleaned_data
        return Wanted(
            actor=given["actor"].strip(),
            operation=given["operation"],
            saga_id=given["saga"],
            since=given["since"],
            until=given["until"],
            before=given["before"] or LAST,
        )


def may_audit(request: HttpRequest) -> bool:
    """Whoever may look at what people did in every context."""
    return all(request.user.has_perm(f"{each.label}.view_operatoraction") for each in contexts())


@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    """The newest actions that are asked for, a page at a time."""
    if not may_audit(request):
        raise PermissionDenied
    form = AuditFilter(request.GET)
    found = actions(form.wanted(), limit=PER_PAGE + 1) if form.is_valid() else []
    shown = found[:PER_PAGE]
    context = {
        **admin.site.each_context(request),
        "title": "Audit",
        "subtitle": None,
        "form": form,
        "section": Section("Newest first", HEADERS, list(map(_row, shown))),
        "older": _older(request, shown[-1]) if len(found) > PER_PAGE else "",
        "newer": "before" in request.GET and _newest(request),
    }
    status = 200 if form.is_valid() else 400
    return render(request, "admin/audit.html", context, status=status)


def _row(action: Action) -> Sequence[object]:
    return (
        moment(action.at), action.actor, words(action.operation), _subject(action),
        words(action.step), action.reason, action.outcome,
    )  # fmt: skip


def _subject(action: Action) -> object:
    kind = words(action.subject_kind)
    if not action.context:
        return f"{kind} {action.subject}"
    page = PAGES.get(
        action.subject_kind, f"{action.context}_{action.subject_kind.replace('_', '')}"
    )
    text = f"{kind} …{action.subject[-12:]}"
    return link(page, action.subject, text)


def _older(request: HttpRequest, last: Action) -> str:
    return f"?{urlencode({**request.GET.dict(), 'before': last.id})}"


def _newest(request: HttpRequest) -> str:
    return f"?{urlencode({name: v for name, v in request.GET.dict().items() if name != 'before'})}"
