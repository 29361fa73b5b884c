"""Finding sagas: tabs, search, filters, export; and that each stays fast with a million of them."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import OperationalError, connections
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from apps.contracts.numbers import number_of
from apps.messaging.admin import export
from apps.messaging.database import Database
from apps.orders.models import Order
from apps.sagas import figures
from apps.sagas.models import Saga
from tests.admin.million import LOAD, addresses, far, load
from tests.admin.world import client_of, confirmed_saga, undone_saga
from tests.ops.world import CUSTOMER, buy, deliver

Databases = dict[str, psycopg.Connection]
LIST = "/admin/sagas/saga/"
MANY = 30_000


@pytest.fixture
def support(shop: Databases) -> Client:
    return client_of("support", codenames="view_")


@pytest.fixture
def orders(shop: Databases) -> dict[str, Order]:
    """A confirmed order of 21.00, one that the carrier refused of 450.00, and one in flight."""
    found = {"confirmed": confirmed_saga(shop), "undone": undone_saga(shop)}
    found["running"] = Order.objects.get(id=buy(tea=1))
    deliver(shop, rounds=1)
    return found


def found(client: Client, **query: str) -> list[str]:
    """The states of the sagas on the list's first page."""
    answer = client.get(LIST, query)
    assert answer.status_code == 200, answer["Location"]
    return [each.status for each in answer.context["cl"].result_list]


def test_every_way_to_name_an_order_finds_its_saga(
    support: Client, orders: dict[str, Order]
) -> None:
    order = orders["undone"]
    number = number_of(order.id)
    for term in (number, number.lower(), f" {number} ", str(order.id), str(order.saga_id)):
        assert found(support, q=term) == ["undone"]


def test_what_the_engine_took_over_is_found_apart(
    support: Client, orders: dict[str, Order]
) -> None:
    Saga.objects.filter(status="undone").update(mode="choreographed")
    Saga.objects.filter(status="confirmed").update(mode="choreographed", driver="events")

    assert found(support, mode="choreographed") == ["undone", "confirmed"]
    assert found(support, mode="taken_over") == ["undone"]


def test_a_saga_that_takes_an_order_back_says_so(
    support: Client, orders: dict[str, Order], shop: Databases
) -> None:
    number = number_of(orders["confirmed"].id)
    assert ">cancel order</div>" not in support.get(LIST).content.decode()
    shop["sagas"].execute(
        "UPDATE sagas_saga SET process = 'cancel_order' WHERE saga_id = %s",
        [orders["confirmed"].saga_id],
    )
    shown = " ".join(support.get(LIST).content.decode().split())
    assert f'{number}</span><div class="text-xs">cancel order</div>' in shown


@pytest.mark.parametrize(
    "query", ["status=bogus", "status=stuck", "status__exact=bogus", "customer=7", "saga_id=x"]
)
def test_a_filter_that_is_not_there_is_told(support: Client, query: str) -> None:
    """An empty list under the tab of all sagas would look like an answer."""
    answer = support.get(f"{LIST}?{query}")

    assert (answer.status_code, answer["Location"]) == (302, f"{LIST}?e=1")
    told = "The address asked for a filter that is not there, so everything is shown."
    assert told in support.get(answer["Location"]).content.decode()


def test_a_customer_is_named_by_number_or_user_name(
    support: Client, orders: dict[str, Order]
) -> None:
    User.objects.create_user("ada", id=CUSTOMER + 1_000)
    Saga.objects.filter(status="undone").update(customer_id=CUSTOMER + 1_000)

    assert found(support, q="ada") == ["undone"]
    assert found(support, q=str(CUSTOMER + 1_000)) == ["undone"]
    assert found(support, q=str(CUSTOMER)) == ["running", "confirmed"]
    assert found(support, q="bob") == []


@pytest.mark.parametrize(
    ("term", "states"),
    [
        ("ShipmentRefused", ["undone"]),
        ("shipmentrefused", ["undone"]),
        ("carrier takes", ["undone"]),
        ("60 PIECES", ["undone"]),
        ("takes carr", ["undone"]),  # in any order, and the beginning of a word is enough
        ("carrier gives", []),
        ("arrier", []),
        ("PaymentDeclined", []),
        ("!?", []),
        ("carrier & | ! ( :* '", ["undone"]),
        ("9" * 30, []),
        ("SP-0000-0000-0000", []),
    ],
)
def test_an_error_is_found_by_its_name_or_by_words_of_it(
    support: Client, orders: dict[str, Order], term: str, states: list[str]
) -> None:
    assert found(support, q=term) == states


