"""The door where customers say how they wish to be told."""

import json
import socket
from typing import Any

import psycopg
import pytest
from django.test import Client
from pytest_django import Settings

from tests.api.customer import Customer

PATH = "/api/v1/contact"
Databases = dict[str, psycopg.Connection]


@pytest.fixture
def ada(databases: Databases, settings: Settings) -> Customer:
    settings.NOTIFY_WEBHOOK_SECRET = "of pushes"
    return Customer("ada")


def put(customer: Customer, body: object) -> Any:
    return Client(raise_request_exception=False).put(
        PATH, json.dumps(body), "application/json",
        headers={"Authorization": f"Token {customer.token}"},
    )  # fmt: skip


def contacts(databases: Databases) -> list[Any]:
    rows = databases["notifications"].execute(
        "SELECT customer_id, email, push_url FROM notifications_contact ORDER BY customer_id"
    )
    return rows.fetchall()


def test_a_customer_sets_and_reads_a_contact(ada: Customer, databases: Databases) -> None:
    nothing = {"email": None, "push_url": None, "email_undeliverable_since": None}
    assert ada.get(PATH).json() == nothing

    wished = {"email": "ada@mail.example", "push_url": "https://93.184.215.14/hook?a=b"}
    for _ in range(2):
        answer = put(ada, wished)
        assert (answer.status_code, answer.json()) == (200, nothing | wished)
    assert ada.get(PATH).json() == nothing | wished
    assert contacts(databases) == [(ada.user.pk, *wished.values())]

    assert put(ada, {"push_url": None}).json() == nothing  # the whole of it is replaced
    assert contacts(databases) == [(ada.user.pk, "", "")]


def test_everybody_has_a_contact_of_ones_own(ada: Customer, databases: Databases) -> None:
    bob = Customer("bob")
    put(ada, {"email": "ada@mail.example"})
    assert bob.get(PATH).json()["email"] is None
    put(bob, {"email": "bob@mail.example"})
    assert ada.get(PATH).json()["email"] == "ada@mail.example"


def test_who_is_nobody_has_none(databases: Databases) -> None:
    assert Client().get(PATH).status_code == 401
    answer = Client().put(PATH, '{"email": "x@mail.example"}', "application/json")
    assert (answer.status_code, contacts(databases)) == (401, [])


EMAIL = "Must be an e-mail address of at most 254 characters, or null."
PUBLIC = "Must lead to an address on the public internet."


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ([], "#", "Must be an object."),
        ({"mail": "x"}, "#/mail", "Unknown field; known are email, push_url."),
        ({"email": 7}, "#/email", EMAIL),
        ({"email": ""}, "#/email", EMAIL),
        ({"email": "ada"}, "#/email", EMAIL),
        ({"email": "ada@mail.example\nBcc: all@mail.example"}, "#/email", EMAIL),
        ({"email": "ada@mail.example, bob@mail.example"}, "#/email", EMAIL),
        ({"email": f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example"}, "#/email",
         EMAIL),
        ({"push_url": 7}, "#/push_url", "Must be a URL, or null."),
        ({"push_url": "http://93.184.215.14/"}, "#/push_url", "Must begin with https://."),
        ({"push_url": "https://127.0.0.1/"}, "#/push_url", PUBLIC),
        ({"push_url": "https://169.254.169.254/latest/meta-data"}, "#/push_url", PUBLIC),
        ({"push_url": "https://[::ffff:10.0.0.1]/"}, "#/push_url", PUBLIC),
    ],
)  # fmt: skip
def test_what_is_no_contact_is_refused_with_its_place(
    ada: Customer, databases: Databases, body: object, pointer: str, detail: str
) -> None:
    answer = put(ada, body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:sagaplatform:problem:invalid_contact"
    assert problem["errors"] == [{"pointer": pointer, "detail": detail}]
    assert contacts(databases) == []


def test_a_host_that_cannot_be_looked_up_now_is_said_to_be_so(
    ada: Customer, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*asked: Any, **options: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with monkeypatch.context() as patched:
        patched.setattr("apps.notifications.outward.socket.getaddrinfo", look_up)
        answer = put(ada, {"push_url": "https://ada.example/hook"})
    detail = "The host could not be looked up. Try again later."
    assert (answer.status_code, contacts(databases)) == (400, [])
    assert answer.json()["errors"] == [{"pointer": "#/push_url", "detail": detail}]


def test_all_that_is_wrong_is_named_at_once(ada: Customer) -> None:
    problem = put(ada, {"email": "x", "push_url": "x", "y": 1}).json()
    assert [each["pointer"] for each in problem["errors"]] == ["#/y", "#/email", "#/push_url"]


def test_a_shop_without_a_secret_pushes_nowhere(ada: Customer, settings: Settings) -> None:
    settings.NOTIFY_WEBHOOK_SECRET = ""
    problem = put(ada, {"push_url": "https://93.184.215.14/"}).json()
    assert problem["errors"][0]["detail"] == "Must be null: this shop tells nobody by push."


def test_developers_may_push_to_their_own_machine(ada: Customer, settings: Settings) -> None:
    settings.DEBUG = True
    assert put(ada, {"push_url": "http://127.0.0.1:8025/push"}).status_code == 200
    assert put(ada, {"push_url": "http://10.0.0.1/push"}).status_code == 400
