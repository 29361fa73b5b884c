"""Lists that are read by keys: every row once, in the list's order, whatever its length."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connections
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.inventory.models import StockMovement
from apps.inventory.services import receive_stock
from apps.messaging.admin.keyset import Order, walk
from tests.admin.world import client_of

Databases = dict[str, psycopg.Connection]
MOVEMENTS = "/admin/inventory/stockmovement/"
SEVENTEEN_EACH = {f"product {number:02}": 1 for number in range(17)}


@pytest.fixture
def support(shop: Databases) -> Client:
    """Of a shop with 104 stock movements: three pages of fifty."""
    for delivery in range(6):
        receive_stock(quantities=SEVENTEEN_EACH, reason=f"delivery {delivery}")
    return client_of("support", codenames="view_")


def shown(client: Client, query: str) -> tuple[list[int], object]:
    """The movements on a page, and its paginator."""
    answer = client.get(MOVEMENTS + query)
    assert answer.status_code == 200
    found = answer.context["cl"]
    return [each.id for each in found.result_list], found.paginator


def pages(client: Client, query: str, way: str = "following") -> Iterator[list[int]]:
    while True:
        ids, page = shown(client, query)
        yield ids
        query = getattr(page, way)
        if not query:
            return


def test_pages_have_every_row_once_and_in_order(support: Client) -> None:
    found = list(pages(support, ""))

    assert [len(page) for page in found] == [50, 50, 4]
    every = StockMovement.objects.order_by("-id").values_list("id", flat=True)
    assert [id for page in found for id in page] == list(every)


def test_the_way_back_is_the_same_pages(support: Client) -> None:
    forth = list(pages(support, ""))
    _, second = shown(support, shown(support, "")[1].following)
    back = list(pages(support, second.following, way="previous"))

    assert back == [forth[2], forth[1], forth[0]]


def test_who_goes_back_to_less_than_a_page_sees_the_first_one(support: Client) -> None:
    """Otherwise a list's newest rows would stand alone on a page of three."""
    ids, _ = shown(support, "")
    row = StockMovement.objects.get(id=ids[3])
    token = Order(StockMovement, ("-id",)).token(row)

    assert shown(support, f"?before={token}")[0] == ids
    assert shown(support, f"?before={token}")[1].previous == ""


def test_search_filters_and_order_stay_on_the_way(support: Client) -> None:
    query = "?kind__exact=received&o=0"
    ids, page = shown(support, query)
    rest, last = shown(support, page.following)

    received = StockMovement.objects.filter(kind="received").order_by("id")
    assert ids + rest[:50] == list(received.values_list("id", flat=True)[:100])
    assert "kind__exact=received" in last.previous
    assert "o=0" in last.first
    assert "after" not in last.first


def test_a_page_is_one_statement_that_counts_nothing(support: Client) -> None:
    _, page = shown(support, "")
    for query in ("", page.following):
        with CaptureQueriesContext(connections["inventory"]) as seen:
            shown(support, query)
        assert len(seen) == 1
        assert "COUNT" not in seen[0]["sql"]
        assert "OFFSET" not in seen[0]["sql"]


def test_a_filter_or_another_search_begins_at_the_first_page(support: Client) -> None:
    _, page = shown(support, "")
    answer = support.get(MOVEMENTS + page.following).content.decode()

    assert 'name="after"' not in answer
    assert "kind__exact=received&amp;after" not in answer


@pytest.mark.parametrize(
    "token", ["nonsense", "WyJ4Il0", "WyIxIiwgIjIiXQ", "WzFd", "é", "WyJcdTAwMDAiXQ"]
)
def test_a_place_that_is_none_leads_to_the_beginning(support: Client, token: str) -> None:
    answer = support.get(MOVEMENTS, {"after": token})

    assert (answer.status_code, answer["Location"]) == (302, f"{MOVEMENTS}?e=1")
    told = "The address asked for a filter that is not there, so everything is shown."
    assert told in support.get(answer["Location"]).content.decode()
    assert told not in support.get(MOVEMENTS).content.decode()


def test_a_column_that_no_index_serves_is_not_sorted_by(support: Client) -> None:
    """Not even where somebody writes it into the address: product 1, quantity 3."""
    ids, _ = shown(support, "")
    for order in ("1", "-1", "3", "99", "x", "-x", "1.2", ""):
        assert shown(support, f"?o={order}")[0] == ids
    assert shown(support, "?o=0")[0] == [
        *StockMovement.objects.order_by("id").values_list("id", flat=True)[:50]
    ]
    headers = support.get(MOVEMENTS).content.decode()
    assert headers.count('class="sortoptions') == 1  # above the time


def test_the_next_row_is_found_inside_of_equal_firsts() -> None:
    order = Order(StockMovement, ("-moved_at", "product_id"))

    assert order.beyond([1, "b"]) == Q(moved_at__lte=1) & (
        Q(moved_at__lt=1) | Q(product_id__gt="b")
    )
    assert order.reversed().fields == ("moved_at", "-product_id")


def test_walking_reads_as_many_rows_as_it_may(shop: Databases) -> None:
    receive_stock(quantities=SEVENTEEN_EACH, reason="delivery")
    everything = StockMovement.objects.order_by("product_id", "-id")
    order = Order(StockMovement, ("product_id", "-id"))
    read = [each.id for each in walk(everything, order, chunk=4, limit=11)]

    assert read == list(everything.values_list("id", flat=True)[:11])
    assert len(list(walk(everything, order, chunk=4, limit=1000))) == 19
