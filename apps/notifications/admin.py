"""What customers were told, and how it went out of the house. Addresses are masked."""

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.messaging.admin import (
    BarrierNoteAdmin,
    DeadLetterAdmin,
    IntentAdmin,
    OperatorActionAdmin,
    OutboxMessageAdmin,
    ReadOnlyAdmin,
    SagaLogAdmin,
)
from apps.messaging.admin.acting import Acting
from apps.messaging.admin.pages import Page, Pages
from apps.messaging.admin.revealing import Revealed, reveal
from apps.messaging.audit import Actor
from apps.notifications.acts import SEND_AGAIN
from apps.notifications.models import (
    BarrierNote,
    Channel,
    Contact,
    CustomerMessage,
    DeadLetter,
    Dispatch,
    Intent,
    OperatorAction,
    OutboxMessage,
    SagaLogListing,
)
from apps.notifications.services import reveal_address


@admin.register(CustomerMessage)
class CustomerMessageAdmin(ReadOnlyAdmin):
    """What was sent to whom."""

    list_display = (
        "sent_at", "subject", "kind", "customer_id", "read_at", "order_id", "saga_id",
    )  # fmt: skip
    list_filter = ("kind",)
    search_fields = ("=saga_id", "=customer_id")
    search_help_text = "Order number or id, saga id, customer number or user name"
    ordering = ("-id",)
    sorted_by = {"sent_at": "id"}
    exclude = ("facts",)  # the text says them


def address_view(admin: "DispatchAdmin", request: HttpRequest, dispatch: Dispatch) -> HttpResponse:
    """Where a message goes to: by permission, with a reason, audited."""

    def show(actor: Actor, reason: str) -> Revealed:
        found = reveal_address(dispatch_id=dispatch.pk, actor=actor, reason=reason)
        return Revealed([(Channel(dispatch.channel).label, found)])

    return reveal(
        request,
        title="Show the address",
        permission="notifications.reveal_dispatch",
        asked=f"Where the {dispatch} goes.",
        back=reverse("admin:notifications_dispatch_change", args=[dispatch.pk]),
        show=show,
    )


@admin.register(Dispatch)
class DispatchAdmin(Acting, Pages, ReadOnlyAdmin):
    """How each message went out of the house, by each channel."""

    acts = (SEND_AGAIN,)
    pages: ClassVar[list[Page]] = [Page("address", "address/", address_view)]

    list_display = (
        "queued_at", "status", "kind", "channel", "code", "attempt", "customer_id", "order_id",
        "saga_id",
    )  # fmt: skip
    list_filter = ("status", "channel", "kind")
    search_fields = ("=order_id", "=saga_id", "=customer_id")
    search_help_text = "Order number or id, saga id, customer number or user name"
    ordering = ("-queued_at", "-id")
    fields = (
        ("status", "code"),
        ("kind", "channel"),
        ("customer_id", "order_id"),
        ("queued_at", "changed_at"),
        ("attempt", "due_at"),
        ("saga_id", "address"),
    )

    @display(description="address (masked)")
    def address(self, dispatch: Dispatch) -> SafeString:
        page = reverse("admin:notifications_dispatch_address", args=[dispatch.pk])
        return format_html(
            '<a class="text-primary-600 dark:text-primary-400 underline" href="{}">{}</a>',
            page, "Show the address",
        )  # fmt: skip


@admin.register(Contact)
class ContactAdmin(ReadOnlyAdmin):
    """Where customers wish to be told. To read an address, open a message that goes there."""

    list_display = ("customer_id", "masked_email", "masked_push_url", "undeliverable_since",
                    "changed_at")  # fmt: skip
    search_fields = ("=customer_id",)
    search_help_text = "Customer number or user name"
    ordering = ("-customer_id",)
    fields = (
        "customer_id",
        ("masked_email", "undeliverable_since"),
        "masked_push_url",
        "changed_at",
    )

    @display(description="e-mail (masked)")
    def masked_email(self, contact: Contact) -> str:
        return f"{contact.email[0]}***" if contact.email else "-"

    @display(description="push (masked)")
    def masked_push_url(self, contact: Contact) -> str:
        return "https://***" if contact.push_url else "-"


admin.site.register(Intent, IntentAdmin)
admin.site.register(OutboxMessage, OutboxMessageAdmin)
admin.site.register(SagaLogListing, SagaLogAdmin)
admin.site.register(DeadLetter, DeadLetterAdmin)
admin.site.register(BarrierNote, BarrierNoteAdmin)
admin.site.register(OperatorAction, OperatorActionAdmin)
