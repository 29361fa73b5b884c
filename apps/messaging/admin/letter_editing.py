"""Correcting a parked message in the admin: look, correct, check, send.

To correct is to see the payload. So it begins with the page of every act, which asks for a reason;
what follows is one form that is posted with its `stage`:

- none: the reason is right; the payload is shown, which is written down;
- check: what was typed is compared with what a replay sends now, and checked against its type;
- send: what was checked is sent. What was changed since the check is checked first.

Whatever is refused, what was typed stays in the form. No browser keeps these pages: the admin tells
it so of all of its own.
"""

import json
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import BoundField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.contracts import headers as h
from apps.contracts.catalogue import MESSAGES
from apps.messaging.admin.acting import Act, ActForm, given_by, in_words
from apps.messaging.admin.letter_acts import EDIT, REVEAL, Letter, parts_of
from apps.messaging.admin.letter_diff import (
    Line,
    as_sent,
    changed_headers,
    difference,
    looks_like,
    readable,
)  # fmt: skip
from apps.messaging.admin.letter_page import LetterPage
from apps.messaging.admin.step_up import confirm_address, confirmed_lately
from apps.messaging.database import Database
from apps.messaging.dead_letter_edits import CHANGEABLE, FIXED
from apps.messaging.dead_letter_history import was_shown
from apps.messaging.dead_letter_operations import preview_edit
from apps.messaging.dead_letter_previews import Preview
from apps.messaging.errors import EditRefused, LetterMoved, MessagingError

CHECK, SEND = "check", "send"  # stages
HEADER = "header_"  # before a header's name: its field in the form
WHAT_IT_IS = {
    h.TYPE: "the message's name",
    h.VERSION: "of its type, a whole number",
    h.MODE: "orchestrated or choreographed",
    h.PLAN: "process/version/mode/step,step,…",
    h.CAUSATION_ID: "the id of the message that led to this one",
    h.TRACEPARENT: "of the trace; it decides nothing",
}
CHANGED_SINCE_CHECK = (
    "You changed something after the check, so nothing was sent. Look at the difference again, then"
    " send it."
)
FIRST_SAY_WHY = "Say first why you look at this message: it shows the payload."


class CorrectionForm(ActForm):
    """The payload as text, and the headers that may be corrected."""

    checked = forms.CharField(widget=forms.HiddenInput, required=False)
    payload = forms.CharField(
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 16, "spellcheck": "false"}),
        help_text="JSON, as the outline shows it.",
    )

    def __init__(self, *args: Any, subject: Letter, **others: Any) -> None:
        super().__init__(*args, subject=subject, **others)
        for name in CHANGEABLE:
            self.fields[HEADER + name] = forms.CharField(
                label=name,
                required=False,
                widget=UnfoldAdminTextInputWidget(),
                help_text=WHAT_IT_IS[name],
            )

    def clean_payload(self) -> str:
        """JSON at all; what its fields must be, the service says."""
        text: str = self.cleaned_data["payload"]
        try:
            json.loads(text)
        except json.JSONDecodeError as wrong:
            raise ValidationError(
                f"This is no JSON: {wrong.msg} in line {wrong.lineno}, column {wrong.colno}."
                " Correct it there, then check again."
            ) from wrong
        return text

    def clean(self) -> dict[str, Any]:
        """With the headers that differ from what a replay sends now."""
        cleaned = super().clean() or self.cleaned_data
        before = self.subject.letter.sent_headers
        given = {name: cleaned.pop(HEADER + name, "") for name in CHANGEABLE}
        changed = {name: text for name, text in given.items() if text != before.get(name, "")}
        return {**cleaned, "headers": changed}

    def payload_sent(self) -> bytes:
        return as_sent(self.cleaned_data["payload"], self.subject.letter.sent_payload)

    def sign(self) -> str:
        """Of all that is sent: what was checked is what is sent."""
        told = (self.cleaned_data["version"], self.cleaned_data["headers"], self.payload_sent())
        return sha256(repr(told).encode()).hexdigest()

    def is_checked(self) -> bool:
        return self.cleaned_data["checked"] == self.sign()

    def keep(self, **values: str) -> None:
        """Show what was typed, with these hidden fields."""
        data: Any = self.data.copy()  # type: ignore[attr-defined]  # of a QueryDict: mutable
        for name, value in values.items():
            data[name] = value
        self.data = data

    def refuse(self, refused: EditRefused) -> None:
        """Tell what is wrong at the field where it is."""
        field, problem = getattr(refused, "field", ""), str(vars(refused).get("problem", ""))
        said = in_plain_words(problem)
        if field in CHANGEABLE:
            self.add_error(HEADER + field, f"{said} Correct it, then check again.")
        elif field == "payload":
            self.add_error("payload", f"{said} Correct that field, then check again.")
        elif field.startswith("$"):
            self.add_error("payload", f"{field}: {said} Correct its name or leave it out.")
        else:
            self.add_error(None, said)

    @property
    def has_wrong_header(self) -> bool:
        return any(name.startswith(HEADER) for name in self.errors)

    @property
    def header_fields(self) -> list[BoundField]:
        return [self[HEADER + name] for name in CHANGEABLE]


