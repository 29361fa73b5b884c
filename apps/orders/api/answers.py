"""What the API answers, as plain JSON values. Money is in cents of the order's currency."""

from typing import Any
from uuid import UUID

import msgspec
from django.urls import reverse

from apps.contracts.values import PaymentMethod
from apps.orders.models import (
    Cancellation,
    Order,
    OrderEvent,
    OrderLine,
    OrderStatus,
    Return,
    ReturnLine,
)
from apps.orders.selectors import (
    cancellation_of,
    is_wrapped,
    prospect_of_order,
    refusal_of,
    returnable_of_order,
)
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
        "links": {"self": url_of(order.id)} | _payment(order),
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
        "cancellation": _prospect(order),
        "returns": _returnable(order),
    }


def _payment(order: Order) -> dict[str, str]:
    """Where a payment by card tells how it stands and what it needs. That is payments', which need
    not run here: so the address is written, not looked up."""
    by_card = order.payment_method == PaymentMethod.CARD
    return {"payment": f"/api/v1/payments/{order.id}"} if by_card else {}


def cancellation(wish: Cancellation) -> dict[str, Any]:
    """A customer's wish to cancel an order, as it stands."""
    return {
        "status": wish.status,
        "reason": wish.reason or None,
        "why_not": wish.why_not or None,
        "requested_at": wish.requested_at,
        "decided_at": wish.decided_at,
        "links": {"self": cancellations_of(wish.order_id), "order": url_of(wish.order_id)},
    }


def cancellations_of(order_id: UUID) -> str:
    """Where the wish to cancel an order can be read."""
    return reverse("cancellations", args=[order_id])


def _prospect(order: Order) -> dict[str, Any]:
    """What can still be cancelled, how, and if not why; and what became of the wish to."""
    prospect, wish = prospect_of_order(order), cancellation_of(order)
    return {
        "possible": prospect.possible,
        "how": prospect.how,
        "code": prospect.code or None,
        "why_not": prospect.why_not or None,
        "wish": cancellation(wish) if wish else None,
    }


def goods_back(parcel: Return) -> dict[str, Any]:
    """A return, as it stands."""
    return {
        "id": str(parcel.id),
        "status": parcel.status,
        "lines": [_return_line(each) for each in parcel.lines.all()],
        "reason": parcel.reason or None,
        "refund_to": parcel.refund_to,
        "arrives_until": parcel.awaited_until,
        "refunded_cents": parcel.refunded_cents,
        "why_not": parcel.why_not or None,
        "requested_at": parcel.requested_at,
        "decided_at": parcel.decided_at,
        "links": {"self": returns_of_order(parcel.order_id), "order": url_of(parcel.order_id)},
    }


def returns_of_order(order_id: UUID) -> str:
    """Where the returns of an order can be read."""
    return reverse("returns", args=[order_id])


def _returnable(order: Order) -> dict[str, Any]:
    """What can still be returned, until when, and if not why."""
    returnable = returnable_of_order(order)
    return {
        "possible": returnable.possible,
        "until": returnable.until,
        "code": returnable.code or None,
        "why_not": returnable.why_not or None,
        "lines": [
            {"product_id": product, "quantity": pieces}
            for product, pieces in returnable.left.items()
        ],
        "links": {"self": returns_of_order(order.id)},
    }


def _return_line(line: ReturnLine) -> dict[str, Any]:
    return {
        "product_id": line.product_id,
        "quantity": line.quantity,
        "unit_price_cents": line.unit_price_cents,
        "accepted": line.accepted,
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
