"""What the API answers, as plain JSON values. Money is in cents of the order's currency."""

from typing import Any
from uuid import UUID

import msgspec
from django.urls import reverse

from apps.orders.models import Order, OrderEvent, OrderLine, OrderStatus
from apps.orders.selectors import is_wrapped, refusal_of
from apps.orders.services import Answer, NewOrder


def accepted(order: NewOrder) -> Answer:
    """The 202: the order exists, its saga has started."""
    body = {
        "id": order.id,
        "number": order.number,
        "status": OrderStatus.PLACED,
        "links": {"self": url_of(order.id)},
    }
    return Answer(202, msgspec.json.encode(body).decode())


def summary(order: Order) -> dict[str, Any]:
    """An order in a list."""
    refusal = refusal_of(order)
    return {
        "id": str(order.id),
        "number": order.number,
        "status": order.status,
        "currency": order.currency,
        "total_cents": order.total_cents,
        "placed_at": order.placed_at,
        "ended_at": order.ended_at,
        "refusal": refusal._asdict() if refusal else None,
        "links": {"self": url_of(order.id)},
    }


def detail(order: Order) -> dict[str, Any]:
    """An order with all that its customer may know of it."""
    return summary(order) | {
        "payment_method": order.payment_method,
        "gift_wrap": {"wished": order.gift_wrap, "planned": is_wrapped(order)},
        "address": {
            "name": order.address_name,
            "street": order.address_street,
            "postal_code": order.address_postal_code,
            "city": order.address_city,
            "country": order.address_country,
        },
        "lines": [_line(each) for each in order.lines.all()],
        "timeline": [_event(each) for each in order.events.all()],
    }


def url_of(order_id: UUID) -> str:
    """Where an order can be read."""
    return reverse("order", args=[order_id])


def _line(line: OrderLine) -> dict[str, Any]:
    return {
        "product_id": line.product_id,
        "quantity": line.quantity,
        "unit_price_cents": line.unit_price_cents,
    }


def _event(event: OrderEvent) -> dict[str, Any]:
    return {"at": event.at, "type": event.type, **event.facts}
