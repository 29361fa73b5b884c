"""The doors of orders: what a customer gets, to the letter."""

from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils.dateparse import parse_datetime
from uuid_utils.compat import uuid7
from waffle.models import Switch

from apps.contracts.orders import CancelOrder, ConfirmOrder
from apps.contracts.values import PaymentMethod
from apps.orders.api.bodies import AddressBody, LineBody, OrderBody
from apps.orders.api.views import hash_of
from apps.orders.services import number_of
from tests.api.customer import BODY, Customer
from tests.handling import ask
from tests.orders.shop import counts, outbox, saga_of
from tests.orders.test_timeline import CAPTURED, DECLINED, hear, heard
from tests.threads import at_once

Databases = dict[str, psycopg.Connection]


def test_an_order_is_accepted(ada: Customer, databases: Databases) -> None:
    response = ada.place()

    order_id = response.json()["id"]
    assert response.status_code == 202
    assert response["Content-Type"] == "application/json"
    assert response["Location"] == f"/api/v1/orders/{order_id}"
    assert "Idempotent-Replayed" not in response
    assert response.json() == {
        "id": order_id,
        "number": number_of(UUID(order_id)),
        "status": "placed",
        "links": {"self": f"/api/v1/orders/{order_id}"},
    }
    [(topic, headers, payload)] = outbox(databases["orders"])
    assert (topic, headers["type"]) == ("order-events", "OrderCreated")
    assert payload == {
        "order_id": order_id,
        "customer_id": ada.user.pk,
        "total_cents": 2199,
        **BODY,
    }


def test_an_order_by_card_names_the_card_and_tells_where_its_payment_is(
    ada: Customer, databases: Databases
) -> None:
    placed = ada.place(payment_method="card", card="pm_card_visa").json()

    [(_, _, payload)] = outbox(databases["orders"])
    assert (payload["payment_method"], payload["card"]) == ("card", "pm_card_visa")
    order = ada.get(placed["links"]["self"]).json()
    assert order["links"]["payment"] == f"/api/v1/payments/{placed['id']}"
    assert "pm_card_visa" not in str(order)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\x00'--", False),
        ("nonsense", False),
    ],
)
def test_the_callers_trace_goes_on_if_it_is_one(
    ada: Customer, databases: Databases, given: str, kept: bool
) -> None:
    ada.post(BODY, idempotency_key="key-1", traceparent=given)

    [(_, headers, _)] = outbox(databases["orders"])
    assert (headers["traceparent"] == given) is kept
    assert len(headers["traceparent"]) == 55


def test_a_wish_that_is_told_and_one_that_is_left_out_are_the_same_request() -> None:
    """So a field that is added with a default does not change what was asked before."""
    address = AddressBody(name="A", street="1 B", postal_code="1", city="C", country="US")
    line = LineBody(product_id="tea", quantity=1, unit_price_cents=450)
    plain = OrderBody(
        currency="USD", lines=(line,), payment_method=PaymentMethod.CREDIT, address=address
    )
    assert hash_of(plain) == hash_of(msgspec.structs.replace(plain, gift_wrap=False))
    assert hash_of(plain) != hash_of(msgspec.structs.replace(plain, gift_wrap=True))
    assert b"gift_wrap" not in msgspec.json.encode(plain)


def test_a_repeated_request_gets_the_same_answer(ada: Customer, databases: Databases) -> None:
    first = ada.place()
    members_in_another_order = dict(reversed(BODY.items()))
    again = ada.post(members_in_another_order, idempotency_key="key-1")

    assert (again.status_code, again.content) == (202, first.content)
    assert again["Location"] == first["Location"]
    assert again["Idempotent-Replayed"] == "true"
    assert counts(databases["orders"])["order"] == 1


def test_a_repeated_request_gets_the_same_answer_after_the_end(
    ada: Customer, databases: Databases
) -> None:
    first = ada.place()
    saga_id = saga_of(databases["orders"], UUID(first.json()["id"]))
    ask("orders", CancelOrder(), saga_id=saga_id)

    assert ada.place().content == first.content