def in_plain_words(problem: str) -> str:
    """What is wrong with a field, without the names that programs have for kinds of values."""
    plain = KIND_IN_BACKTICKS.sub(lambda found: KINDS.get(found[1], f"“{found[1]}”"), problem)
    return f"{plain[:1].upper()}{plain[1:]}{'' if plain.endswith('?') else '.'}"


# As msgspec names them.
KIND_IN_BACKTICKS = re.compile(r"`([^`]*)`")
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "fields in braces",
    "null": "null",
    "uuid": "an id",
}


class Checked(NamedTuple):
    """What a correction changes and what comes of it, to be looked at before it is sent."""

    preview: Preview
    payload: Sequence[Line]
    headers: Sequence[Line]


class LetterEditing(LetterPage):
    """The pages that show a payload: to look at it, and to correct it."""

    def act_view(self, request: HttpRequest, object_id: str, *, act: Act) -> HttpResponse:
        """Who typed for longer than a confirmation holds confirms anew, and loses nothing."""
        if act is EDIT and not (self.may_act(request, EDIT) and self.may_act(request, REVEAL)):
            raise PermissionDenied
        typed = request.method == "POST" and act is EDIT and request.POST.get("stage")
        if typed and not confirmed_lately(request):
            subject = self.subject_of(request, unquote(object_id))
            if subject is not None:
                form = CorrectionForm(request.POST, subject=subject, user=request.user)
                confirm = confirm_address(request)
                return self._editor(request, subject, form, status=403, confirm=confirm)
        return super().act_view(request, object_id, act=act)

    def _act(self, request: HttpRequest, act: Act, subject: Any, key: str) -> HttpResponse:
        if act is EDIT and (stage := request.POST.get("stage", "")):
            return self._correct(request, subject, key, stage)
        if act not in (EDIT, REVEAL):
            return super()._act(request, act, subject, key)
        form = act.form(request.POST, subject=subject, user=request.user)
        if not form.is_valid():
            return self._show(request, act, subject, form=form, status=400)
        shown = REVEAL.carry_out(subject, given_by(request, form)).text
        if act is REVEAL:
            return self._revealed(request, subject, shown)
        return self._editor(request, subject, first_form(request, subject, shown, form))

    # --- stages

    def _correct(self, request: HttpRequest, subject: Letter, key: str, stage: str) -> HttpResponse:
        """Check a correction, or send the one that was checked."""
        database = Database(subject.context)
        if not was_shown(database, subject.letter.id, request.user.pk):
            messages.warning(request, FIRST_SAY_WHY)
            return redirect(self.address_of(subject, EDIT.name))
        form = CorrectionForm(request.POST, subject=subject, user=request.user)
        if not form.is_valid():
            return self._editor(request, subject, form, status=400)
        try:
            if stage == SEND and form.is_checked():
                outcome = EDIT.carry_out(subject, given_by(request, form))
                messages.success(request, outcome.text)
                return redirect(self.address_of(subject))
            checked = checked_of(subject, form)
        except EditRefused as refused:
            form.refuse(refused)
            return self._editor(request, subject, form, status=400)
        except MessagingError as refusal:
            return self._too_late(request, key, form, refusal)
        form.keep(checked=form.sign())
        remark = CHANGED_SINCE_CHECK if stage == SEND else ""
        return self._editor(request, subject, form, checked=checked, remark=remark)

    def _too_late(
        self, request: HttpRequest, key: str, form: CorrectionForm, refusal: MessagingError
    ) -> HttpResponse:
        """The message has changed since; what was typed stays, for the message as it is now."""
        now = self.subject_of(request, key)
        assert now is not None  # letters are settled, never deleted
        seen = form.cleaned_data["version"]
        form.keep(version=str(now.letter.version), checked="")
        changes = self.changes_since(now, seen)
        told: dict[str, Any] = {"refusal": in_words(refusal), "changes": changes}
        return self._editor(request, now, form, status=409, **told)

    def _editor(
        self,
        request: HttpRequest,
        subject: Letter,
        form: CorrectionForm,
        *,
        checked: Checked | None = None,
        status: int = 200,
        **told: Any,
    ) -> HttpResponse:
        letter = subject.letter
        context = {
            **self._page_of(request, subject, EDIT),
            "form": form,
            "checked": checked,
            "parts": parts_of(checked.preview) if checked else [],
            "looks_like": outline_of(letter.sent_headers),
            "fixed": [
                (name, value, FIXED[name])
                for name, value in letter.sent_headers.items()
                if name in FIXED
            ],
            "is_open": EDIT.preview(subject, "").allowed,
            "why_not": EDIT.preview(subject, "").why_not,
            **told,
        }
        return TemplateResponse(request, "admin/dead_letters/edit.html", context, status=status)

    def _revealed(self, request: HttpRequest, subject: Letter, payload: str) -> HttpResponse:
        context = {**self._page_of(request, subject, REVEAL), "payload": payload}
        return TemplateResponse(request, "admin/dead_letters/revealed.html", context)

    def _page_of(self, request: HttpRequest, subject: Letter, act: Act) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": act.label,
            "opts": self.opts,
            "media": self.media,
            "object": subject.row,
            "letter": subject.letter,
            "act": act,
            "back": self.address_of(subject),
        }


