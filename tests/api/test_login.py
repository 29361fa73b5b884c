"""How a customer gets a token, and gives it back."""

import json
from datetime import timedelta

import psycopg
import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from knox.models import AuthToken

Databases = dict[str, psycopg.Connection]


@pytest.fixture(autouse=True)
def _ada(databases: Databases) -> None:
    User.objects.create_user("ada", password="tea for two")


def login(
    username: object = "ada", password: object = "tea for two", **headers: str
) -> HttpResponse:
    body = json.dumps({"username": username, "password": password})
    return Client().post("/api/v1/auth/login", body, "application/json", headers=headers)


def orders_with(token: str) -> int:
    headers = {"Authorization": f"Token {token}"}
    return Client().get("/api/v1/orders", headers=headers).status_code


def test_a_token_opens_the_api_until_it_is_given_back() -> None:
    token, other = login().json()["token"], login().json()["token"]
    assert (orders_with(token), orders_with(other)) == (200, 200)

    headers = {"Authorization": f"Token {token}"}
    assert Client().post("/api/v1/auth/logout", headers=headers).status_code == 204

    assert (orders_with(token), orders_with(other)) == (401, 200)


def test_a_token_is_stored_as_a_digest_only() -> None:
    token = login().json()["token"]

    [stored] = AuthToken.objects.values_list("digest", "token_key")
    assert token not in stored


def test_a_token_ends_and_the_next_login_clears_it_away() -> None:
    response = login().json()
    life = parse_datetime(response["expiry"]) - timezone.now()
    assert timedelta(hours=9, minutes=59) < life <= timedelta(hours=10)

    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))

    assert orders_with(response["token"]) == 401
    login()
    assert AuthToken.objects.count() == 1


def test_a_user_who_is_shut_out_is_shut_out_at_once() -> None:
    token = login().json()["token"]
    User.objects.update(is_active=False)

    assert orders_with(token) == 401
    assert login().status_code == 401


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", "tea for two")])
def test_a_wrong_name_and_a_wrong_password_look_the_same(name: str, password: str) -> None:
    response = login(name, password)

    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Token")
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:sagaplatform:problem:authentication_failed",
        "title": "Unauthorized",
        "status": 401,
        "detail": "User name or password is wrong.",
        "instance": "/api/v1/auth/login",
    }
    assert AuthToken.objects.count() == 0


def test_a_login_says_what_is_missing() -> None:
    response = login(username="", password=None)

    assert (response.status_code, response.json()) == (
        400,
        {
            "type": "urn:sagaplatform:problem:invalid",
            "title": "Bad Request",
            "status": 400,
            "detail": "Correct what `errors` names, then send the request again.",
            "instance": "/api/v1/auth/login",
            "errors": [
                {"pointer": "#/username", "detail": "This field may not be blank."},
                {"pointer": "#/password", "detail": "This field may not be null."},
            ],
        },
    )


def test_a_login_that_is_a_list() -> None:
    response = Client().post("/api/v1/auth/login", "[]", "application/json")

    assert response.status_code == 400
    assert response.json()["errors"] == [
        {"pointer": "#", "detail": "Invalid data. Expected a dictionary, but got list."}
    ]


def test_guessing_locks_out_per_user_name_and_address() -> None:
    """The same lock as the admin's: a password of staff is not to be guessed here."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for n in range(4):
            # A forged header makes no new address.
            assert login(password="guess", **{"X-Forwarded-For": f"10.0.0.{n}"}).status_code == 401
        fifth, right = login(password="guess"), login()
        clock.shift(timedelta(minutes=15, seconds=-1))
        early = login()
        clock.shift(timedelta(seconds=2))
        late = login()

    assert [each.status_code for each in (fifth, right, early, late)] == [429, 429, 429, 200]
    assert [each["Retry-After"] for each in (fifth, right, early)] == ["900", "900", "1"]
    assert right["Content-Type"] == "application/problem+json"
    assert right.json() == {
        "type": "urn:sagaplatform:problem:throttled",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Request was throttled. Expected available in 900 seconds.",
        "instance": "/api/v1/auth/login",
    }
    assert login("bob").status_code == 401


def test_a_right_password_makes_wrong_ones_forgotten() -> None:
    for _ in range(3):
        assert [login(password="guess").status_code for _ in range(3)] == [401] * 3
        assert login().status_code == 200
        caches["default"].clear()  # of the throttle


def test_tokens_are_made_ten_times_a_minute() -> None:
    with time_machine.travel(timezone.now(), tick=False):
        assert {login().status_code for _ in range(10)} == {200}
        response = login()

    assert (response.status_code, response["Retry-After"]) == (429, "60")
    assert response.json()["detail"] == ("Request was throttled. Expected available in 60 seconds.")
    assert AuthToken.objects.count() == 10
