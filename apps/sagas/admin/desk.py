"""The desk in the admin: what a person should look at."""

from django.contrib import admin

from apps.messaging.admin import ReadOnlyAdmin


class CaseAdmin(ReadOnlyAdmin):
    """What a person should look at, and what was settled."""

    list_display = (
        "opened_at", "kind", "step", "reason", "owner", "closed_at", "closed_by", "saga_id",
    )  # fmt: skip
    list_filter = (("closed_at", admin.EmptyFieldListFilter), "kind")
    search_fields = ("=saga_id", "=owner")
    search_help_text = "Order number, order id, saga id or owner"
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by = {"opened_at": "id"}
