"""Every list finds by what a person has in hand, and reads no more than it must."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib import admin
from django.contrib.admin import AllValuesFieldListFilter
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.db import connections, router
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.messaging.admin import ReadOnlyAdmin
from apps.orders.models import Order
from sagaplatform.env import CONTEXTS
from tests.admin.world import client_of, fill_every_table
from tests.ops.world import CUSTOMER

Databases = dict[str, psycopg.Connection]
LISTS = {
    model._meta.label: each
    for model, each in admin.site._registry.items()
    if isinstance(each, ReadOnlyAdmin)
}
# Tables that stay short, so that some searches may read all of them: what is settled or sent goes,
# what is unusual is rare, and there are as many products as there are.
SHORT = {
    *(f"{context}.{each}" for context in CONTEXTS
      for each in ("OutboxMessage", "DeadLetter", "BarrierNote", "OperatorAction")),
    "sagas.Case", "payments.Intent", "shipping.Intent", "notifications.Intent", "fraud.Intent",
    "inventory.Intent", "ops.ConservationCheck",
}  # fmt: skip
# Lists that offer the values of what is open, each by an index that has no other rows and whose
# name begins so.
OFFERING = {f"{context}.DeadLetter": f"{context}_open_letters" for context in CONTEXTS}
OFFERING["sagas.Case"] = "case_open"
WITH_SAGA = [name for name, each in LISTS.items() if "=saga_id" in each.search_fields]
WITH_CUSTOMER = [
    name
    for name, each in LISTS.items()
    if any(field.endswith("customer_id") for field in each.search_fields)
]


@pytest.fixture
def support(shop: Databases) -> Client:
    fill_every_table(shop)
    User.objects.create_user("ada", id=CUSTOMER)
    return client_of("support", codenames="view_")


def count(client: Client, label: str, term: str) -> int:
    """How many rows a list has for a search; that its page shows them is seen elsewhere, for to
    draw hundreds of pages takes long."""
    request = RequestFactory().get("/", {"q": term})
    request.user = get_user(client)  # type: ignore[arg-type]  # a client has a session
    return len(LISTS[label].get_changelist_instance(request).result_list)


def test_every_list_with_a_saga_finds_it_by_its_order_too(support: Client) -> None:
    order = Order.objects.get()
    terms = (order.number, order.id, order.saga_id, "SP-0000-0000-0000", "SP-")
    shown = {name: [count(support, name, str(term)) > 0 for term in terms] for name in WITH_SAGA}

    assert shown == {name: [True, True, True, False, False] for name in WITH_SAGA}
    assert len(WITH_SAGA) == 64


def test_every_list_with_a_customer_finds_them_by_name_too(support: Client) -> None:
    shown = {
        name: [count(support, name, term) > 0 for term in ("7", "ada", "8", "bob")]
        for name in [*WITH_CUSTOMER, "orders.Order"]
    }

    assert {tuple(each) for each in shown.values()} == {(True, True, False, False)}
    assert sorted(WITH_CUSTOMER) == [
        "fraud.Assessment", "fraud.Review", "inventory.Arrival", "notifications.Contact",
        "notifications.CustomerMessage", "notifications.Dispatch", "orders.Return",
        "payments.Account", "payments.LedgerEntry", "payments.Payment", "payments.Refund",
        "sagas.Saga",
    ]  # fmt: skip


def test_part_of_a_products_name_is_enough(support: Client, shop: Databases) -> None:
    named = "UPDATE inventory_stock SET name = 'Green Tea' WHERE product_id = 'tea'"
    shop["inventory"].execute(named)

    assert count(support, "inventory.Stock", "green") == 1
    assert count(support, "inventory.Stock", "te") == 1  # of the name, not of the id
    assert count(support, "inventory.Stock", "cup") == 1
    assert count(support, "inventory.Stock", "cu") == 0


def test_every_list_says_what_it_is_searched_by() -> None:
    assert {name for name, each in LISTS.items() if not each.search_help_text} == set()


@pytest.mark.parametrize("name", sorted(LISTS))
def test_every_order_of_a_list_is_an_indexs_own(databases: Databases, name: str) -> None:
    """The first page is read off an index, whatever the column that the list is sorted by."""
    listing = LISTS[name]
    user = User.objects.create_superuser("agent")
    columns = range(len(listing.list_display))
    for query in ["", *(f"?o={way}{index}" for index in columns for way in ("", "-"))]:
        request = RequestFactory().get("/" + query)
        request.user = user
        chosen = listing.get_changelist_instance(request)
        kinds = [each["Node Type"] for each in nodes(plan(listing.model, chosen.queryset[:51]))]
        assert "Sort" not in kinds, (query, kinds)
        assert not any(field_of(listing.model, each).null for each in chosen.order.fields)


@pytest.mark.parametrize("name", sorted(set(LISTS) - SHORT))
def test_what_is_searched_in_full_has_an_index(databases: Databases, name: str) -> None:
    listing = LISTS[name]
    for path in (each[1:] for each in listing.search_fields if each.startswith("=")):
        value = {"UUIDField": "0192f3a1-b2c3-7abc-8def-0123456789ab", "TextField": "x"}
        kind = field_of(listing.model, path).get_internal_type()
        rows = listing.model._default_manager.filter(**{path: value.get(kind, 1)}).order_by()
        kinds = [each["Node Type"] for each in nodes(plan(listing.model, rows))]
        assert "Seq Scan" not in kinds, (path, kinds)


def test_no_list_asks_its_table_what_there_is_to_choose_from(databases: Databases) -> None:
    """One test for all lists: to reach them takes longer than to read them."""
    client = client_of("support", codenames="view_")
    asked = {name for name in set(LISTS) - set(OFFERING) if asks_for_choices(client, name)}

    assert asked == set()


def asks_for_choices(client: Client, name: str) -> bool:
    """Whether the page of a list reads a table for what its filters offer."""
    model = LISTS[name].model
    list_page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    with CaptureQueriesContext(connections[router.db_for_read(model)]) as seen:
        assert client.get(list_page).status_code == 200
    return any("SELECT DISTINCT" in each["sql"] for each in seen)


@pytest.mark.parametrize("name", sorted(OFFERING))
def test_what_is_open_is_offered_by_an_index_of_its_own(databases: Databases, name: str) -> None:
    listing = LISTS[name]
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("agent")
    filters = listing.get_changelist_instance(request).filter_specs
    offers = [each.lookup_choices for each in filters if isinstance(each, AllValuesFieldListFilter)]

    for rows in offers:
        found = [each.get("Index Name", "") for each in nodes(plan(listing.model, rows))]
        assert any(each.startswith(OFFERING[name]) for each in found), found
    assert offers


def test_what_the_code_knows_is_offered_and_chosen_by(support: Client) -> None:
    """In the words in which Django offers a field's choices."""
    page = support.get("/admin/payments/intent/", {"operation": "authorize"})
    [*_, offered] = page.context["cl"].filter_specs

    assert [text for _, text in offered.lookup_choices] == [
        "Authorize", "Capture", "Give Back", "Refund", "Return",
    ]  # fmt: skip
    assert {each.operation for each in page.context["cl"].result_list} == {"authorize"}
    page = support.get("/admin/payments/intent/", {"operation": "capture"})
    assert list(page.context["cl"].result_list) == []


def field_of(model: type[Model], path: str) -> Any:
    field: Any = None
    for part in path.lstrip("-").split("__"):
        field = model._meta.get_field(part)
        model = field.related_model or model
    return field


def plan(model: type[Model], rows: Any) -> dict[str, Any]:
    """What PostgreSQL would do if reading or sorting everything were dear, as with many rows."""
    with connections[router.db_for_read(model)].cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_sort = off")
        try:
            [found] = json.loads(rows.explain(format="JSON"))
        finally:
            cursor.execute("RESET enable_seqscan; RESET enable_sort")
    return dict(found["Plan"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)
