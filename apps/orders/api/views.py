"""Doors: parse, call one service or selector, answer. Every customer sees only their own orders."""

import hashlib
import re
from uuid import UUID

import msgspec
from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.messaging.tracing import tracer
from apps.orders.api import answers
from apps.orders.api.bodies import read_cancellation, read_order, read_return
from apps.orders.api.errors import (
    IdempotencyKeyMissing,
    IdempotencyKeyTooLong,
    IdempotencyKeyUsed,
    InvalidRequest,
    OrderNotCancellable,
    OrderNotFound,
    OrderNotReturnable,
    OrdersTooFast,
)
from apps.orders.cancelling import request_cancellation
from apps.orders.errors import (
    CannotBeCancelled,
    CannotBeReturned,
    IdempotencyKeyReused,
    NoSuchOrder,
    TooManyOrders,
)
from apps.orders.models import Cancellation, Return
from apps.orders.returning import announce_return
from apps.orders.selectors import cancellation_of, order_of, orders_of, returns_of
from apps.orders.services import Placement, place_order

LONGEST_KEY = 255
LARGEST_PAGE = 100
PAGE = 20
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class OrdersView(APIView):
    """`POST`: place an order. `GET`: one's own orders, newest first."""

    def post(self, request: Request) -> HttpResponse:
        body = read_order(request.data)
        try:
            placement = place_order(
                customer_id=_customer(request),
                currency=body.currency,
                lines=body.lines,
                payment_method=body.payment_method,
                card=body.card,
                gift_wrap=body.gift_wrap,
                address=body.address,
                idempotency_key=_idempotency_key(request),
                request_hash=hash_of(body),
                answer=answers.accepted,
                traceparent=_traceparent(request),
                most_per_minute=settings.ORDERS_PER_MINUTE,
            )
        except IdempotencyKeyReused as error:
            raise IdempotencyKeyUsed from error
        except TooManyOrders as error:
            raise OrdersTooFast(error.wait) from error
        return _answer(placement)

    def get(self, request: Request) -> Response:
        _refuse_unknown(request, known=("limit", "after"))
        limit, after = _limit(request), _after(request)
        found = orders_of(_customer(request), limit=limit + 1, after=after)
        page = found[:limit]
        more = len(found) > limit
        following = f"{reverse('orders')}?limit={limit}&after={page[-1].id}" if more else None
        return Response({"orders": [*map(answers.summary, page)], "next": following})


class OrderView(APIView):
    """One of one's own orders. Another customer's does not exist."""

    def get(self, request: Request, order_id: UUID) -> Response:
        order = order_of(_customer(request), order_id)
        if order is None:
            raise OrderNotFound
        return Response(answers.detail(order))


class CancellationsView(APIView):
    """`POST`: wish to cancel one of one's own orders. `GET`: what became of the wish; an order has
    one at most."""

    def post(self, request: Request, order_id: UUID) -> Response:
        body = read_cancellation(request.data)
        try:
            replayed = request_cancellation(
                customer_id=_customer(request),
                order_id=order_id,
                reason=body.reason,
                idempotency_key=_idempotency_key(request),
                request_hash=hash_of(body),
                traceparent=_traceparent(request),
            )
        except NoSuchOrder as error:
            raise OrderNotFound from error
        except IdempotencyKeyReused as error:
            raise IdempotencyKeyUsed from error
        except CannotBeCancelled as error:
            raise OrderNotCancellable(error.code, error.why_not) from error
        wish = _wish_of(request, order_id)
        assert wish, "it was written just now"
        headers = {"Location": answers.cancellations_of(order_id)}
        if replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(answers.cancellation(wish), status=202, headers=headers)

    def get(self, request: Request, order_id: UUID) -> Response:
        wish = _wish_of(request, order_id)
        return Response({"cancellations": [answers.cancellation(wish)] if wish else []})


