"""Orders to find and read. Nothing here changes one."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Q, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline

from apps.contracts.values import RefundTo
from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    ReadOnly,
    ReadOnlyAdmin,
    SagaLogAdmin,
    customer_named,
    uuid_of,
)
from apps.messaging.admin.acting import Acting
from apps.messaging.admin.filters import KnownFilter, LatelyFilter
from apps.messaging.admin.pages import Page, Pages, Section
from apps.messaging.admin.revealing import Revealed, reveal
from apps.messaging.audit import Actor
from apps.messaging.display import moment, money, words
from apps.orders.mode_acts import SET_MODE
from apps.orders.models import (
    BarrierNote,
    DeadLetter,
    ModeShare,
    OperatorAction,
    Order,
    OrderEvent,
    OrderLine,
    OutboxMessage,
    Return,
    SagaLogListing,
)
from apps.orders.modes import changes_of
from apps.orders.selectors import (
    cancellation_of,
    events_in_order,
    is_wrapped,
    prospect_of_order,
    refusal_of,
)
from apps.orders.services import reveal_address


class OfOrder(ReadOnly, TabularInline):
    """Rows of one order, read with it: they show amounts in its currency."""

    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("order")


class Lines(OfOrder):
    model = OrderLine
    verbose_name_plural = "Lines"
    fields = ("product_id", "quantity", "unit_price", "price")
    readonly_fields = ("unit_price", "price")
    ordering = ("position",)

    def unit_price(self, line: OrderLine) -> str:
        return money(line.unit_price_cents, line.order.currency)

    def price(self, line: OrderLine) -> str:
        return money(line.quantity * line.unit_price_cents, line.order.currency)


class Events(OfOrder):
    model = OrderEvent
    verbose_name_plural = "Timeline"
    fields = ("told_at", "shown_step", "type", "told")
    readonly_fields = ("told_at", "shown_step", "told")
    ordering = ("at", "step", "type")

    @admin.display(description="At")
    def told_at(self, event: OrderEvent) -> SafeString | str:
        return moment(event.at)

    @admin.display(description="Step")
    def shown_step(self, event: OrderEvent) -> str:
        return words(event.step)

    @admin.display(description="Facts")
    def told(self, event: OrderEvent) -> SafeString:
        lines = [_fact(name, value, event.order.currency) for name, value in event.facts.items()]
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines))


class PlacedFilter(LatelyFilter):
    title = "placed"
    parameter_name = "placed_within"
    field = "placed_at"


MAY_REVEAL = "orders.reveal_order"


def address_view(admin: "OrderAdmin", request: HttpRequest, order: Order) -> HttpResponse:
    """The address of one order: by permission, with a reason, audited."""

    def show(actor: Actor, reason: str) -> Revealed:
        found = reveal_address(order_id=order.id, actor=actor, reason=reason)
        return Revealed([(words(name).capitalize(), getattr(found, name)) for name in SHOWN])

    return reveal(
        request,
        title="Show the address",
        permission=MAY_REVEAL,
        asked=f"Where the parcel of order {order.number} goes.",
        back=reverse("admin:orders_order_change", args=[order.pk]),
        show=show,
    )


SHOWN = ("name", "street", "postal_code", "city", "country")


@admin.register(Order)
class OrderAdmin(Pages, ReadOnlyAdmin):
    """Search by number, order id, saga id or customer id."""

    pages: ClassVar[list[Page]] = [Page("address", "address/", address_view)]

    list_display = ("number", "status", "total_cents", "customer_id", "placed_at", "ended_at")
    list_filter = ("status", PlacedFilter)
    search_fields = ("number",)
    search_help_text = "Number, order id, saga id, customer number or user name"
    ordering = ("-id",)
    sorted_by = {"placed_at": "id"}
    inlines = (Lines, Events)
    fields = (
        ("number", "status"),
        ("total_cents", "payment_method"),
        ("gift", "refusal"),
        ("customer_id", "masked_address"),
        ("placed_at", "ended_at"),
        ("wish_to_cancel", "can_be_cancelled"),
        ("id", "saga_id"),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        return (queryset.filter(_found_by(search_term)) if search_term else queryset), False

    def refusal(self, order: Order) -> str:
        prefetch_related_objects([order], events_in_order())
        refused = refusal_of(order)
        return f"{words(refused.step)}: {refused.reason}" if refused else "-"

    @admin.display(description="Wish to cancel")
    def wish_to_cancel(self, order: Order) -> SafeString | str:
        """Where it stands, the customer's words, and why not."""
        wish = cancellation_of(order)
        if wish is None:
            return "-"
        said = [words(wish.status), wish.reason and f"“{wish.reason}”", wish.why_not]
        times = [moment(wish.requested_at), wish.decided_at and moment(wish.decided_at)]
        shown = [each for each in (*said, *times) if each]
        return format_html_join("", "<div>{}</div>", ((each,) for each in shown))

    @admin.display(description="Can be cancelled")
    def can_be_cancelled(self, order: Order) -> str:
        """As the customer is told."""
        prefetch_related_objects([order], events_in_order())
        prospect = prospect_of_order(order)
        return words(prospect.how) if prospect.how else prospect.why_not

    @admin.display(description="Gift wrap")
    def gift(self, order: Order) -> str:
        """What was wished, and what the plan made of it."""
        if is_wrapped(order):
            return "in the plan"
        return "wished, but not to be had when the order was placed" if order.gift_wrap else "-"

    @admin.display(description="Address (masked)")
    def masked_address(self, order: Order) -> str:
        return f"{order.address_name[:1]}***, {order.address_city}, {order.address_country}"


