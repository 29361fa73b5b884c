"""Lists of what messaging keeps in every context beside the parked messages."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.messaging.admin.filters import KnownFilter, LatelyFilter
from apps.messaging.admin.letter_words import DID
from apps.messaging.admin.read_only import KeyedByTwo, ReadOnlyAdmin
from apps.messaging.context import context
from apps.messaging.dead_letter_edits import masked_headers
from apps.messaging.display import document
from apps.messaging.models import IntentStatus, OutboxMessage
from apps.messaging.wiring import wiring

CALLABLE = (IntentStatus.DUE, IntentStatus.CLAIMED, IntentStatus.UNKNOWN, IntentStatus.WAITING)


class OutboxMessageAdmin(ReadOnlyAdmin):
    """Messages that the broker has not acknowledged yet: normally none, or very young ones."""

    list_display = ("created_at", "topic", "saga_id")
    search_fields = ("=saga_id", "=id")
    search_help_text = "Order number, order id, saga id or message id"
    ordering = ("id",)  # UUIDv7: the oldest first
    sorted_by = {"created_at": "id"}
    # Not the payload, which may be personal.
    fields = ("id", "saga_id", ("topic", "created_at"), "shown_headers")

    @display(description="headers")
    def shown_headers(self, message: OutboxMessage) -> SafeString | str:
        return document(masked_headers(json.loads(message.headers)))


class SagaLogAdmin(KeyedByTwo):
    """What the context did for which saga: the lock of each step, and the answer it was given."""

    list_display = ("started_at", "saga_id", "step", "status", "generation", "answer_type",
                    "changed_at")  # fmt: skip
    search_fields = ("=saga_id",)
    search_help_text = "Order number, order id or saga id"
    ordering = ("-saga_id", "-step")  # UUIDv7: the newest first
    exclude = ("id",)  # made of saga and step
    second = "step"


class CallFilter(KnownFilter):
    title = "operation"
    parameter_name = "operation"

    def known(self, context_name: str) -> Iterable[str]:
        return sorted(wiring(context_name).calls)


class DueFilter(SimpleListFilter):
    """The calls that a worker could take now: those that `intents_due` counts."""

    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", "now")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "now":
            return queryset
        could_be_made = Q(leased_until=None) | Q(leased_until__lte=Now())
        return queryset.filter(could_be_made, status__in=CALLABLE, due_at__lte=Now())


class IntentAdmin(ReadOnlyAdmin):
    """Calls to the outside world: those to be made, under way, and made."""

    list_display = (
        "created_at", "status", "operation", "step", "action", "attempt", "due_at", "reason",
        "saga_id",
    )  # fmt: skip
    list_filter = ("status", DueFilter, CallFilter)
    search_fields = ("=saga_id", "=subject", "=key")
    search_help_text = "Order number, order id, saga id, subject or key"
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by = {"created_at": "id"}
    exclude = ("details", "request", "undo", "fence")  # may hold personal data


class BarrierNoteAdmin(ReadOnlyAdmin):
    """Decisions of the barrier that were not the ordinary ones."""

    list_display = ("noted_at", "decision", "saga_id", "step", "action", "generation")
    search_fields = ("=saga_id", "=message_id")
    search_help_text = "Order number, order id, saga id or message id"
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by = {"noted_at": "id"}


class DeedFilter(KnownFilter):
    title = "operation"
    parameter_name = "operation"

    def known(self, context_name: str) -> Iterable[str]:
        return sorted({*DID, *context(context_name).operations})


class DoneFilter(LatelyFilter):
    title = "done"
    parameter_name = "done_within"
    field = "at"


class OperatorActionAdmin(ReadOnlyAdmin):
    """What people did by hand, to what, and why."""

    list_display = (
        "at", "actor", "operation", "subject_kind", "saga_id", "step", "reason", "outcome",
    )  # fmt: skip
    list_filter = (DeedFilter, "subject_kind", DoneFilter)
    search_fields = ("=saga_id", "=subject_id", "=actor")
    search_help_text = "Order number, order id, saga id, subject's id or actor"
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by = {"at": "id"}