class ReturnsView(APIView):
    """`POST`: announce that goods of one of one's own orders come back. `GET`: what became of all
    that were announced, the oldest first."""

    def post(self, request: Request, order_id: UUID) -> Response:
        body = read_return(request.data)
        try:
            announced = announce_return(
                customer_id=_customer(request),
                order_id=order_id,
                lines=body.lines,
                reason=body.reason,
                refund_to=body.refund_to,
                idempotency_key=_idempotency_key(request),
                request_hash=hash_of(body),
                traceparent=_traceparent(request),
            )
        except NoSuchOrder as error:
            raise OrderNotFound from error
        except IdempotencyKeyReused as error:
            raise IdempotencyKeyUsed from error
        except CannotBeReturned as error:
            raise OrderNotReturnable(error.code, error.why_not) from error
        [found] = [each for each in _returns_of(request, order_id) if each.id == announced.id]
        headers = {"Location": answers.returns_of_order(order_id)}
        if announced.replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(answers.goods_back(found), status=202, headers=headers)

    def get(self, request: Request, order_id: UUID) -> Response:
        found = _returns_of(request, order_id)
        return Response({"returns": [answers.goods_back(each) for each in found]})


def _returns_of(request: Request, order_id: UUID) -> list[Return]:
    """What is returned of one of one's own orders. Another customer's order does not exist."""
    order = order_of(_customer(request), order_id)
    if order is None:
        raise OrderNotFound
    return returns_of(order)


def _wish_of(request: Request, order_id: UUID) -> Cancellation | None:
    """The wish to cancel one of one's own orders. Another customer's order does not exist."""
    order = order_of(_customer(request), order_id)
    if order is None:
        raise OrderNotFound
    return cancellation_of(order)


def hash_of(body: msgspec.Struct) -> bytes:
    """SHA-256 of what was asked: the order of members, blanks and defaults make no difference."""
    return hashlib.sha256(msgspec.json.encode(body)).digest()


def _answer(placement: Placement) -> HttpResponse:
    response = HttpResponse(
        placement.answer.body, status=placement.answer.status, content_type="application/json"
    )
    response["Location"] = answers.url_of(placement.order_id)
    if placement.replayed:
        response["Idempotent-Replayed"] = "true"
    return response


def _customer(request: Request) -> int:
    """Whose orders are meant: the user's, whatever the request says."""
    assert request.user.pk is not None, "an anonymous request does not get here"
    return request.user.pk


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if not key:
        raise IdempotencyKeyMissing
    if len(key) > LONGEST_KEY:
        raise IdempotencyKeyTooLong
    return key


def _traceparent(request: Request) -> str | None:
    """The caller's trace, if it is one: it travels on in every message of the saga. Where tracing
    is on, this request's span, which is in it."""
    if current := tracer().current():
        return current
    given = request.headers.get("traceparent", "")
    return given if TRACEPARENT.fullmatch(given) else None


def _refuse_unknown(request: Request, *, known: tuple[str, ...]) -> None:
    """What would be ignored is answered, as an unknown field of a body is: it may be misspelt."""
    advice = f"Unknown parameter; known are {', '.join(known)}."
    unknown = sorted(set(request.query_params).difference(known))
    if unknown:
        raise InvalidRequest(errors=[{"parameter": each, "detail": advice} for each in unknown])


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", str(PAGE))
    if not (re.fullmatch("[0-9]{1,9}", given) and 1 <= int(given) <= LARGEST_PAGE):
        advice = f"Must be a whole number from 1 to {LARGEST_PAGE}."
        raise InvalidRequest(errors=[{"parameter": "limit", "detail": advice}])
    return int(given)


def _after(request: Request) -> UUID | None:
    given = request.query_params.get("after")
    try:
        return UUID(given) if given else None
    except ValueError:
        advice = "Must be the id of an order, as in the link `next` of an earlier page."
        raise InvalidRequest(errors=[{"parameter": "after", "detail": advice}]) from None