def test_a_key_with_another_body_is_refused(ada: Customer, databases: Databases) -> None:
    ada.place()
    before = counts(databases["orders"])

    response = ada.place(gift_wrap=True)

    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:sagaplatform:problem:idempotency_key_reused",
        "title": "The Idempotency-Key was used for another request",
        "status": 422,
        "detail": "Repeat the request exactly as it was, or send the new one under a new "
        "Idempotency-Key.",
        "instance": "/api/v1/orders",
    }
    assert counts(databases["orders"]) == before


def test_who_orders_too_fast_is_told_when_to_come_back(
    ada: Customer, bob: Customer, databases: Databases, settings: Any
) -> None:
    settings.ORDERS_PER_MINUTE = 2
    first, _ = ada.place("key-1"), ada.place("key-2")
    before = counts(databases["orders"])

    refused = ada.place("key-3")
    assert refused.status_code == 429
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:sagaplatform:problem:orders_too_fast"
    assert refused.json()["title"] == "Too many orders in a minute"
    assert 0 < int(refused["Retry-After"]) <= 60
    assert counts(databases["orders"]) == before  # not even the key is taken

    assert ada.place("key-1").content == first.content  # what was accepted is told again
    assert bob.place().status_code == 202
    databases["orders"].execute("UPDATE orders_order SET placed_at = placed_at - interval '1 min'")
    assert ada.place("key-3").status_code == 202


def test_where_no_pace_is_set_anybody_orders_as_fast_as_they_like(
    ada: Customer, databases: Databases, settings: Any
) -> None:
    settings.ORDERS_PER_MINUTE = 0
    assert {ada.place(f"key-{number}").status_code for number in range(5)} == {202}


def test_another_customers_key_is_another_key(
    ada: Customer, bob: Customer, databases: Databases
) -> None:
    adas, bobs = ada.place(), bob.place()

    assert bobs.status_code == 202
    assert "Idempotent-Replayed" not in bobs
    assert bobs.json()["id"] != adas.json()["id"]
    assert counts(databases["orders"])["order"] == 2


def test_twenty_requests_at_once_place_one_order(ada: Customer, databases: Databases) -> None:
    def rush() -> tuple[int, bytes, str, bool]:
        response = ada.place()
        replayed = "Idempotent-Replayed" in response
        return response.status_code, response.content, response["Location"], replayed

    answers = at_once(*[rush] * 20)

    [(status, *_)] = {each[:3] for each in answers}
    assert status == 202
    assert sorted(each[3] for each in answers) == [False] + 19 * [True]
    found = counts(databases["orders"])
    assert (found["order"], found["outboxmessage"], found["idempotencykey"]) == (1, 1, 1)


def test_a_placed_order_can_be_read(ada: Customer) -> None:
    Switch.objects.create(name="gift_wrap", active=True)
    placed = ada.place(gift_wrap=True).json()

    response = ada.get(placed["links"]["self"])

    body = response.json()
    placed_at = body["placed_at"]
    assert response.status_code == 200
    assert parse_datetime(placed_at) is not None
    assert body == {
        "id": placed["id"],
        "number": placed["number"],
        "status": "placed",
        "currency": "GBP",
        "total_cents": 2199,
        "placed_at": placed_at,
        "ended_at": None,
        "refusal": None,
        "links": {"self": f"/api/v1/orders/{placed['id']}"},
        "payment_method": "credit",
        "gift_wrap": {"wished": True, "planned": True},
        "address": BODY["address"],
        "lines": BODY["lines"],
        "timeline": [{"at": placed_at, "type": "OrderCreated"}],
        "cancellation": {
            "possible": True,
            "how": "at_once",
            "code": None,
            "why_not": None,
            "wish": None,
        },
        "returns": {
            "possible": False,
            "until": None,
            "code": "not_handed_over",
            "why_not": "The parcel has not left the house yet; cancel the order instead.",
            "lines": [],
            "links": {"self": f"/api/v1/orders/{placed['id']}/returns"},
        },
    }


def test_lines_come_by_their_position_and_not_as_the_database_keeps_them(
    ada: Customer, databases: Databases
) -> None:
    path = ada.place().json()["links"]["self"]
    databases["orders"].execute("UPDATE orders_orderline SET position = 3 - position")

    assert ada.get(path).json()["lines"] == [*reversed(BODY["lines"])]


