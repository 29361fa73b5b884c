"""Showing what is masked: to who may, confirmed lately who they are and gives a reason.

    def address_view(admin, request, order):
        return reveal(
            request, title="Show the address", permission="orders.reveal_order",
            asked="…", back=address_of(order), show=lambda actor, reason: …,
        )

GET asks for the reason. POST is answered by 403 without the permission, a redirect to
`admin:confirm` where it was not confirmed lately, 400 without a reason, 409 where `show` refuses,
and else by what `show` returns, which writes the audit row before. The admin site lets no browser
keep an answer.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.messaging.admin.step_up import confirm_address, confirmed_lately
from apps.messaging.audit import Actor, checked_reason
from apps.messaging.errors import MessagingError, ReasonMissing, sentence_of

TEMPLATE = "admin/revealing.html"


class Revealed(NamedTuple):
    """What was masked: facts with their names, or a text as it is."""

    facts: Sequence[tuple[str, str]] = ()
    text: str = ""


Show = Callable[[Actor, str], Revealed]  # by whom, and why


class ReasonForm(forms.Form):
    """Why somebody wants to see it."""

    reason = forms.CharField(
        help_text="Whoever reads the audit later must understand why.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    def clean_reason(self) -> str:
        """A reason has words."""
        try:
            return checked_reason(self.cleaned_data["reason"])
        except ReasonMissing as missing:
            raise ValidationError(sentence_of(missing)) from missing


def reveal(
    request: HttpRequest, *, title: str, permission: str, asked: str, back: str, show: Show
) -> HttpResponse:
    """The page that asks for the reason, and then shows; `asked` says in a sentence what for."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    told: dict[str, Any] = {"title": title, "asked": asked, "back": back}
    if request.method != "POST":
        confirm = "" if confirmed_lately(request) else confirm_address(request)
        return _page(request, form=ReasonForm(), confirm=confirm, **told)
    if not confirmed_lately(request):
        return redirect(confirm_address(request))
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, status=400, **told)
    actor = Actor(request.user.pk, request.user.get_username())
    try:
        revealed = show(actor, form.cleaned_data["reason"])
    except MessagingError as refusal:
        return _page(request, form=form, refusal=sentence_of(refusal), status=409, **told)
    return _page(request, revealed=revealed, **told)


def _page(request: HttpRequest, *, status: int = 200, **told: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), **told}
    return TemplateResponse(request, TEMPLATE, context, status=status)
