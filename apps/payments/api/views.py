"""Doors: parse, call one service or selector, answer. Customers see only their own payments."""

from typing import Any
from uuid import UUID

import msgspec
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.contracts.reading import convert
from apps.contracts.values import CardId
from apps.payments.another_card import give_another_card
from apps.payments.api.errors import CardNotWanted, InvalidCard, PaymentNotFound
from apps.payments.errors import NoCardPayment, NoCardWanted
from apps.payments.selectors import CustomersPayment, payment_of_customer


class CardBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/payments/{order_id}/cards`."""

    card: CardId


class PaymentView(APIView):
    """How the payment of one of one's own orders stands, and what it needs."""

    def get(self, request: Request, order_id: UUID) -> Response:
        return _answer(request, order_id)


class CardsView(APIView):
    """`POST`: give another card, where the payment waits for one."""

    def post(self, request: Request, order_id: UUID) -> Response:
        try:
            body = convert(request.data, CardBody)
        except msgspec.ValidationError:
            raise InvalidCard from None
        try:
            give_another_card(customer_id=_customer(request), order_id=order_id, card=body.card)
        except NoCardPayment as error:
            raise PaymentNotFound from error
        except NoCardWanted as error:
            raise CardNotWanted(error.code, error.why) from error
        return _answer(request, order_id, status=202)


def _answer(request: Request, order_id: UUID, status: int = 200) -> Response:
    payment = payment_of_customer(_customer(request), order_id)
    if payment is None:
        raise PaymentNotFound
    return Response(shown(payment, order_id), status=status, headers={"Cache-Control": "no-store"})


def shown(payment: CustomersPayment, order_id: UUID) -> dict[str, Any]:
    """A payment as plain JSON values. Money is in cents of the order's currency."""
    return {
        "state": payment.state,
        "amount_cents": payment.amount_cents,
        "captured_cents": payment.captured_cents,
        "refunded_cents": payment.refunded_cents,
        "reason": payment.reason or None,
        "until": payment.until,
        "client_secret": payment.client_secret or None,
        "action_url": payment.action_url or None,
        "links": {
            "self": reverse("payment", args=[order_id]),
            "cards": reverse("cards", args=[order_id]),
        },
    }


def _customer(request: Request) -> int:
    """Whose payments are meant: the user's, whatever the request says."""
    assert request.user.pk is not None, "an anonymous request does not get here"
    return request.user.pk
