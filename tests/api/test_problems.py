"""Every refusal of the API is a problem document that says what to do."""

from typing import Any

import psycopg
import pytest
from django.db import connections
from django.test import Client

from apps.orders.api import views
from tests.api.customer import BODY, Customer, changed
from tests.orders.shop import counts
from tests.scraping import closed_port

Databases = dict[str, psycopg.Connection]
LINE = BODY["lines"][0]
PRODUCT = "Must be a product id of 1 to 64 printable characters, not all blank."
QUANTITY = "Must be a whole number of pieces from 1 to 10000."
CENTS = "Must be a whole number of cents from 1 to 10000000."
LINES = "Must be a list of 1 to 500 lines."
TEXT = "Must be a text of 1 to 200 printable characters, not all blank."
CURRENCY = (
    "Must be a currency code of three capital letters: GBP. Amounts are in cents, so it is one that"
    " has a hundred of them."
)
COUNTRY = "Must be a country code of two capital letters, such as GB."
CARD = "Must be a payment method's id as Stripe gives it, pm_…: never send a card's number."
MISSING = "Is missing."
TWICE = "Is in an earlier line already; add the quantities up in one line."


def problem(kind: str, title: str, status: int, detail: str, **more: Any) -> dict[str, Any]:
    return {
        "type": f"urn:sagaplatform:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "/api/v1/orders",
    } | more


def invalid(*faults: tuple[str, str]) -> dict[str, Any]:
    errors = [{"pointer": pointer, "detail": detail} for pointer, detail in faults]
    detail = "Correct what `errors` names, then send the request again."
    return problem("invalid_request", "The request is invalid", 400, detail, errors=errors)


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("currency", ..., ("#/currency", MISSING)),
        ("currency", "gbp", ("#/currency", CURRENCY)),
        ("currency", "GBPX", ("#/currency", CURRENCY)),
        ("currency", "GBP\n", ("#/currency", CURRENCY)),
        ("currency", None, ("#/currency", CURRENCY)),
        ("currency", "JPY", ("#/currency", CURRENCY)),
        ("currency", "KWD", ("#/currency", CURRENCY)),
        ("lines", ..., ("#/lines", MISSING)),
        ("lines", [], ("#/lines", LINES)),
        ("lines", [LINE] * 501, ("#/lines", LINES)),
        ("lines", {"0": LINE}, ("#/lines", LINES)),
        ("lines/1", "tea", ("#/lines/1", "Must be an object.")),
        ("lines/1/product_id", ..., ("#/lines/1/product_id", MISSING)),
        ("lines/1/product_id", "tea", ("#/lines/1/product_id", TWICE)),
        ("lines/0/product_id", "", ("#/lines/0/product_id", PRODUCT)),
        ("lines/0/product_id", "  ", ("#/lines/0/product_id", PRODUCT)),
        ("lines/0/product_id", "te\x00a", ("#/lines/0/product_id", PRODUCT)),
        ("lines/0/product_id", "x" * 65, ("#/lines/0/product_id", PRODUCT)),
        ("lines/0/product_id", 7, ("#/lines/0/product_id", PRODUCT)),
        ("lines/0/quantity", 0, ("#/lines/0/quantity", QUANTITY)),
        ("lines/0/quantity", -1, ("#/lines/0/quantity", QUANTITY)),
        ("lines/0/quantity", 10_001, ("#/lines/0/quantity", QUANTITY)),
        ("lines/0/quantity", 1.0, ("#/lines/0/quantity", QUANTITY)),
        ("lines/0/quantity", "1", ("#/lines/0/quantity", QUANTITY)),
        ("lines/0/quantity", True, ("#/lines/0/quantity", QUANTITY)),
        ("lines/0/quantity", 2**70, ("#/lines/0/quantity", QUANTITY)),
        ("lines/0/unit_price_cents", 0, ("#/lines/0/unit_price_cents", CENTS)),
        ("lines/0/unit_price_cents", 10_000_001, ("#/lines/0/unit_price_cents", CENTS)),
        ("lines/0/unit_price_cents", 4.5, ("#/lines/0/unit_price_cents", CENTS)),
        (
            "lines/0/a~b/c".replace("/c", ""),
            1,
            (
                "#/lines/0/a~0b",
                "Unknown field; known are product_id, quantity, unit_price_cents.",
            ),
        ),
        ("payment_method", ..., ("#/payment_method", MISSING)),
        ("payment_method", "cash", ("#/payment_method", "Must be credit or card.")),
        ("card", 4242, ("#/card", CARD)),
        ("card", "4242424242424242", ("#/card", CARD)),
        ("card", "tok_visa", ("#/card", CARD)),
        ("card", "pm_card_visa\n", ("#/card", CARD)),
        ("card", "pm_" + "x" * 65, ("#/card", CARD)),
        ("card", "pm_card_visa", ("#/card", "Is for the payment_method card only.")),
        ("gift_wrap", "yes", ("#/gift_wrap", "Must be true or false.")),
        ("gift_wrap", 1, ("#/gift_wrap", "Must be true or false.")),
        ("address", ..., ("#/address", MISSING)),
        ("address", "London", ("#/address", "Must be an object.")),
        ("address/name", "", ("#/address/name", TEXT)),
        ("address/name", "  ", ("#/address/name", TEXT)),
        ("address/street", "x" * 201, ("#/address/street", TEXT)),
        ("address/postal_code", "1" * 21, ("#/address/postal_code", TEXT.replace("200", "20"))),
        ("address/city", ..., ("#/address/city", MISSING)),
        ("address/country", "GBR", ("#/address/country", COUNTRY)),
        ("address/country", "gb", ("#/address/country", COUNTRY)),
        (
            "total_cents",
            2199,
            (
                "#/total_cents",
                "Unknown field; known are currency, lines, payment_method, card, gift_wrap,"
                " address.",
            ),
        ),
    ],
)
def test_a_fault_is_named_with_its_place(
    ada: Customer, databases: Databases, path: str, value: object, fault: tuple[str, str]
) -> None:
    response = ada.post(changed(path, value), idempotency_key="key-1")

    assert (response.status_code, response.json()) == (400, invalid(fault))
    assert response["Content-Type"] == "application/problem+json"
    assert set(counts(databases["orders"]).values()) == {0}


