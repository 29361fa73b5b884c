"""Logs: one line per event, with what a reader needs and nothing that is personal."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from structlog.contextvars import get_contextvars

from apps.contracts.values import Address
from sagaplatform.redaction import LEFT_OUT, is_private, redact
from sagaplatform.request_id import RequestIdMiddleware

ROOT = Path(__file__).parent.parent.parent
ADDRESS = Address(
    name="Ada Lovelace", street="12 St James's Square", postal_code="SW1Y 4JH", city="London",
    country="GB",
)  # fmt: skip


def logged(script: str, **environ: str) -> list[dict[str, Any]]:
    """The lines that a process of ours writes to standard error."""
    given = {"DJANGO_SETTINGS_MODULE": "sagaplatform.settings", "LOG_FORMAT": "json", **environ}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import django; django.setup()\n" + script],
        cwd=ROOT, env={**os.environ, **given}, stderr=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in result.stderr.splitlines()]


# --- redaction


@pytest.mark.parametrize(
    "name",
    [
        "address", "addresses", "name", "street", "email", "card", "token", "password",
        "authorization", "payload", "inputs", "customer_email", "streetName", "X-Auth-Token",
        "HTTP_AUTHORIZATION", "address_name", "card_tokens",
    ],
)  # fmt: skip
def test_a_field_is_left_out_by_its_name(name: str) -> None:
    assert is_private(name)
    assert redact(None, "info", {"event": "x", name: "Ada"}) == {"event": "x", name: LEFT_OUT}


@pytest.mark.parametrize(
    "name",
    ["event", "saga_id", "order_id", "step", "topic", "filename", "discard", "logger", "context"],
)
def test_other_fields_stay(name: str) -> None:
    assert redact(None, "info", {name: "kept"}) == {name: "kept"}


def test_fields_are_left_out_at_any_depth() -> None:
    told = {"order": {"lines": [{"sku": "tea", "gift": {"email": "ada@example.org"}}]}}

    kept = {"order": {"lines": [{"sku": "tea", "gift": {"email": LEFT_OUT}}]}}
    assert redact(None, "info", told) == kept


def test_what_lies_too_deep_is_left_out() -> None:
    nested: Any = "Ada"
    for _ in range(10):
        nested = [nested]

    assert "Ada" not in str(redact(None, "info", {"deep": nested}))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (ADDRESS, "[Address]"),
        ([ADDRESS], ["[Address]"]),
        (User(username="ada", email="ada@example.org"), "[User]"),
        (b'{"street": "12 St James"}', "[bytes]"),
        (7, 7),
        (None, None),
    ],
)
def test_messages_and_records_are_not_printed(value: object, shown: object) -> None:
    assert redact(None, "info", {"given": value}) == {"given": shown}


LOG_ALL_WAYS = """
import logging
import psycopg, structlog
ours, librarys = structlog.get_logger("ours"), logging.getLogger("library")
ours.info("placed", order_id="o-1", address={"street": "12 St James"}, email="ada@example.org")
structlog.contextvars.bind_contextvars(token="t-1", order_id="o-2")
librarys.warning("theirs")
try:
    raise psycopg.errors.CheckViolation(
        'new row violates "x"\\nDETAIL:  Failing row contains (1, Ada Lovelace,\\n12 St James).'
    )
except psycopg.Error:
    ours.exception("failed")
"""


def test_nothing_private_is_logged_by_whomever() -> None:
    placed, theirs, failed = logged(LOG_ALL_WAYS)

    assert placed["order_id"] == "o-1"
    assert (placed["address"], placed["email"]) == (LEFT_OUT, LEFT_OUT)
    assert (theirs["event"], theirs["token"], theirs["order_id"]) == ("theirs", LEFT_OUT, "o-2")
    assert failed["exception"].endswith(f'new row violates "x"\nDETAIL: {LEFT_OUT}\n')
    assert not [each for each in (placed, theirs, failed) if "Ada" in str(each)]
    assert not [each for each in (placed, theirs, failed) if "James" in str(each)]


# --- requests


NOT_FOUND = """
from django.test import Client
Client().get("/nowhere", headers={"X-Request-ID": "from-the-proxy"})
"""


@pytest.mark.parametrize("debug", ["0", "1"])
def test_django_warns_once_and_says_of_which_request(debug: str) -> None:
    lines = logged(NOT_FOUND, DEBUG=debug, ALLOWED_HOSTS="testserver", HTTPS="0")

    [line] = [each for each in lines if each["event"] == "Not Found: /nowhere"]
    assert line["request_id"] == "from-the-proxy"
    assert line["logger"] == "django.request"


def test_a_request_keeps_the_id_that_it_came_with() -> None:
    answer = Client().get("/health/live", headers={"X-Request-ID": "4bf92f35.77-b_3"})

    assert answer["X-Request-ID"] == "4bf92f35.77-b_3"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'x"}', "ü"])
def test_an_id_that_is_none_is_replaced(given: str) -> None:
    answers = [Client().get("/health/live", headers={"X-Request-ID": given}) for _ in range(2)]

    made = [each["X-Request-ID"] for each in answers]
    assert [len(each) for each in made] == [36, 36]
    assert made[0] != made[1]


def test_the_id_is_bound_to_the_request_alone() -> None:
    seen: list[object] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(get_contextvars().get("request_id"))
        return HttpResponse()

    request = RequestFactory().get("/", headers={"X-Request-ID": "one"})
    RequestIdMiddleware(view)(request).close()

    assert seen == ["one"]
    assert get_contextvars() == {}
