"""What others may read of notifications. Ask inside one transaction to see one moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet

from apps.notifications.models import Contact, CustomerMessage, MessageKind

# What steps have sent; the other kinds are news, which nobody asks for.
OF_STEPS = frozenset({MessageKind.CONFIRMED, MessageKind.CANCELLED, MessageKind.RETURNED})


@dataclass(frozen=True, slots=True)
class Repeated:
    """A kind of message that a customer got more than once for an order."""

    order_id: UUID
    kind: str
    times: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A message to a customer, without its text."""

    kind: str
    subject: str
    sent_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class MessageEffects:
    """How many messages of a kind one saga had sent."""

    saga_id: UUID
    kind: str
    sent: int


def sent_for(saga_id: UUID) -> list[Sent]:
    """What a saga had sent, oldest first."""
    found = CustomerMessage.objects.filter(saga_id=saga_id).order_by("id")
    return [Sent(*row) for row in found.values_list(*Sent.__slots__)]


def inbox(customer_id: int) -> QuerySet[CustomerMessage]:
    """A customer's messages, newest first."""
    return CustomerMessage.objects.filter(customer_id=customer_id).order_by("-id")


def message_count() -> int:
    """How many messages there are."""
    return CustomerMessage.objects.count()


def repeated() -> list[Repeated]:
    """What was sent more than once; a constraint keeps this empty, and the check trusts none."""
    alike = {MessageKind.RETURNED: ("saga_id", "order_id", "kind")}
    return [
        Repeated(*row)
        for kind in MessageKind
        for row in CustomerMessage.objects.filter(kind=kind)
        .values(*alike.get(kind, ("order_id", "kind")))
        .annotate(times=Count("id"))
        .filter(times__gt=1)
        .order_by("order_id")
        .values_list("order_id", "kind", "times")
    ]


def contact_of(customer_id: int) -> Contact | None:
    """Where a customer wishes to be told."""
    return Contact.objects.filter(customer_id=customer_id).first()


def effects() -> Iterator[MessageEffects]:
    """What the steps of each saga had sent, by saga."""
    asked = CustomerMessage.objects.filter(kind__in=OF_STEPS)
    counted = asked.values("saga_id", "kind").annotate(sent=Count("id"))
    rows = counted.order_by("saga_id", "kind").values_list("saga_id", "kind", "sent")
    for row in rows.iterator():
        yield MessageEffects(*row)
