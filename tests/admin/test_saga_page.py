"""The page of a saga across all databases."""

import re

import psycopg
import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sagaplatform.env import CONTEXTS
from tests.admin.world import client_of, confirmed_saga, note_for, park_for, undone_saga

Databases = dict[str, psycopg.Connection]


@pytest.fixture
def support(shop: Databases) -> Client:
    return client_of("support", codenames="view_")


def sections(client: Client, saga_id: object) -> dict[str, list[list[str]]]:
    """The tables of a saga's page by their titles, as people read them."""
    shown = client.get(f"/admin/sagas/saga/{saga_id}/change/")
    assert shown.status_code == 200
    return {
        each.title: [[words(cell) for cell in row] for row in each.rows]
        for each in shown.context["sections"]
    }


def words(cell: object) -> str:
    """A cell without its markup; a time by its kind."""
    text = re.sub(r"<time[^>]*>[^<]*</time>", "TIME", str(cell))
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_a_confirmed_saga_shows_what_every_service_holds(support: Client, shop: Databases) -> None:
    order = confirmed_saga(shop)
    shown = sections(support, order.saga_id)

    assert list(shown) == ["Steps", "Order", "Held by the services", "Saga logs"]
    assert shown["Order"] == [[order.number, "confirmed", "21.00 USD", "7", "TIME", "TIME"]]
    [(reference,)] = shop["shipping"].execute("SELECT reference FROM shipping_shipment").fetchall()
    parcel = f"{reference}, 1 parcel with 3 pieces, in-house"
    assert shown["Held by the services"] == [
        ["inventory", "1 x cup", "shipped", "TIME", "TIME"],
        ["inventory", "2 x tea", "shipped", "TIME", "TIME"],
        ["pricing", "total 21.00 USD", "frozen", "TIME", ""],
        ["payments", "21.00 USD by credit, captured 21.00", "captured", "TIME", "TIME"],
        ["shipping", "gift, 3 pieces in 1 box", "wrapped", "TIME", ""],
        ["shipping", parcel, "handed over", "TIME", "TIME"],
        ["notifications", "Your order is confirmed", "sent", "TIME", ""],
    ]
    assert sorted(row[:5] for row in shown["Saga logs"]) == [
        ["inventory", "reserve stock", "done", "1", "StockReserved"],
        ["inventory", "ship stock", "done", "1", ""],
        ["notifications", "send confirmation", "done", "1", "ConfirmationSent"],
        ["orders", "confirm order", "done", "1", "OrderConfirmed"],
        ["orders", "create order", "done", "1", "OrderCreated"],
        ["payments", "authorize payment", "done", "1", "PaymentAuthorized"],
        ["payments", "capture payment", "done", "1", "PaymentCaptured"],
        ["pricing", "freeze price", "done", "1", "PriceFrozen"],
        ["shipping", "create shipment", "done", "1", "ShipmentCreated"],
        ["shipping", "hand over", "done", "1", "ShipmentHandedOver"],
        ["shipping", "wrap gift", "done", "1", "GiftWrapped"],
    ]
    assert {len(row) for row in shown["Steps"]} == {5}


def test_an_undone_saga_shows_the_refusal_and_that_nothing_is_held(
    support: Client, shop: Databases
) -> None:
    order = undone_saga(shop)
    shown = sections(support, order.saga_id)

    assert [(row[0], row[1], row[5]) for row in shown["Steps"]] == [
        ("create order", "done", "undone"),
        ("reserve stock", "done", "undone"),
        ("freeze price", "done", "undone"),
        ("authorize payment", "done", "undone"),
        ("create shipment", "refused", ""),
        ("capture payment", "", ""),
        ("confirm order", "", ""),
        ("send confirmation", "", ""),
    ]
    assert shown["Order"][0][:3] == [order.number, "cancelled", "450.00 USD"]
    assert [row[1:3] for row in shown["Held by the services"]] == [
        ["100 x tea", "released"],
        ["total 450.00 USD", "unfrozen"],
        ["450.00 USD by credit", "refunded"],
    ]


def test_what_was_parked_and_noted_in_any_context_is_there(
    support: Client, shop: Databases
) -> None:
    order = confirmed_saga(shop)
    for context in CONTEXTS:
        park_for(order.saga_id, context)
        note_for(shop, order.saga_id, context)
    shown = sections(support, order.saga_id)

    error = "ValueError: no such account"
    assert sorted(row[:6] for row in shown["Parked messages"]) == [
        [each, "authorize payment", "do", "AuthorizePayment", "parked", error]
        for each in sorted(CONTEXTS)
    ]
    assert sorted(row[:5] for row in shown["Unusual decisions of the barrier"]) == [
        [each, "reserve stock", "do", "1", "late"] for each in sorted(CONTEXTS)
    ]


def test_another_sagas_rows_are_not_there(support: Client, shop: Databases) -> None:
    order, other = confirmed_saga(shop), undone_saga(shop)
    park_for(other.saga_id)

    assert "Parked messages" not in sections(support, order.saga_id)
    assert sections(support, order.saga_id)["Order"][0][0] == order.number


def test_the_page_takes_few_statements(support: Client, shop: Databases) -> None:
    """One per database for messaging and one per thing held, however many rows there are."""
    order = confirmed_saga(shop)
    page = f"/admin/sagas/saga/{order.saga_id}/change/"
    counted = {}
    for alias in CONTEXTS:
        with CaptureQueriesContext(connections[alias]) as seen:
            support.get(page)
        counted[alias] = len(seen)

    # Statements that are written by hand go past Django's log: they are counted where they pass.
    assert counted == {
        "orders": 1, "inventory": 0, "pricing": 0, "payments": 1, "shipping": 2,
        "notifications": 1, "sagas": 5,
    }  # fmt: skip


def test_statements_by_hand_are_nine(
    support: Client, shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.messaging.database import Database

    order, passed, fetch = confirmed_saga(shop), [], Database.fetch

    def counting(self: Database, *args: object) -> object:
        passed.append(self.alias)
        return fetch(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "fetch", counting)
    support.get(f"/admin/sagas/saga/{order.saga_id}/change/")

    assert sorted(passed) == sorted((*CONTEXTS, "inventory", "pricing"))


def test_an_order_leads_to_its_saga_and_back(support: Client, shop: Databases) -> None:
    order = undone_saga(shop)
    saga = f"/admin/sagas/saga/{order.saga_id}/change/"
    page = f"/admin/orders/order/{order.id}/change/"

    assert f'href="{saga}"' in support.get(page).content.decode()
    assert f'href="{page}"' in support.get(saga).content.decode()


def test_a_saga_without_an_order_can_be_read(support: Client, shop: Databases) -> None:
    """Its order is in another database, which may have been restored to an earlier day."""
    order = confirmed_saga(shop)
    shop["orders"].execute("TRUNCATE orders_order CASCADE")

    assert "Order" not in sections(support, order.saga_id)


def test_an_orders_page_takes_as_many_statements_as_it_has_tables(
    support: Client, shop: Databases
) -> None:
    """The order, its lines, its timeline, and the timeline again for the refusal."""
    order = undone_saga(shop)
    with CaptureQueriesContext(connections["orders"]) as seen:
        support.get(f"/admin/orders/order/{order.id}/change/")

    assert len(seen) == 4
