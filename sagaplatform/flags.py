"""Flags in the admin: switches read when a saga starts, each with who turned it and why."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from waffle import get_waffle_switch_model

from apps.messaging.display import moment
from sagaplatform.reasoned import ReasonedAdmin

Switch = get_waffle_switch_model()
Switch._meta.verbose_name, Switch._meta.verbose_name_plural = "flag", "flags"
admin.site.unregister(Switch)
HELP = {
    "name": "As the code asks for it.",
    "active": "Whether sagas that start from now on have it.",
    "note": "What it turns on.",
}


@admin.register(Switch)
class SwitchAdmin(ReasonedAdmin):
    """What is on. A flip changes the sagas that start after it, and no other."""

    list_display = ("name", "active", "note", "changed")
    list_filter = ("active",)
    search_fields = ("name", "note")
    fields = ("name", "active", "note", "reason")
    kind = "flag"

    @admin.display(description="changed", ordering="modified")
    def changed(self, switch: Any) -> SafeString | str:
        return moment(switch.modified)

    def formfield_for_dbfield(self, field: Any, request: HttpRequest, **words: Any) -> Any:
        return super().formfield_for_dbfield(field, request, **words, help_text=HELP[field.name])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A flag keeps its name: the code asks for it."""
        return ("name",) if obj else ()