def test_a_payment_by_card_names_the_card(ada: Customer, databases: Databases) -> None:
    response = ada.place(payment_method="card")

    assert response.status_code == 422
    assert response.json() == {
        "type": "urn:sagaplatform:problem:card_missing",
        "title": "The card is missing",
        "status": 422,
        "detail": "Send as `card` the id that Stripe gives the shop's page for it, pm_…. Never send"
        " a card's number here.",
        "instance": "/api/v1/orders",
    }
    assert set(counts(databases["orders"]).values()) == {0}


def test_all_faults_are_named_at_once(ada: Customer) -> None:
    lines = [{"product_id": "tea", "quantity": 0}, LINE | {"unit_price_cents": "free"}]

    response = ada.post({"currency": "GBP", "lines": lines, "address": []}, idempotency_key="k")

    assert response.json() == invalid(
        ("#/lines/0/quantity", QUANTITY),
        ("#/lines/0/unit_price_cents", MISSING),
        ("#/lines/1/unit_price_cents", CENTS),
        ("#/payment_method", MISSING),
        ("#/address", "Must be an object."),
    )


@pytest.mark.parametrize("body", [[], "order", 1, None])
def test_a_body_that_is_no_object(ada: Customer, body: object) -> None:
    response = ada.post(body, idempotency_key="key-1")

    assert response.json() == invalid(("#", "Must be an object."))


def test_the_largest_and_the_smallest_order_are_taken(ada: Customer) -> None:
    lines = [
        {"product_id": f"{n:064}", "quantity": 10_000, "unit_price_cents": 10_000_000}
        for n in range(500)
    ]
    smallest = {key: value for key, value in BODY.items() if key != "gift_wrap"}

    large = ada.place("large", lines=lines).json()
    small = ada.post(smallest | {"lines": [LINE]}, idempotency_key="small").json()

    assert ada.get(large["links"]["self"]).json()["total_cents"] == 50_000_000_000_000
    assert ada.get(small["links"]["self"]).json()["total_cents"] == 900


NO_KEY = problem(
    "idempotency_key_missing",
    "The Idempotency-Key is missing",
    400,
    "Send a header Idempotency-Key with a new UUID for each wish (an order, a cancellation, a "
    "return), and the same one with every repetition of the request.",
)
LONG_KEY = problem(
    "idempotency_key_too_long",
    "The Idempotency-Key is too long",
    400,
    "Send an Idempotency-Key of at most 255 characters, for example a UUID.",
)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, NO_KEY),
        ({"idempotency_key": ""}, NO_KEY),
        ({"idempotency_key": "  "}, NO_KEY),
        ({"idempotency_key": "k" * 256}, LONG_KEY),
    ],
)
def test_a_key_is_needed_and_not_too_long(
    ada: Customer, databases: Databases, headers: dict[str, str], told: dict[str, Any]
) -> None:
    response = ada.post(BODY, **headers)

    assert (response.status_code, response.json()) == (400, told)
    assert set(counts(databases["orders"]).values()) == {0}
    assert ada.place("k" * 255).status_code == 202


