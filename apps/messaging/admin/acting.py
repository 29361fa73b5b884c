"""Pages on which people do something to a row: what would follow, why they do it, then the deed.

What can be done is data. An admin class names its acts, and each gets a page of its own,

    GET, POST /admin/<app>/<model>/<pk>/<act>/        admin:<app>_<model>_<act>

and a button on the page of the row:

    class LetterAdmin(Acting, ReadOnlyAdmin):
        acts = (
            Act(name="discard", label="Discard", sentence="Gives the message up for good.",
                icon="delete", permission="discard_deadletter", steps_up=True, dangerous=True,
                preview=foresee_discard, carry_out=discard),
        )

    def foresee_discard(letter, choice) -> Foreseen: ...    # reads, changes nothing
    def discard(letter, given) -> Outcome: ...              # calls one service

GET shows the consequences and a form. POST, in this order, is answered by
- 403 without the right to look at the row and the act's own permission; a redirect to the admin's
  home without the row, as Django does;
- a redirect to `admin:confirm` where the act, or what it would do now, wants people to have
  confirmed lately who they are;
- 400, nothing done, where the form is not right: a reason is always asked for;
- 409, nothing done, where the service refuses (`refusals`): the page says why, what has changed
  since, and what the act would do now; what was typed is kept, for the version that is now seen;
- a redirect to the row's page (or Outcome.address) with a message that tells what was observed.

Services check the version (`Given.version`, of what was shown) and write the audit row; the page
does neither. A subject is what previews and services need to know of a row: the row itself, or what
`subject_of` makes of it, once for all buttons.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.messaging.admin.step_up import confirm_address, confirmed_lately
from apps.messaging.audit import Actor, checked_reason
from apps.messaging.display import words
from apps.messaging.errors import MessagingError, ReasonMissing, sentence_of

COMPARED = frozenset({"id", "seen", "now"})  # of a refusal: what programs compare

# --- what can be done, as data


class Part(NamedTuple):
    """Some of the consequences under a heading: texts, or safe HTML; numbered where in order."""

    title: str
    lines: Sequence[object]
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What an act would do to a subject as it stands now."""

    version: int  # of the subject; the service is told which one was seen
    why_not: str = ""  # what stands in the way, and what can be done instead; empty: it is allowed
    parts: Sequence[Part] = ()
    remark: str = ""  # beside the form, as that somebody else has to approve
    button: str = ""  # what the form's button says then, in place of the act's label
    more: SafeString | str = ""  # safe HTML below the parts, as a diff
    steps_up: bool = False  # it moves money as the subject stands, though the act need not

    @property
    def allowed(self) -> bool:
        return not self.why_not


