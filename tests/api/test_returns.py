"""Goods that come back by the API: each answer, to the letter; and the scanner's door."""

import json
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import Group, Permission

from apps.contracts.inventory import ReceiveGoods
from apps.contracts.orders import ConfirmOrder
from apps.contracts.shipping import ShipmentHandedOver
from apps.contracts.values import Line
from apps.messaging.batch import Batch
from apps.messaging.calls import work
from tests.api.customer import Customer
from tests.handling import ask
from tests.messaging.kit import envelope, record
from tests.orders.shop import outbox, saga_of
from tests.orders.test_timeline import hear, heard

Databases = dict[str, psycopg.Connection]
TEA = {"lines": [{"product_id": "tea", "quantity": 1}]}


@pytest.fixture
def sent(ada: Customer, databases: Databases) -> str:
    """An order that is confirmed and handed over."""
    order_id = str(ada.place().json()["id"])
    saga_id = saga_of(databases["orders"], UUID(order_id))
    ask("orders", ConfirmOrder(total_cents=2199), saga_id=saga_id, step="confirm_order")
    hear(heard(saga_id, "hand_over", ShipmentHandedOver(carrier="Post", reference="r")))
    return order_id


def test_a_return_is_announced_and_read(ada: Customer, sent: str, databases: Databases) -> None:
    before = ada.get(f"/api/v1/orders/{sent}").json()["returns"]
    assert (before["possible"], before["code"]) == (True, None)
    assert before["lines"] == [
        {"product_id": "tea", "quantity": 2}, {"product_id": "cup", "quantity": 1},
    ]  # fmt: skip

    response = ada.send_back(sent, TEA | {"reason": "Too strong", "refund_to": "credit"})

    body, path = response.json(), f"/api/v1/orders/{sent}/returns"
    assert (response.status_code, response["Location"]) == (202, path)
    assert "Idempotent-Replayed" not in response
    known = {
        "id": body["id"],
        "status": "announced",
        "lines": [{"product_id": "tea", "quantity": 1, "unit_price_cents": 450, "accepted": 0}],
        "reason": "Too strong",
        "refund_to": "credit",
        "arrives_until": None,
        "refunded_cents": 0,
        "why_not": None,
        "requested_at": body["requested_at"],
        "decided_at": None,
        "links": {"self": path, "order": f"/api/v1/orders/{sent}"},
    }
    assert body == known
    assert ada.get(path).json() == {"returns": [known]}
    _, headers, payload = outbox(databases["orders"])[-1]
    assert (headers["type"], payload["total_cents"]) == ("ReturnBegun", 450)
    after = ada.get(f"/api/v1/orders/{sent}").json()["returns"]
    assert after["lines"][0] == {"product_id": "tea", "quantity": 1}


def test_the_same_key_is_the_same_return(ada: Customer, sent: str) -> None:
    first, again = ada.send_back(sent, TEA), ada.send_back(sent, TEA)
    assert (again.status_code, again["Idempotent-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    other = ada.send_back(sent, TEA | {"refund_to": "credit"})
    assert (other.status_code, code(other)) == (422, "idempotency_key_reused")
    assert len(ada.get(f"/api/v1/orders/{sent}/returns").json()["returns"]) == 1


def code(response: Any) -> str:
    return str(response.json()["type"]).rpartition(":")[2]


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"lines": [{"product_id": "tea", "quantity": 3}]}, 409, "more_than_left"),
        ({"lines": []}, 400, "invalid_request"),
        ({"lines": [TEA["lines"][0]] * 2}, 400, "invalid_request"),
        (TEA | {"refund_to": "cash"}, 400, "invalid_request"),
        (TEA | {"reason": "my card: 4242 4242 4242 4242"}, 400, "invalid_request"),
    ],
)
def test_what_is_not_to_be_had_is_told(
    ada: Customer, sent: str, body: object, status: int, expected: str
) -> None:
    response = ada.send_back(sent, body)
    assert (response.status_code, code(response)) == (status, expected)
    assert "4242" not in response.text
    assert ada.get(f"/api/v1/orders/{sent}/returns").json() == {"returns": []}


def test_a_parcel_in_the_house_is_cancelled_instead(ada: Customer) -> None:
    order_id = str(ada.place().json()["id"])
    response = ada.send_back(order_id, TEA)
    assert (response.status_code, code(response)) == (409, "not_handed_over")


