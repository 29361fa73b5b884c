"""Orders to find and read. Nothing here changes one."""

from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from apps.orders.models import Order, OrderEvent, OrderLine
from apps.orders.selectors import refusal_of


class ReadOnly:
    """No adding, changing or deleting, whoever asks."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Lines(ReadOnly, TabularInline):
    model = OrderLine
    fields = ("position", "product_id", "quantity", "unit_price")
    readonly_fields = ("unit_price",)
    ordering = ("position",)

    @admin.display(description="Unit price")
    def unit_price(self, line: OrderLine) -> str:
        return money(line.unit_price_cents, line.order.currency)


class Events(ReadOnly, TabularInline):
    model = OrderEvent
    verbose_name_plural = "Timeline"
    fields = ("at", "step", "type", "facts")
    ordering = ("at", "step", "type")


@admin.register(Order)
class OrderAdmin(ReadOnly, ModelAdmin):
    """Search by number, order id, saga id or customer id."""

    list_display = ("number", "status", "customer_id", "total", "placed_at", "ended_at")
    list_filter = ("status", "placed_at")
    search_fields = ("number",)
    search_help_text = "Number, order id, saga id or customer id"
    ordering = ("-id",)
    show_full_result_count = False
    inlines = (Lines, Events)
    fields = (
        ("number", "status", "refusal"),
        ("id", "saga_id"),
        ("customer_id", "total", "payment_method"),
        ("gift_wrap", "plan"),
        ("placed_at", "ended_at"),
        "masked_address",
    )
    readonly_fields = ("refusal", "total", "masked_address")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        return (queryset.filter(_found_by(search_term)) if search_term else queryset), False

    @admin.display(ordering="total_cents")
    def total(self, order: Order) -> str:
        return money(order.total_cents, order.currency)

    def refusal(self, order: Order) -> str:
        refused = refusal_of(order)
        return f"{refused.step}: {refused.reason}" if refused else "-"

    @admin.display(description="Address (masked)")
    def masked_address(self, order: Order) -> str:
        return f"{order.address_name[:1]}***, {order.address_city}, {order.address_country}"


def money(cents: int, currency: str) -> str:
    """Cents as people write them: 12.34 GBP."""
    return f"{cents / 100:,.2f} {currency}"


def _found_by(term: str) -> Q:
    """Exact matches, each by an index: a list of millions is searched as fast as a short one."""
    term = term.strip()
    found = Q(number=term.upper())
    if term.isdecimal() and len(term) < 19:
        found |= Q(customer_id=int(term))
    if wanted := _uuid(term):
        found |= Q(id=wanted) | Q(saga_id=wanted)
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
