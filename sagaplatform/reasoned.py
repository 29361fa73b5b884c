"""Changes in the admin that need a reason, and leave a row in the audit."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Manager, Model
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.messaging.admin.pages import Section
from apps.messaging.audit import Actor, checked_reason
from apps.messaging.display import moment
from apps.messaging.errors import ReasonMissing
from sagaplatform.models import StaffAction
from sagaplatform.staff_actions import told, write_down

SECRET = {"password", "password1", "password2"}
NEWEST = 20


class ReasonField(forms.CharField):
    """Why; in words."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label="Reason",
            max_length=500,
            help_text="Why you change this. Whoever reads the audit later must understand it.",
            widget=UnfoldAdminTextInputWidget,
            **kwargs,
        )

    def clean(self, value: Any) -> str:
        try:
            return checked_reason(super().clean(value))
        except ReasonMissing as error:
            raise ValidationError(str(error.__doc__)) from error


class ReasonedForm(forms.ModelForm):
    """Any change, with its reason."""

    reason = ReasonField()


class Reasoned:
    """Mixin of an admin class: nothing is changed without a reason, and nothing is deleted; what is
    over is turned off.

    Forms have a field `reason`. Who did what is written down in the change's own transaction.
    """

    form: Any = ReasonedForm
    change_form_template: Any = "admin/reasoned_change_form.html"
    actions: Any = ()

    # Of the admin class that this is mixed into.
    model: Any
    opts: Any
    get_object: Any
    has_add_permission: Any
    has_change_permission: Any
    has_view_permission: Any

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """With the reason below, for those who may change something."""
        found = [
            (title, {**options, "fields": [each for each in options["fields"] if each != "reason"]})
            for title, options in super().get_fieldsets(request, obj)  # type: ignore[misc]
        ]
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return [*found, ("Why", {"fields": ["reason"]})] if may else found

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        form.before = self._seen(obj, form.changed_data) if change else {}
        super().save_model(request, obj, form, change)  # type: ignore[misc]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Write down what was changed, when all of it is saved."""
        super().save_related(request, form, formsets, change)  # type: ignore[misc]
        after = self._seen(form.instance, form.changed_data)
        changed = {name for name in after if form.before.get(name) != after[name]}
        before = {name: value for name, value in form.before.items() if name in changed}
        after = {name: value for name, value in after.items() if name in changed}
        if after:
            verb, reason = "change" if change else "add", form.cleaned_data["reason"]
            self.tell(request, verb, form.instance, before, after, reason)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        """With what was done to it before."""
        subject = self.get_object(request, object_id)
        context = {**(extra_context or {}), "staff_actions": self._history(request, subject)}
        return super().change_view(request, object_id, form_url, context)  # type: ignore[misc]

    def tell(
        self, request: HttpRequest, verb: str, subject: Model, before: Mapping[str, object],
        after: Mapping[str, object], reason: str,
    ) -> None:  # fmt: skip
        """Write down what whoever asks has done to a subject."""
        write_down(
            actor=Actor(request.user.pk, request.user.get_username()),
            operation=f"{verb}_{self.kind}", subject_kind=self.kind, subject=str(subject),
            before=before, after=after, reason=reason,
        )  # fmt: skip

    @property
    def kind(self) -> str:
        """What people call a thing of this table."""
        return str(self.opts.verbose_name).replace(" ", "_")

    def _seen(self, subject: Any, names: Iterable[str]) -> dict[str, object]:
        """The stored values of those fields that the table has."""
        stored = self.model._default_manager.get(pk=subject.pk)
        return {name: _value(stored, name) for name in names if self._is_field(name)}

    def _is_field(self, name: str) -> bool:
        try:
            self.opts.get_field(name)
        except FieldDoesNotExist:
            return False
        return True

    def _history(self, request: HttpRequest, subject: Model | None) -> Section | None:
        if subject is None or not self.has_view_permission(request, subject):
            return None
        found = StaffAction.objects.filter(subject_kind=self.kind, subject=str(subject))
        rows = [
            (moment(each.at), each.actor, told(each.before), told(each.after), each.reason)
            for each in found.order_by("-id")[:NEWEST]
        ]
        return Section("Who changed this", ("At", "Who", "Before", "After", "Why"), rows)


class ReasonedAdmin(Reasoned, ModelAdmin):
    """A table of its own."""


def _value(subject: Any, name: str) -> object:
    """A value as the audit keeps it; of a secret only that there is one."""
    if name in SECRET:
        return "set"
    value = getattr(subject, name)
    if isinstance(value, Manager):
        return sorted(map(str, value.all()))
    return value if isinstance(value, bool | int | None) else str(value)