def first_form(
    request: HttpRequest, subject: Letter, payload: str, asked: ActForm
) -> CorrectionForm:
    """The form as it is shown first: the message as a replay would send it."""
    headers = subject.letter.sent_headers
    initial = {
        "version": subject.letter.version,
        "payload": payload,
        "reason": asked.cleaned_data["reason"],
        **{HEADER + name: headers.get(name, "") for name in CHANGEABLE},
    }
    return CorrectionForm(initial=initial, subject=subject, user=request.user)


def checked_of(subject: Letter, form: CorrectionForm) -> Checked:
    """What the correction changes and what comes of it. Raises EditRefused, NothingToReplay and
    LetterMoved."""
    letter, given = subject.letter, form.cleaned_data
    payload = form.payload_sent()
    preview = preview_edit(
        context=subject.context, letter_id=letter.id, payload=payload, headers=given["headers"]
    )
    if preview.version != given["version"]:
        raise LetterMoved(id=str(letter.id), seen=given["version"], now=preview.version)
    return Checked(
        preview,
        difference(readable(letter.sent_payload), readable(payload)),
        changed_headers(letter.sent_headers, given["headers"]),
    )


def outline_of(headers: dict[str, str]) -> tuple[str, str] | None:
    """What the message's type is called and looks like; None where no such type is known."""
    version = headers.get(h.VERSION, "")
    name = headers.get(h.TYPE, "")
    known = MESSAGES.get((name, int(version) if version.isdecimal() else 0))
    return (name, looks_like(known)) if known else None