class RefundToFilter(KnownFilter):
    title = "refund to"
    parameter_name = "refund_to"

    def known(self, context_name: str) -> Iterable[str]:
        return RefundTo


@admin.register(Return)
class ReturnAdmin(ReadOnlyAdmin):
    """Goods that customers send back, and what they get for them."""

    list_display = (
        "requested_at", "status", "order", "refunded_cents", "refund_to", "awaited_until",
        "decided_at", "saga_id",
    )  # fmt: skip
    list_filter = ("status", RefundToFilter)
    list_select_related = ("order",)
    search_fields = ("=order__number", "=saga_id", "=order__customer_id")
    search_help_text = "Order number, saga id, customer number or name"
    ordering = ("-id",)  # UUIDv7: the newest first
    sorted_by = {"requested_at": "id"}
    currency = "order.currency"
    fields = (
        ("order", "status"),
        "goods",
        ("refunded_cents", "refund_to"),
        ("reason", "why_not"),
        ("requested_at", "decided_at"),
        ("awaited_until", "saga_id"),
    )

    @admin.display(description="Goods")
    def goods(self, parcel: Return) -> SafeString:
        """What is sent back at which price, and how much of it was accepted."""
        lines = [
            f"{each.quantity} x {each.product_id} at"
            f" {money(each.unit_price_cents, parcel.order.currency)}, {each.accepted} accepted"
            for each in parcel.lines.order_by("product_id")
        ]
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines))


@admin.register(ModeShare)
class ModeShareAdmin(Acting, ReadOnlyAdmin):
    """How new sagas of each process are driven: by the engine, or that many of them by events."""

    acts = (SET_MODE,)

    change_form_template = "admin/reasoned_change_form.html"
    list_display = ("process", "by_events", "changed_at", "by_whom", "why")
    fields = ("process", "by_events", "changed_at", "by_whom", "why")
    readonly_fields = ("by_events", "by_whom", "why")
    search_fields = ("=process",)
    search_help_text = "Name of the process"
    ordering = ("process",)

    @admin.display(description="New sagas by events")
    def by_events(self, share: ModeShare) -> str:
        return f"{share.choreographed_percent} %"

    @admin.display(description="By whom")
    def by_whom(self, share: ModeShare) -> str:
        return _last(share, "actor")

    @admin.display(description="Reason")
    def why(self, share: ModeShare) -> str:
        return _last(share, "reason")

    def changes_since(self, subject: ModeShare, version: int) -> list[str]:
        found = [each for each in changes_of(subject.process) if each.version >= version]
        return [f"{each.actor}: {each.outcome} ({each.reason})" for each in found]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        """With who changed it before."""
        rows = [
            (moment(each.at), each.actor, each.outcome, each.reason)
            for each in changes_of(unquote(object_id))
        ]
        section = Section("Who changed this", ("At", "Who", "What", "Why"), rows)
        context = {"staff_actions": section, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)


def _last(share: ModeShare, name: str) -> str:
    """Something of the last change; nobody has made one of a mode that is as it came."""
    found = changes_of(share.process, most=1)
    return getattr(found[0], name) if found else "-"


def _fact(name: str, value: object, currency: str) -> str:
    if name.endswith("_cents") and isinstance(value, int):
        return f"{words(name.removesuffix('_cents'))}: {money(value, currency)}"
    return f"{words(name)}: {value}"


def _found_by(term: str) -> Q:
    """Exact matches, each by an index: a list of millions is searched as fast as a short one."""
    term = term.strip()
    found = Q(number=term.upper())
    if (customer := customer_named(term)) is not None:
        found |= Q(customer_id=customer)
    if wanted := uuid_of(term):
        found |= Q(id=wanted) | Q(saga_id=wanted)
    return found


admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
