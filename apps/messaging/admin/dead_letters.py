"""Parked messages in the admin."""

from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.messaging.admin.read_only import ReadOnlyAdmin
from apps.messaging.models import DeadLetter


class DeadLetterAdmin(ReadOnlyAdmin):
    """Messages that could not be handled, and those that wait behind one."""

    list_display = (
        "parked_at", "status", "saga_id", "step", "type", "cause", "settled_at",
    )  # fmt: skip
    list_filter = ("status",)
    search_fields = ("=saga_id", "=message_id", "=error_type", "=fingerprint")
    search_help_text = "Saga id, message id, type of error or fingerprint, in full"
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by = {"parked_at": "id"}
    exclude = ("payload", "edited_payload", "key")  # may hold personal data

    @display(description="error", ordering="error_type")
    def cause(self, letter: DeadLetter) -> SafeString | str:
        """Empty for a message that only waits."""
        if not letter.error_type:
            return "-"
        shown = '<div class="lg:min-w-56">{}: {}</div>'
        return format_html(shown, letter.error_type, letter.error)