def test_a_cancelled_order_tells_the_reason(ada: Customer, databases: Databases) -> None:
    placed = ada.place().json()
    saga_id = saga_of(databases["orders"], UUID(placed["id"]))
    hear(heard(saga_id, "authorize_payment", DECLINED))
    ask("orders", CancelOrder(), saga_id=saga_id, step="create_order")

    body = ada.get(placed["links"]["self"]).json()

    reason = "Your store credit of 5.00 does not cover 21.99"
    assert (body["status"], body["ended_at"] is None) == ("cancelled", False)
    assert body["refusal"] == {
        "step": "authorize_payment",
        "code": "PaymentDeclined",
        "reason": reason,
    }
    told = {each["type"]: each for each in body["timeline"]}
    assert told.keys() == {"OrderCreated", "PaymentDeclined", "OrderCancelled"}
    assert told["PaymentDeclined"]["reason"] == reason


def test_a_confirmed_order_tells_what_was_paid(ada: Customer, databases: Databases) -> None:
    placed = ada.place().json()
    saga_id = saga_of(databases["orders"], UUID(placed["id"]))
    hear(heard(saga_id, "capture_payment", CAPTURED))
    ask("orders", ConfirmOrder(total_cents=2199), saga_id=saga_id, step="confirm_order")

    body = ada.get(placed["links"]["self"]).json()

    assert (body["status"], body["refusal"]) == ("confirmed", None)
    told = {each.pop("type"): each for each in body["timeline"]}
    assert told.keys() == {"OrderCreated", "PaymentCaptured", "OrderConfirmed"}
    assert told["PaymentCaptured"]["amount_cents"] == 2199


def test_anothers_order_does_not_exist(ada: Customer, bob: Customer) -> None:
    placed = ada.place().json()

    response = bob.get(placed["links"]["self"])

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:sagaplatform:problem:order_not_found",
        "title": "There is no such order",
        "status": 404,
        "detail": "You have no order with this id; GET /api/v1/orders lists yours.",
        "instance": f"/api/v1/orders/{placed['id']}",
    }
    missing = bob.get(f"/api/v1/orders/{uuid7()}").json()
    assert missing == response.json() | {"instance": missing["instance"]}
    assert bob.get("/api/v1/orders").json() == {"orders": [], "next": None}
    assert bob.get(f"/api/v1/orders?after={uuid7()}").json() == {"orders": [], "next": None}


def test_the_list_goes_page_by_page_newest_first(ada: Customer, bob: Customer) -> None:
    placed = [ada.place(f"key-{n}").json() for n in range(5)]
    bob.place()

    pages, following = [], "/api/v1/orders?limit=2"
    while following:
        page = ada.get(following).json()
        pages.append([each["id"] for each in page["orders"]])
        following = page["next"]

    newest_first = [each["id"] for each in reversed(placed)]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]


def test_an_order_in_the_list(ada: Customer) -> None:
    placed = ada.place().json()

    [order] = ada.get("/api/v1/orders").json()["orders"]

    assert order == {
        "id": placed["id"],
        "number": placed["number"],
        "status": "placed",
        "currency": "GBP",
        "total_cents": 2199,
        "placed_at": order["placed_at"],
        "ended_at": None,
        "refusal": None,
        "links": {"self": f"/api/v1/orders/{placed['id']}"},
    }


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/orders?limit=50"])
def test_the_list_takes_two_queries_however_long(ada: Customer, path: str) -> None:
    for n in range(10):
        ada.place(f"key-{n}")

    with (
        CaptureQueriesContext(connections["orders"]) as orders,
        CaptureQueriesContext(connections["default"]) as users,
    ):
        ada.get(path)

    assert (len(orders), len(users)) == (2, 1)


def test_one_order_takes_three_queries(ada: Customer) -> None:
    path = ada.place().json()["links"]["self"]

    with (
        CaptureQueriesContext(connections["orders"]) as orders,
        CaptureQueriesContext(connections["default"]) as users,
    ):
        ada.get(path)

    assert (len(orders), len(users)) == (3, 1)