def test_a_number_cannot_be_looked_up_while_orders_is_away(
    support: Client, orders: dict[str, Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What sagas knows itself is found all the same."""
    from apps.messaging.admin import finding

    def away(term: str) -> list[Any]:
        raise OperationalError("gone")

    monkeypatch.setattr(finding, "FINDERS", [away])

    assert found(support, q=orders["undone"].number) == []
    assert found(support, q=str(orders["undone"].saga_id)) == ["undone"]
    assert found(support, q="carrier") == ["undone"]


@pytest.mark.parametrize(
    ("query", "states"),
    [
        ({"status__exact": "undone"}, ["undone"]),
        ({"status__exact": "live"}, ["running"]),
        ({"status__exact": "running"}, ["running"]),
        ({"status__exact": "stuck"}, []),
        ({"process": "place_order"}, ["running", "undone", "confirmed"]),
        ({"process": "cancel_order"}, []),
        ({"mode": "orchestrated"}, ["running", "undone", "confirmed"]),
        ({"mode": "choreographed"}, []),
        ({"pending_step": "reserve_stock"}, ["running"]),
        ({"pending_step": "create_shipment"}, []),
        ({"cause_step": "create_shipment"}, ["undone"]),
        ({"cause_step": "reserve_stock"}, []),
        ({"cause_type": "ShipmentRefused"}, ["undone"]),
        ({"cause_type": "NoAnswer"}, []),
        ({"older_than": "0"}, ["running"]),
        ({"older_than": "60"}, []),
        ({"amount_from": "21.00", "amount_to": "450"}, ["undone", "confirmed"]),
        ({"amount_from": "21.01"}, ["undone"]),
        ({"amount_to": "4.50"}, ["running"]),
        ({"started_from": "2026-01-01"}, ["running", "undone", "confirmed"]),
        ({"started_to": "2026-01-01"}, []),
        ({"ended_from": "2026-01-01T00:00+02:00"}, ["undone", "confirmed"]),
        ({"ended_from": "2026-01-01", "ended_to": "2999-01-01"}, ["undone", "confirmed"]),
        ({"ended_to": "2026-01-01"}, []),
        ({"process": "", "mode": "", "amount_from": " "}, ["running", "undone", "confirmed"]),
        ({"status__exact": "undone", "amount_to": "21", "q": "carrier"}, []),
    ],
)
def test_each_filter_leaves_what_it_says(
    support: Client, orders: dict[str, Order], query: dict[str, str], states: list[str]
) -> None:
    assert found(support, **query) == states


@pytest.mark.parametrize(
    "query",
    [{"amount_from": "much"}, {"amount_from": "NaN"}, {"amount_to": "1e99"}, {"older_than": "x"},
     {"older_than": "9" * 30}, {"mode": "bogus"}, {"started_from": "yesterday"},
     {"ended_to": "2026-13-01"}],
)  # fmt: skip
def test_what_is_no_value_leads_back_to_the_list(support: Client, query: dict[str, str]) -> None:
    answer = support.get(LIST, query)

    assert (answer.status_code, answer["Location"]) == (302, f"{LIST}?e=1")


def test_what_was_chosen_stands_in_the_form_and_in_every_link(
    support: Client, orders: dict[str, Order]
) -> None:
    page = support.get(LIST, {"q": "carrier", "amount_from": "12.34", "mode": "orchestrated"})
    text = page.content.decode()

    assert 'name="amount_from" value="12.34"' in text
    assert '<option value="orchestrated" selected>' in text
    assert 'href="export/?amount_from=12.34&amp;mode=orchestrated&amp;q=carrier"' in text
    tabs = [each.address for each in page.context["cl"].tabs]
    assert tabs[0] == "?amount_from=12.34&mode=orchestrated&q=carrier"
    assert tabs[-1] == "?amount_from=12.34&mode=orchestrated&q=carrier&status__exact=undone"


def test_tabs_count_where_sagas_stand(support: Client, orders: dict[str, Order]) -> None:
    tabs = list(support.get(LIST, {"status__exact": "undone"}).context["cl"].tabs)

    assert [(each.text, str(each.count or "")) for each in tabs] == [
        ("all", ""), ("in flight", "1"), ("running", "1"), ("awaiting decision", "0"),
        ("skipping", "0"), ("fencing", "0"), ("compensating", "0"), ("stuck", "0"),
        ("confirmed", "1"), ("undone", "1"),
    ]  # fmt: skip
    assert [each.text for each in tabs if each.active] == ["undone"]


def test_a_saga_keeps_what_its_order_cost(orders: dict[str, Order]) -> None:
    """Also when its inputs are gone with the last step that needed them."""
    kept = Saga.objects.values_list("status", "total_cents", "currency").order_by("status")

    assert list(kept) == [
        ("confirmed", 2100, "USD"), ("running", 450, "USD"), ("undone", 45000, "USD"),
    ]  # fmt: skip


# --- many


@pytest.fixture
def many(shop: Databases) -> Databases:
    load(shop["sagas"], MANY)
    return shop


def test_more_than_are_counted_are_estimated(
    many: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30,000 sagas, of which each eighth turned back; the last 400 and 15 others are in flight."""
    counts = figures.standings()
    assert str(counts.live) == "414"
    assert str(counts.by_status["undone"]) == "3,686"
    assert str(counts.by_status["confirmed"]) == "about 26,000"
    assert str(counts.by_status["stuck"]) == "3"

    monkeypatch.setattr(figures, "MOST_COUNTED", 100)
    counts = figures.standings()
    assert str(counts.live) == "100+"
    assert str(counts.by_status["undone"]) in ("about 3,600", "about 3,700", "about 3,800")
    assert str(counts.by_status["running"]).endswith("+")


def test_what_nobody_has_estimated_is_only_known_to_be_more(
    shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "MOST_COUNTED", 100)
    shop["sagas"].execute("ANALYZE sagas_saga")  # it is empty
    shop["sagas"].execute(LOAD, {"count": 1000, "apart": 1})

    assert str(figures.standings().by_status["confirmed"]) == "100+"


def test_the_list_takes_as_many_statements_as_ever(
    many: Databases, support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for the rows, one for the tabs, one more for estimates."""
    passed, fetch = [], Database.fetch

    def counting(self: Database, *args: Any) -> Any:
        passed.append(self.alias)
        return fetch(self, *args)

    monkeypatch.setattr(Database, "fetch", counting)
    for query in ("", far(500), "?status__exact=undone", "?q=carrier"):
        passed.clear()
        with CaptureQueriesContext(connections["sagas"]) as seen:
            answer = support.get(LIST + query)
        assert len(answer.context["cl"].result_list) == 50
        assert (len(seen), passed) == (1, ["sagas", "sagas"])


def test_no_choice_reads_or_sorts_the_whole_table(many: Databases, shop: Databases) -> None:
    User.objects.create_superuser("agent")
    User.objects.create_user("customer", id=4711)
    plans = {name: plan_of(query) for name, query in [*addresses(), ("page 500", far(500))]}

    read = {name: max(rows_read(plan)) for name, plan in plans.items()}
    kinds = {name: {node["Node Type"] for node in nodes(plan)} for name, plan in plans.items()}
    assert {name: each for name, each in kinds.items() if "Seq Scan" in each} == {}
    assert {name: each for name, each in read.items() if each > MANY // 5} == {}


def plan_of(query: str) -> dict[str, Any]:
    """What PostgreSQL really did for a page of the list."""
    request = RequestFactory().get(LIST + query)
    request.user = User.objects.get(username="agent")
    chosen = admin.site._registry[Saga].get_changelist_instance(request)
    rows = chosen.queryset
    if chosen.place:
        rows = rows.filter(chosen.order.beyond(chosen.order.read(chosen.place[1])))
    [plan] = json.loads(rows[:51].explain(format="JSON", analyze=True))
    return plan["Plan"]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def rows_read(plan: dict[str, Any]) -> Iterator[int]:
    """How many rows each node took in its hand."""
    for each in nodes(plan):
        yield each["Actual Rows"] + each.get("Rows Removed by Filter", 0)


# --- export


def exported(client: Client, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"{LIST}export/{query}")
    assert isinstance(answer, StreamingHttpResponse)
    text = b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(text)))


def test_the_file_has_what_the_list_shows(support: Client, orders: dict[str, Order]) -> None:
    order = orders["undone"]
    saga = Saga.objects.get(saga_id=order.saga_id)
    assert saga.ended_at

    assert exported(support, "?q=carrier") == [
        {
            "saga_id": str(order.saga_id), "order_id": str(order.id),
            "order_number": order.number, "process": "place_order", "version": "2",
            "mode": "orchestrated", "status": "undone", "waits_for": "",
            "turned_back_at": "create_shipment", "error": "ShipmentRefused",
            "reason": "The carrier takes at most 60 pieces, the order has 100",
            "customer": "7", "total_cents": "45000", "currency": "USD",
            "started_at": saga.started_at.isoformat(timespec="milliseconds"),
            "ended_at": saga.ended_at.isoformat(timespec="milliseconds"),
        }
    ]  # fmt: skip
    assert [each["status"] for each in exported(support)] == ["running", "undone", "confirmed"]
    assert exported(support, "?o=6")[0]["status"] == "confirmed"


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_is_a_formula(support: Client, orders: dict[str, Order], first: str) -> None:
    reason = f'{first}HYPERLINK("http://evil.example")'
    Saga.objects.filter(status="undone").update(cause_reason=reason)

    assert [each["reason"] for each in exported(support, "?status__exact=undone")] == [f"'{reason}"]


def test_the_file_says_where_it_ends_early(
    support: Client, orders: dict[str, Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST_ROWS", 2)
    monkeypatch.setattr(export, "CHUNK", 1)
    rows = exported(support)

    assert [each["status"] for each in rows[:2]] == ["running", "undone"]
    [last] = rows[2:]
    assert last["saga_id"] == "The first 2 rows only: choose fewer by filters"
    answer = support.get(f"{LIST}export/")
    assert answer["X-Row-Limit"] == "2"
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="sagas-2')


def test_who_may_not_look_gets_no_file(shop: Databases) -> None:
    clerk, stranger = client_of("clerk"), Client()

    assert clerk.get(f"{LIST}export/").status_code == 403
    assert stranger.get(f"{LIST}export/").status_code == 302
