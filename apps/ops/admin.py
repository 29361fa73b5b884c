"""The conservation checks in the admin: that they are made, and what they found."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from apps.messaging.admin import ReadOnlyAdmin
from apps.messaging.display import label
from apps.ops.models import ConservationCheck


@admin.register(ConservationCheck)
class ConservationCheckAdmin(ReadOnlyAdmin):
    """Whether all databases add up, each time that somebody looked."""

    list_display = ("checked_at", "outcome", "violations", "laws", "checked", "seconds")
    search_fields = ("broken",)
    search_help_text = "Words of a broken law, or of what broke it"
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by = {"checked_at": "id"}
    fields = (
        ("checked_at", "outcome"), ("laws", "checked"), ("violations", "live_sagas"), "examples",
    )  # fmt: skip

    def outcome(self, check: ConservationCheck) -> SafeString:
        return label("broken", "danger") if check.violations else label("holds", "success")

    def examples(self, check: ConservationCheck) -> SafeString | str:
        lines = (
            (f"{law['law']}: {law['sentence']}", example)
            for law in check.broken
            for example in law["examples"]
        )
        return format_html_join("", "<p>{}<br>{}</p>", lines) or "-"
