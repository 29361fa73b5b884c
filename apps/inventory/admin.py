"""Stock, reservations and movements to look at, and the desk where returned goods arrive."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from unfold.decorators import display

from apps.inventory.acts import RECEIVE, REFUSE, announced
from apps.inventory.models import (
    Arrival,
    BarrierNote,
    DeadLetter,
    Intent,
    OperatorAction,
    OutboxMessage,
    ReservationListing,
    SagaLogListing,
    Stock,
    StockMovement,
)
from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    IntentAdmin,
    KeyedByTwo,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    ReadOnlyAdmin,
    SagaLogAdmin,
)
from apps.messaging.admin.acting import Acting


@admin.register(Stock)
class StockAdmin(ReadOnlyAdmin):
    """How much there is of what."""

    list_display = ("product_id", "name", "on_hand", "reserved", "shipped")
    search_fields = ("=product_id", "name")
    search_help_text = "Product id in full, or part of its name"
    ordering = ("product_id",)


@admin.register(ReservationListing)
class ReservationAdmin(KeyedByTwo):
    """What is set aside for whom."""

    list_display = ("product_id", "quantity", "status", "saga_id", "reserved_at", "settled_at")
    list_filter = ("status",)
    search_fields = ("=saga_id", "=product_id")
    search_help_text = "Order number, order id, saga id or product id"
    ordering = ("-saga_id", "-product_id")  # UUIDv7: the newest first
    exclude = ("id",)  # made of saga and product
    second = "product_id"


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin):
    """What moved, when and why."""

    list_display = (
        "moved_at", "product_id", "kind", "on_hand", "reserved", "shipped", "saga_id", "reason",
    )  # fmt: skip
    list_filter = ("kind",)
    search_fields = ("=product_id", "=saga_id")
    search_help_text = "Product id, order number, order id or saga id"
    ordering = ("-id",)
    sorted_by = {"moved_at": "id"}


class OverdueFilter(admin.SimpleListFilter):
    """What should have arrived, or will have to soon."""

    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("over", "overdue"), ("soon", "within 3 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Arrival]) -> QuerySet[Arrival]:
        expected = queryset.filter(status="expected")
        if self.value() == "over":
            return expected.filter(due_at__lte=Now())
        if self.value() == "soon":
            return expected.filter(due_at__lte=Now() + timedelta(days=3))
        return queryset


@admin.register(Arrival)
class ArrivalAdmin(Acting, ReadOnlyAdmin):
    """Goods that customers send back: who announced them, what is expected, what came."""

    acts = (RECEIVE, REFUSE)

    list_display = (
        "announced_at", "status", "goods", "due_at", "customer_id", "decided_by", "order_id",
        "saga_id",
    )  # fmt: skip
    list_filter = ("status", OverdueFilter)
    search_fields = ("=order_id", "=saga_id", "=customer_id")
    search_help_text = "Order number or id, saga id, customer number or name"
    ordering = ("-announced_at", "-id")
    fields = (
        ("status", "due_at"),
        "goods",
        "found",
        ("customer_id", "decided_by"),
        ("order_id", "saga_id"),
        ("announced_at", "closed_at"),
    )

    @display(description="expected")
    def goods(self, arrival: Arrival) -> str:
        return ", ".join(announced(arrival))

    @display(description="accepted")
    def found(self, arrival: Arrival) -> str:
        lines = [
            f"{each['quantity']} x {each['product_id']}"
            + (f" ({each['damaged']} damaged)" if each["damaged"] else "")
            for each in arrival.accepted
        ]
        return ", ".join(lines) or "-"


admin.site.register(Intent, IntentAdmin)
admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
