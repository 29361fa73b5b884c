"""Cancelling by the API: each answer, to the letter."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.http import HttpResponse
from django.test import Client
from uuid_utils.compat import uuid7

from apps.contracts.orders import CancelOrder, ConfirmOrder
from tests.api.customer import Customer
from tests.handling import ask
from tests.orders.shop import counts, outbox, saga_of
from tests.orders.test_cancelling import HANDED_OVER, NOT_RECALLED, REASON
from tests.orders.test_timeline import CAPTURED, hear, heard
from tests.orders.wishes import returning_saga, take_back, turn_down
from tests.threads import at_once

Databases = dict[str, psycopg.Connection]
NOTHING: dict[str, Any] = {}


def placed(customer: Customer) -> str:
    return str(customer.place().json()["id"])


def confirmed(customer: Customer, orders: psycopg.Connection) -> str:
    order_id = placed(customer)
    saga_id = saga_of(orders, UUID(order_id))
    ask("orders", ConfirmOrder(total_cents=2199), saga_id=saga_id, step="confirm_order")
    return order_id


def test_a_wish_is_taken(ada: Customer, databases: Databases) -> None:
    order_id = placed(ada)
    response = ada.cancel(order_id, {"reason": "Found it cheaper"})

    body = response.json()
    path = f"/api/v1/orders/{order_id}/cancellations"
    assert (response.status_code, response["Location"]) == (202, path)
    assert "Idempotent-Replayed" not in response
    wish = {
        "status": "requested",
        "reason": "Found it cheaper",
        "why_not": None,
        "requested_at": body["requested_at"],
        "decided_at": None,
        "links": {"self": path, "order": f"/api/v1/orders/{order_id}"},
    }
    assert body == wish
    assert outbox(databases["orders"])[-1][1]["type"] == "CancelRequested"
    assert ada.get(path).json() == {"cancellations": [wish]}
    assert ada.get(f"/api/v1/orders/{order_id}").json()["cancellation"] == {
        "possible": False,
        "how": None,
        "code": "cancellation_under_way",
        "why_not": "The order is being cancelled already.",
        "wish": wish,
    }


def test_a_confirmed_order_is_taken_back(ada: Customer, databases: Databases) -> None:
    orders = databases["orders"]
    order_id = confirmed(ada, orders)
    assert prospect(ada, order_id) == (True, "by_return", None)

    response = ada.cancel(order_id, NOTHING)

    assert (response.status_code, response.json()["status"]) == (202, "returning")
    assert response.json()["reason"] is None
    take_back(orders, UUID(order_id))
    body = ada.get(f"/api/v1/orders/{order_id}").json()
    assert (body["status"], body["refusal"]) == ("cancelled", None)
    assert body["cancellation"]["wish"]["status"] == "cancelled"
    assert body["cancellation"]["wish"]["decided_at"] == body["ended_at"]
    assert prospect(ada, order_id) == (False, None, "already_cancelled")


def test_an_order_that_is_paid_is_confirmed_first_and_says_so(
    ada: Customer, databases: Databases
) -> None:
    order_id = placed(ada)
    assert prospect(ada, order_id) == (True, "at_once", None)
    hear(heard(saga_of(databases["orders"], UUID(order_id)), "capture_payment", CAPTURED))

    assert prospect(ada, order_id) == (True, "by_return", None)


def test_a_parcel_that_has_left_is_told_honestly(ada: Customer, databases: Databases) -> None:
    orders = databases["orders"]
    order_id = confirmed(ada, orders)
    ada.cancel(order_id, NOTHING)
    hear(heard(returning_saga(orders, UUID(order_id)), "recall_shipment", NOT_RECALLED))
    turn_down(orders, UUID(order_id))

    body = ada.get(f"/api/v1/orders/{order_id}").json()

    assert body["status"] == "confirmed"
    assert body["cancellation"]["wish"]["status"] == "refused"
    assert body["cancellation"]["wish"]["why_not"] == REASON


def test_the_same_key_is_the_same_wish_as_it_stands_now(
    ada: Customer, databases: Databases
) -> None:
    order_id = placed(ada)
    ada.cancel(order_id, {"reason": "x"})
    saga_id = saga_of(databases["orders"], UUID(order_id))
    ask("orders", CancelOrder(), saga_id=saga_id, step="create_order")

    again = ada.cancel(order_id, {"reason": "x"})

    assert (again.status_code, again["Idempotent-Replayed"]) == (202, "true")
    assert again.json()["status"] == "cancelled"


def test_a_key_with_another_body_is_refused(ada: Customer, databases: Databases) -> None:
    order_id = placed(ada)
    ada.cancel(order_id, {"reason": "x"})
    before = counts(databases["orders"])

    response = ada.cancel(order_id, {"reason": "y"})

    assert problem(response) == (422, "idempotency_key_reused")
    assert counts(databases["orders"]) == before


def test_what_cannot_be_cancelled_says_why(ada: Customer, databases: Databases) -> None:
    orders = databases["orders"]
    order_id = confirmed(ada, orders)
    hear(heard(saga_of(orders, UUID(order_id)), "hand_over", HANDED_OVER))

    response = ada.cancel(order_id, NOTHING)

    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:sagaplatform:problem:already_shipped",
        "title": "The order cannot be cancelled",
        "status": 409,
        "detail": "The parcel has left the house; send it back when it arrives.",
        "instance": f"/api/v1/orders/{order_id}/cancellations",
    }
    assert ada.get(f"/api/v1/orders/{order_id}/cancellations").json() == {"cancellations": []}


def test_an_order_that_is_cancelled_already_says_so(ada: Customer, databases: Databases) -> None:
    order_id = placed(ada)
    saga_id = saga_of(databases["orders"], UUID(order_id))
    ask("orders", CancelOrder(), saga_id=saga_id, step="create_order")
    assert problem(ada.cancel(order_id, NOTHING)) == (409, "already_cancelled")


def test_another_wish_while_one_is_open_is_refused(ada: Customer) -> None:
    order_id = placed(ada)
    ada.cancel(order_id, NOTHING)
    second = ada.cancel(order_id, NOTHING, key="wish-2")
    assert problem(second) == (409, "cancellation_under_way")


def test_anothers_order_does_not_exist(ada: Customer, bob: Customer, databases: Databases) -> None:
    order_id = placed(ada)
    before = counts(databases["orders"])
    assert problem(bob.cancel(order_id, NOTHING)) == (404, "order_not_found")
    assert problem(ada.cancel(str(uuid7()), NOTHING)) == (404, "order_not_found")
    path = f"/api/v1/orders/{order_id}/cancellations"
    assert problem(bob.get(path)) == (404, "order_not_found")
    assert counts(databases["orders"]) == before


def test_nobody_cancels_without_a_token(ada: Customer) -> None:
    path = f"/api/v1/orders/{placed(ada)}/cancellations"
    assert Client().post(path, "{}", "application/json").status_code == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": ""}, "#/reason"),
        ({"reason": 7}, "#/reason"),
        ({"reason": "x" * 201}, "#/reason"),
        ({"why": "x"}, "#/why"),
        (["x"], "#"),
    ],
)
def test_a_faulty_body_is_named(ada: Customer, body: object, pointer: str) -> None:
    order_id = placed(ada)
    response = ada.cancel(order_id, body)
    assert problem(response) == (400, "invalid_request")
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]
    assert ada.get(f"/api/v1/orders/{order_id}/cancellations").json() == {"cancellations": []}


def test_a_wish_needs_a_key(ada: Customer) -> None:
    path = f"/api/v1/orders/{placed(ada)}/cancellations"
    response = Client().post(
        path, "{}", "application/json", headers={"Authorization": f"Token {ada.token}"}
    )
    assert problem(response) == (400, "idempotency_key_missing")


def test_twenty_wishes_at_once_are_one(ada: Customer, databases: Databases) -> None:
    order_id = placed(ada)
    answers = at_once(*[lambda: ada.cancel(order_id, NOTHING).status_code] * 20)
    assert answers == [202] * 20
    types = [each[1]["type"] for each in outbox(databases["orders"])]
    assert types == ["OrderCreated", "CancelRequested"]


def problem(response: HttpResponse) -> tuple[int, str]:
    """Status and kind of a problem."""
    return response.status_code, response.json()["type"].rpartition(":")[2]


def prospect(customer: Customer, order_id: str) -> tuple[bool, str | None, str | None]:
    """What the order's representation says of cancelling it."""
    found = customer.get(f"/api/v1/orders/{order_id}").json()["cancellation"]
    return found["possible"], found["how"], found["code"]