@pytest.mark.parametrize(
    ("query", "parameter", "detail"),
    [
        *((f"limit={n}", "limit", "Must be a whole number from 1 to 100.") for n in (0, 101, -1)),
        ("limit=many", "limit", "Must be a whole number from 1 to 100."),
        ("limit=1" + "0" * 5000, "limit", "Must be a whole number from 1 to 100."),
        ("limit=²", "limit", "Must be a whole number from 1 to 100."),
        ("limit=2&page=2", "page", "Unknown parameter; known are limit, after."),
        (
            "after=1",
            "after",
            "Must be the id of an order, as in the link `next` of an earlier page.",
        ),
    ],
)
def test_a_page_that_cannot_be(ada: Customer, query: str, parameter: str, detail: str) -> None:
    response = ada.get(f"/api/v1/orders?{query}")

    assert response.status_code == 400
    assert response.json()["errors"] == [{"parameter": parameter, "detail": detail}]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{'a': 1}", b"NaN", b'"\\ud800"', b'"\xff"', b"[" * 100_000, b"{} {}"]
)
def test_what_is_no_json(ada: Customer, body: bytes) -> None:
    response = ada.post(body, idempotency_key="key-1")

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    if body:
        assert response.json()["type"] == "urn:sagaplatform:problem:parse_error"
        assert response.json()["detail"].startswith("The body is no JSON: ")


def test_a_body_that_is_too_large(ada: Customer) -> None:
    response = ada.post(b"[" + b" " * 1_000_000 + b"]", idempotency_key="key-1")

    assert response.status_code == 413
    assert response.json() == problem(
        "body_too_large",
        "Request Entity Too Large",
        413,
        "The body is larger than this API takes. Send less at once.",
    )


def test_another_content_type(ada: Customer) -> None:
    response = Client().post(
        "/api/v1/orders",
        {"currency": "GBP"},
        headers={"Authorization": f"Token {ada.token}", "Idempotency-Key": "key-1"},
    )

    assert response.status_code == 415
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == problem(
        "unsupported_media_type",
        "Unsupported Media Type",
        415,
        "Send the body as JSON, with a header Content-Type: application/json.",
    )


def test_an_answer_that_is_no_json(ada: Customer) -> None:
    headers = {"Authorization": f"Token {ada.token}", "Accept": "text/html"}
    response = Client().get("/api/v1/orders", headers=headers)

    assert response.status_code == 406
    assert response.json() == problem(
        "not_acceptable",
        "Not Acceptable",
        406,
        "Answers are application/json; let the header Accept allow it, or leave it out.",
    )


def test_another_method(ada: Customer) -> None:
    response = Client().delete("/api/v1/orders", headers={"Authorization": f"Token {ada.token}"})

    assert (response.status_code, response["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    assert response.json() == problem(
        "method_not_allowed",
        "Method Not Allowed",
        405,
        "This address does not know that method; the header Allow names those that it knows.",
    )


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (
            None,
            "Log in at /api/v1/auth/login, and send what it gives in a header"
            " Authorization: Token ….",
        ),
        ("Token nonsense", "This token is unknown or has expired; log in again."),
        ("Token \xff\xfe", "This token is unknown or has expired; log in again."),
    ],
)
def test_who_asks_must_be_known(databases: Databases, header: str | None, detail: str) -> None:
    response = Client().get("/api/v1/orders", headers={"Authorization": header} if header else {})

    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Token")
    assert response.json()["detail"] == detail
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v2/orders", "/api/v1/orders/", "/api/v1/orders/17", "/api/v1"]
)
def test_an_address_under_api_that_leads_nowhere(path: str) -> None:
    response = Client().get(path)

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:sagaplatform:problem:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this address; look at it again.",
        "instance": path,
    }


def test_what_fails_unexpectedly_tells_nothing_of_the_inside(
    ada: Customer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("password=secret")

    monkeypatch.setattr(views, "place_order", fail)
    response = ada.place()

    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == problem(
        "error",
        "Internal Server Error",
        500,
        "Something went wrong on our side. Repeat the request in a moment, with the same key.",
    )
    [record] = [each for each in caplog.records if each.name == "sagaplatform.problems"]
    assert "password=secret" in str(record.exc_info)


def test_the_process_is_alive_without_any_database() -> None:
    response = Client().get("/health/live")

    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.parametrize(
    "limit", ["0", "101", "000000001999999999", "00000000199999999999999999999999999", "²"]
)
def test_a_page_s_size_has_a_limit_however_it_is_written(ada: Customer, limit: str) -> None:
    response = ada.get(f"/api/v1/orders?limit={limit}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == "limit"


def test_a_post_to_an_address_that_leads_nowhere_is_a_problem_too() -> None:
    response = Client(enforce_csrf_checks=True).post("/api/v1/orders/", {})
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_a_body_in_chunks_is_refused_with_advice(ada: Customer) -> None:
    response = ada.post(BODY, transfer_encoding="chunked", idempotency_key="k")
    assert response.status_code == 411
    assert response.json()["detail"] == "Send the body in one piece, with a Content-Length."


@pytest.mark.parametrize("alias", ["default", "orders"])
def test_while_a_database_is_away_customers_are_asked_to_come_again(
    ada: Customer, databases: Databases, alias: str
) -> None:
    with closed_port(alias):
        connections[alias].close()
        response = ada.place()
        connections[alias].close()

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    detail = "A server that is needed does not answer. Repeat the request in a moment, with the"
    assert response.json() == problem(
        "unavailable", "Service Unavailable", 503, f"{detail} same key."
    )
    assert set(counts(databases["orders"]).values()) == {0}
    assert ada.place().status_code == 202