class Choice(NamedTuple):
    """One of several things that an act can be done to, as a step."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Given:
    """What a person gave with the form."""

    actor: Actor
    reason: str
    version: int
    choice: str
    fields: Mapping[str, Any]  # the form's further ones


class Outcome(NamedTuple):
    """What was observed after it was done."""

    text: str  # or safe HTML
    address: str = ""  # where it can be seen; empty: the subject's page
    done: bool = True  # False: it waits for something yet


class ActForm(forms.Form):
    """The reason, and what further fields a subclass declares. They may depend on the subject."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    choice = forms.CharField(widget=forms.HiddenInput, required=False)
    reason = forms.CharField(
        help_text="Whoever reads the audit later must understand why.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, subject: Any, user: Any, **others: Any) -> None:
        super().__init__(*args, **others)
        self.subject, self.user = subject, user
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def clean_reason(self) -> str:
        """A reason has words."""
        try:
            return checked_reason(self.cleaned_data["reason"])
        except ReasonMissing as missing:
            raise ValidationError(in_words(missing)) from missing

    def seen_anew(self, version: int) -> None:
        """Keep what was typed, for the version that is shown now."""
        self.data = dict(self.data.items()) | {"version": str(version)}


def _nothing_to_choose(subject: Any) -> Sequence[Choice]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that people can do to a row."""

    name: str  # in the address
    label: str  # on the button
    sentence: str  # what it does
    icon: str  # of Material Symbols
    permission: str  # codename in the model's app
    preview: Callable[[Any, str], Foreseen]  # of a subject, and the key of what was chosen
    carry_out: Callable[[Any, Given], Outcome]
    form: type[ActForm] = ActForm
    steps_up: bool = False  # it moves money whatever it is done to, or shows what is masked
    dangerous: bool = False  # it cannot be taken back
    choices: Callable[[Any], Sequence[Choice]] = _nothing_to_choose  # several: the page asks first


class Button(NamedTuple):
    """An act on the page of a row. What is off says why."""

    act: Act
    address: str
    off: str  # empty: it is on


class Buttons(list[Button]):
    """Those of one row."""

    @property
    def off(self) -> list[Button]:
        return [each for each in self if each.off]


# --- the pages


class Acting:
    """Mixin of an admin class: a page for each act, and the buttons that lead there."""

    acts: ClassVar[Sequence[Act]] = ()
    refusals: ClassVar[tuple[type[Exception], ...]] = (MessagingError,)
    change_form_outer_before_template = "admin/acting/bar.html"
    act_template = "admin/acting/page.html"

    # Of the admin class that this is mixed into.
    opts: Any
    admin_site: Any

    def subject_of(self, request: HttpRequest, key: str) -> Any | None:
        """What previews and services are given for a row; None where there is none."""
        return self.get_object(request, key)  # type: ignore[attr-defined]

    def row_of(self, subject: Any) -> Any:
        """The row that a subject was made of."""
        return subject

    def changes_since(self, subject: Any, version: int) -> Sequence[object]:
        """What happened to a subject since that version, a line each, for who came too late."""
        return ()

    def may_act(self, request: HttpRequest, act: Act) -> bool:
        """Whether somebody may look at such rows and do this."""
        may_look = self.has_view_permission(request)  # type: ignore[attr-defined]
        return may_look and request.user.has_perm(f"{self.opts.app_label}.{act.permission}")

    def buttons(self, request: HttpRequest, subject: Any) -> Buttons:
        """What this person may do to this subject. What is not possible now is off."""
        return Buttons(
            button_of(self.address_of(subject, act.name), act, subject)
            for act in self.acts
            if self.may_act(request, act)
        )

    def buttons_for(self, request: HttpRequest, key: str) -> Buttons:
        """The same by the row's key. Who may only look costs no statement; of what cannot be
        foreseen no button is shown."""
        if not any(self.may_act(request, act) for act in self.acts):
            return Buttons()
        try:
            subject = self.subject_of(request, key)
            return Buttons() if subject is None else self.buttons(request, subject)
        except self.refusals:
            return Buttons()

    def address_of(self, subject: Any, page: str = "change") -> str:
        """A page of the subject's row."""
        return self.page_of(quote(self.row_of(subject).pk), page)

    def page_of(self, object_id: str, page: str = "change") -> str:
        """A page of a row, by its key as it stands in addresses."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=[object_id])

    def get_urls(self) -> list[URLPattern]:
        named = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path(
                f"<path:object_id>/{act.name}/",
                self.admin_site.admin_view(partial(self.act_view, act=act)),
                name=f"{named}_{act.name}",
            )
            for act in self.acts
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of a row, with its buttons."""
        buttons = self.buttons_for(request, unquote(object_id))
        context = {"buttons": buttons, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)  # type: ignore[misc]

    def act_view(self, request: HttpRequest, object_id: str, *, act: Act) -> HttpResponse:
        """The page of an act."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if not self.may_act(request, act):
            raise PermissionDenied
        try:
            subject = self.subject_of(request, unquote(object_id))
        except self.refusals as refusal:  # nothing can be foreseen of it
            messages.error(request, in_words(refusal))
            return redirect(self.page_of(object_id))
        if subject is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        if request.method != "POST":
            return self._show(request, act, subject)
        choice = choice_of(act, subject, request)
        if not confirmed_lately(request) and steps_up(act, subject, choice):
            return redirect(confirm_address(request))
        return self._act(request, act, subject, unquote(object_id))

    def _act(self, request: HttpRequest, act: Act, subject: Any, key: str) -> HttpResponse:
        form = act.form(request.POST, subject=subject, user=request.user)
        if not form.is_valid():
            return self._show(request, act, subject, form=form, status=400)
        given = given_by(request, form)
        try:
            outcome = act.carry_out(subject, given)
        except self.refusals as refusal:
            now = self.subject_of(request, key) or subject
            told = {
                "refusal": in_words(refusal),
                "facts": facts_of(refusal),
                "changes": self.changes_since(now, given.version),
            }
            return self._show(request, act, now, form=form, status=409, **told)
        tell = messages.success if outcome.done else messages.warning
        tell(request, outcome.text)
        return redirect(outcome.address or self.address_of(subject))

    def _show(
        self,
        request: HttpRequest,
        act: Act,
        subject: Any,
        *,
        form: ActForm | None = None,
        status: int = 200,
        **told: Any,
    ) -> HttpResponse:
        """What the act would do now, and the form; where there is a choice, that first."""
        choices = act.choices(subject)
        asked = (request.GET if form is None else form.data).get("choice", "")
        choice = chosen(choices, asked)
        foreseen = act.preview(subject, choice.key if choice else asked)
        if form is None:
            initial = {"version": foreseen.version, "choice": choice.key if choice else ""}
            form = act.form(initial=initial, subject=subject, user=request.user)
        elif status == 409:
            form.seen_anew(foreseen.version)
        to_confirm = (act.steps_up or foreseen.steps_up) and not confirmed_lately(request)
        context = {
            **self.admin_site.each_context(request),
            "title": act.label,
            "opts": self.opts,
            "object": self.row_of(subject),
            "act": act,
            "foreseen": foreseen,
            "form": form,
            "choice": choice,
            "to_choose": [] if choice else links(choices),
            "back": self.address_of(subject),
            "confirm": confirm_address(request) if to_confirm and foreseen.allowed else "",
            **told,
        }
        return TemplateResponse(request, self.act_template, context, status=status)


def choice_of(act: Act, subject: Any, request: HttpRequest) -> str:
    """What was chosen, as the act would be carried out with it: the form takes blanks away."""
    form = act.form(request.POST, subject=subject, user=request.user)
    form.full_clean()
    choice: str = form.cleaned_data.get("choice", "")
    return choice


def steps_up(act: Act, subject: Any, choice: str) -> bool:
    """Whether people say who they are before this is done."""
    return act.steps_up or act.preview(subject, choice).steps_up


def button_of(address: str, act: Act, subject: Any, choice: str = "") -> Button:
    """The button that leads to an act's page, with what was chosen already. It is off where the act
    is possible for nothing that there is to choose."""
    found = [each.key for each in act.choices(subject)]
    keys = [choice] if choice else (found or [""])
    foreseen = [act.preview(subject, each) for each in keys]
    on = any(each.allowed for each in foreseen)
    query = f"?{urlencode({'choice': choice})}" if choice else ""
    return Button(act, f"{address}{query}", "" if on else foreseen[0].why_not)


def chosen(choices: Sequence[Choice], key: str) -> Choice | None:
    """What was chosen, be it because there is only one."""
    if len(choices) == 1:
        return choices[0]
    return next((each for each in choices if each.key == key), None)


def links(choices: Sequence[Choice]) -> list[tuple[str, str]]:
    """Where each choice leads, and its name."""
    return [(f"?{urlencode({'choice': each.key})}", each.label) for each in choices]


def given_by(request: HttpRequest, form: ActForm) -> Given:
    """Who acts, and what they gave."""
    fields = dict(form.cleaned_data)
    version, choice, reason = (fields.pop(each) for each in ("version", "choice", "reason"))
    actor = Actor(request.user.pk, request.user.get_username())
    return Given(actor, reason, version, choice, fields)


def in_words(refusal: Exception) -> str:
    """Why something was refused, for people."""
    if isinstance(refusal, MessagingError):
        return sentence_of(refusal)
    return str(refusal)


def facts_of(refusal: Exception) -> list[str]:
    """What a refusal tells beside its words, for people."""
    told = vars(refusal).items()
    return [f"{words(name)}: {value}" for name, value in told if name not in COMPARED]