def test_another_customers_order_does_not_exist(bob: Customer, sent: str) -> None:
    assert bob.send_back(sent, TEA).status_code == 404
    assert bob.get(f"/api/v1/orders/{sent}/returns").status_code == 404


# --- the scanner


@pytest.fixture
def scanner(databases: Databases) -> Customer:
    """Somebody at the desk, with a token."""
    found = Customer("scanner")
    right = Permission.objects.get(codename="receive_arrival")
    group = Group.objects.create(name="desk")
    group.permissions.add(right)
    found.user.groups.add(group)
    found.user.is_staff = True
    found.user.save()
    return found


@pytest.fixture
def expected(sent: str, ada: Customer, databases: Databases) -> str:
    """The id of a return of a tea that inventory awaits."""
    return_id = str(ada.send_back(sent, TEA).json()["id"])
    order_id = UUID(sent)
    command = ReceiveGoods(
        return_id=UUID(return_id), order_id=order_id, customer_id=1, placed_by=order_id,
        lines=(Line(product_id="tea", quantity=1),),
    )  # fmt: skip
    asked = envelope(command, order_id, step="receive_goods", topic="inventory-commands")
    Batch("inventory", [record(asked)]).carry_out()
    assert work("inventory") == 1
    return return_id


def test_a_scanner_says_what_has_arrived(
    scanner: Customer, expected: str, databases: Databases
) -> None:
    line = {"product_id": "tea", "quantity": 1, "damaged": 1}
    response = scanner.scan(expected, {"lines": [line]})
    assert (response.status_code, response.json()["status"]) == (202, "received")
    assert work("inventory") == 1
    [(told,)] = databases["inventory"].execute(
        "SELECT payload FROM inventory_outboxmessage WHERE headers LIKE '%GoodsReceived%'"
    ).fetchall()  # fmt: skip
    assert json.loads(told) == {"accepted": [line]}
    again = scanner.scan(expected, {"lines": [line]})
    assert (again.status_code, code(again)) == (409, "return_closed")
    [(actor, reason)] = databases["inventory"].execute(
        "SELECT actor, reason FROM inventory_operatoraction"
    ).fetchall()  # fmt: skip
    assert (actor, reason) == ("scanner", "Scanned at the desk")


@pytest.mark.parametrize(
    ("lines", "status", "expected_code"),
    [
        ([{"product_id": "tea", "quantity": 2}], 422, "not_what_was_announced"),
        ([{"product_id": "tea", "quantity": 1, "damaged": 2}], 422, "not_what_was_announced"),
        ([{"product_id": "tea", "quantity": 0}], 422, "not_what_was_announced"),
        ([{"product_id": "cup", "quantity": 1}], 422, "not_what_was_announced"),
        ([{"product_id": "tea", "quantity": -1}], 400, "invalid_request"),
        ("tea", 400, "invalid_request"),
    ],
)
def test_a_scan_that_does_not_fit_changes_nothing(
    scanner: Customer, expected: str, databases: Databases, lines: object, status: int,
    expected_code: str,
) -> None:  # fmt: skip
    response = scanner.scan(expected, {"lines": lines})
    assert (response.status_code, code(response)) == (status, expected_code)
    found = databases["inventory"].execute("SELECT status FROM inventory_arrival").fetchall()
    assert found == [("expected",)]


@pytest.mark.parametrize("reason", ["Gate 2\x00", "Gate\n2", "", "2", "Gate" * 51])
def test_a_reason_that_nobody_could_read_is_refused(
    scanner: Customer, expected: str, reason: str
) -> None:
    response = scanner.scan(expected, TEA | {"reason": reason})
    assert (response.status_code, code(response)) == (400, "invalid_request")


def test_who_may_not_scans_nothing(ada: Customer, scanner: Customer, expected: str) -> None:
    assert ada.scan(expected, TEA).status_code == 403
    scanner.user.is_staff = False
    scanner.user.save()
    assert scanner.scan(expected, TEA).status_code == 403


def test_what_nobody_expects_is_told(scanner: Customer) -> None:
    response = scanner.scan("00000000-0000-0000-0000-000000000000", TEA)
    assert (response.status_code, code(response)) == (404, "return_not_found")
