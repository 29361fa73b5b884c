"""Who gets the metrics of the web process, and what they tell of requests."""

from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from tests.api.customer import Customer
from tests.scraping import Counted, forget, samples, value

pytestmark = pytest.mark.usefixtures("databases")
TOKEN = "a-token-to-scrape-with"
ELSEWHERE = {"REMOTE_ADDR": "10.1.2.3"}


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_gets_the_metrics_where_no_token_is_set(address: str) -> None:
    answer = Client(REMOTE_ADDR=address).get("/metrics")

    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert value(samples(answer.content.decode()), "outbox_messages", service="orders") == 0


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.0.9", "fe80::1", "8.8.8.8", ""])
def test_others_are_refused_where_no_token_is_set(address: str) -> None:
    answer = Client(REMOTE_ADDR=address).get("/metrics")

    assert answer.status_code == 403
    assert answer.content.decode() == (
        "Metrics are given to this machine only, and directly. To scrape from elsewhere, set"
        " METRICS_TOKEN here and send it as `Authorization: Bearer`.\n"
    )


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_what_a_proxy_on_this_machine_passes_on_is_not_from_this_machine(header: str) -> None:
    assert Client().get("/metrics", headers={header: "8.8.8.8"}).status_code == 403


@pytest.mark.parametrize("place", [{}, ELSEWHERE])
def test_the_token_opens_from_everywhere(settings: Settings, place: dict[str, str]) -> None:
    settings.METRICS_TOKEN = TOKEN

    answer = Client(**place).get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("place", [{}, ELSEWHERE])
@pytest.mark.parametrize(
    "given", [{}, {"Authorization": "Bearer "}, {"Authorization": f"Token {TOKEN}"},
              {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": "Bearer ümlaut"}],
)  # fmt: skip
def test_without_the_token_nobody_gets_them_where_one_is_set(
    settings: Settings, place: dict[str, str], given: dict[str, str]
) -> None:
    settings.METRICS_TOKEN = TOKEN

    answer = Client(**place).get("/metrics", headers=given)

    assert answer.status_code == 403
    assert answer.content.decode() == (
        "Metrics are given to who sends the header `Authorization: Bearer` with the token that this"
        " process has in METRICS_TOKEN.\n"
    )


def test_a_customers_token_is_none_for_metrics(ada: Customer, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN

    assert ada.get("/metrics").status_code == 403


def test_requests_are_counted_by_view_method_and_status(ada: Customer) -> None:
    counted = Counted()

    assert ada.place().status_code == 202
    assert ada.post({}, idempotency_key="key-2").status_code == 400

    responses = "django_http_responses_total_by_status_view_method_total"
    for status in ("202", "400"):
        assert counted.rise(responses, status=status, view="orders", method="POST") == 1
    seconds = "django_http_requests_latency_seconds_by_view_method_count"
    assert counted.rise(seconds, view="orders", method="POST") == 2


def test_whoever_scrapes_past_the_proxy_is_not_sent_to_tls(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert Client().get("/metrics").status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_read_in_small_and_large_letters(settings: Settings, scheme: str) -> None:
    settings.METRICS_TOKEN = TOKEN

    answer = Client().get("/metrics", headers={"Authorization": f"{scheme} {TOKEN}"})

    assert answer.status_code == 200


def test_a_token_beyond_ascii_opens_too(settings: Settings) -> None:
    settings.METRICS_TOKEN = "café-€"
    as_wsgi_gives_it = "café-€".encode().decode("latin-1")

    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {as_wsgi_gives_it}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("page", ["/metrics", "/health/live", "/health/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_what_is_only_looked_at_is_got_and_nothing_else(page: str, method: str) -> None:
    answer = Client(enforce_csrf_checks=True).generic(method, page)

    assert (answer.status_code, answer["Allow"], answer.content) == (405, "GET, HEAD", b"")


@pytest.mark.parametrize("page", ["/metrics", "/health/live"])
def test_a_look_at_the_head_is_no_refusal(page: str) -> None:
    assert Client().head(page).status_code == 200
