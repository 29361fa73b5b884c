"""The page of a saga across all databases."""

import re
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.orders.models import Order
from apps.sagas.admin import page as page_of_saga
from apps.sagas.models import Saga
from sagaplatform.env import CONTEXTS
from tests.admin.world import (
    CALL,
    IN_VAIN,
    act_on,
    client_of,
    confirmed_saga,
    note_for,
    park_for,
    undone_saga,
)
from tests.ops.world import buy, deliver

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


def test_a_saga_links_to_its_trace(support: Client, shop: Databases, settings: Any) -> None:
    settings.TRACE_URL = "https://jaeger.example/trace/{trace_id}"
    order = confirmed_saga(shop)
    statement = "SELECT split_part(traceparent, '-', 2) FROM sagas_saga"
    [(trace_id,)] = shop["sagas"].execute(statement).fetchall()

    shown = support.get(f"/admin/sagas/saga/{order.saga_id}/change/").content.decode()

    assert (
        f'href="https://jaeger.example/trace/{trace_id}" rel="noreferrer">{trace_id}</a>' in shown
    )


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


@pytest.mark.parametrize("part", ["change", "live"])
def test_what_is_parked_is_said_where_the_saga_stands(
    support: Client, shop: Databases, part: str
) -> None:
    order = confirmed_saga(shop)
    park_for(order.saga_id)
    page = f"/admin/sagas/saga/{order.saga_id}/{part}/"
    [(letter,)] = shop["payments"].execute("SELECT id FROM payments_deadletter").fetchall()

    shown = support.get(page)

    assert [words(each) for each in shown.context["warnings"]] == [
        "A message is parked in payments, because it could not be handled: AuthorizePayment of "
        "authorize payment."
    ]
    head, _, _ = shown.content.decode().partition('id="plan-title"')
    assert f'href="/admin/payments/deadletter/{letter}/change/"' in head

    shop["payments"].execute("UPDATE payments_deadletter SET status = 'replayed'")
    assert support.get(page).context["warnings"] == []


def test_a_call_outside_is_shown_and_said_where_it_is_made_in_vain(
    support: Client, shop: Databases
) -> None:
    well, in_vain = confirmed_saga(shop), undone_saga(shop)
    shop["payments"].execute(CALL, [well.saga_id])
    shop["payments"].execute(IN_VAIN.replace("'x'", "'y'"), [in_vain.saga_id])

    called = ["payments", "authorize payment", "do", "authorize"]
    assert sections(support, well.saga_id)["Calls outside"] == [
        [*called, "settled", "0 times", "", "TIME", "TIME"]
    ]
    assert sections(support, in_vain.saga_id)["Calls outside"] == [
        [*called, "unknown", "3 times", "stripe does not answer", "TIME", ""]
    ]
    warnings = {
        order.saga_id: [words(each) for each in shown.context["warnings"]]
        for order in (well, in_vain)
        if (shown := support.get(f"/admin/sagas/saga/{order.saga_id}/change/"))
    }
    told = (
        "A call of payments has had no good answer yet: authorize , made 3 times. "
        "stripe does not answer"
    )
    assert warnings == {well.saga_id: [], in_vain.saga_id: [told]}


def test_another_sagas_rows_are_not_there(support: Client, shop: Databases) -> None:
    order, other = confirmed_saga(shop), undone_saga(shop)
    park_for(other.saga_id)

    assert "Parked messages" not in sections(support, order.saga_id)
    assert sections(support, order.saga_id)["Order"][0][0] == order.number


@pytest.mark.parametrize("part", ["change", "live"])
def test_the_page_takes_few_statements(support: Client, shop: Databases, part: str) -> None:
    """One per database for messaging and one per thing held, however many rows there are."""
    order = confirmed_saga(shop)
    page = f"/admin/sagas/saga/{order.saga_id}/{part}/"
    counted = {}
    for alias in CONTEXTS:
        with CaptureQueriesContext(connections[alias]) as seen:
            support.get(page)
        counted[alias] = len(seen)

    # Statements that are written by hand go past Django's log: they are counted where they pass.
    assert counted == {
        "orders": 1, "inventory": 0, "pricing": 0, "payments": 1, "shipping": 2,
        "notifications": 1, "fraud": 2, "sagas": {"change": 5, "live": 4}[part],
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
    """The order, its lines, its timeline, the timeline again for the refusal, and the wish."""
    order = undone_saga(shop)
    with CaptureQueriesContext(connections["orders"]) as seen:
        support.get(f"/admin/orders/order/{order.id}/change/")

    assert len(seen) == 5


# --- plan and timeline


def boxes(client: Client, order: Order) -> list[tuple[str, str, str]]:
    """The plan as it is shown: step, where it stands, where its compensation stands."""
    shown = client.get(f"/admin/sagas/saga/{order.saga_id}/change/")
    return [
        (node.title, str(node.forward.standing), str(node.back.standing) if node.back else "")
        for node in shown.context["nodes"]
    ]


def test_the_plan_of_a_confirmed_saga_is_done(support: Client, shop: Databases) -> None:
    steps = boxes(support, confirmed_saga(shop))

    assert [title for title, *_ in steps] == [
        "create order", "reserve stock", "freeze price", "authorize payment", "wrap gift",
        "create shipment", "capture payment", "confirm order", "send confirmation",
    ]  # fmt: skip
    assert {each[1:] for each in steps} == {("done", "")}


def test_the_plan_of_an_undone_saga_is_undone_up_to_the_refusal(
    support: Client, shop: Databases
) -> None:
    assert boxes(support, undone_saga(shop)) == [
        ("create order", "done", "undone"),
        ("reserve stock", "done", "undone"),
        ("freeze price", "done", "undone"),
        ("authorize payment", "done", "undone"),
        ("create shipment", "refused", ""),
        ("capture payment", "not reached", ""),
        ("confirm order", "not reached", ""),
        ("send confirmation", "not reached", ""),
    ]


def test_the_timeline_has_a_bar_for_each_request_and_marks_beside(
    support: Client, shop: Databases
) -> None:
    order = undone_saga(shop)
    note_for(shop, order.saga_id)
    act_on(order.saga_id, "payments")
    act_on(order.saga_id, "sagas")
    shown = support.get(f"/admin/sagas/saga/{order.saga_id}/change/")

    rows = shown.context["timeline"].rows
    assert [(row.title, row.status, [mark.kind for mark in row.marks]) for row in rows] == [
        ("create order", "done", []),
        ("reserve stock", "done", ["barrier"]),
        ("freeze price", "done", []),
        ("authorize payment", "done", []),
        ("create shipment", "refused", []),
        ("undo authorize payment", "undone", ["hand", "hand"]),
        ("undo freeze price", "undone", []),
        ("undo reserve stock", "undone", []),
        ("undo create order", "undone", []),
    ]
    assert [(each.what, each.text) for each in shown.context["entries"]] == [
        ("create order: done", "OrderCreated"),
        ("reserve stock: done", "StockReserved"),
        ("freeze price: done", "PriceFrozen"),
        ("authorize payment: done", "PaymentAuthorized"),
        ("create shipment: refused", "ShipmentRefused"),
        ("undo authorize payment: undone", "PaymentRefunded"),
        ("undo freeze price: undone", "PriceUnfrozen"),
        ("undo reserve stock: undone", "StockReleased"),
        ("undo create order: undone", "OrderCancelled"),
        ("reserve stock: late in inventory",
         "It came too late, the step is closed: nothing was done"),
        ("authorize payment: discard in payments by terminal:ada", "it was a test: discarded"),
        ("authorize payment: discard by terminal:ada", "it was a test: discarded"),
    ]  # fmt: skip


def test_the_page_has_no_inline_style_or_script(support: Client, shop: Databases) -> None:
    """In what is ours: a policy of content forbids both."""
    live = support.get(f"/admin/sagas/saga/{undone_saga(shop).saga_id}/live/").content.decode()

    assert re.findall(r" style=| on[a-z]+=|<script|<style|javascript:", live) == []


# --- live


@pytest.fixture
def running(shop: Databases) -> Order:
    """An order whose prices are asked to be frozen."""
    order_id = buy(tea=2)
    deliver(shop, rounds=3)
    return Order.objects.get(id=order_id)


def test_a_live_sagas_page_asks_for_its_live_part(support: Client, running: Order) -> None:
    live = f"/admin/sagas/saga/{running.saga_id}/live/"
    page = support.get(live.replace("/live/", "/change/")).content.decode()
    part = support.get(live)

    assert f'hx-get="{live}" hx-trigger="every 3s"' in page
    assert part.status_code == 200
    assert part.context["said"] == "It waits for freeze price."
    assert "<html" not in part.content.decode()
    assert dict(part.context["facts"])["Sending"] == "1 of 4"


def test_what_stands_on_the_desk_is_not_sent_for_the_fifth_of_four_times(
    support: Client, running: Order
) -> None:
    Saga.objects.filter(saga_id=running.saga_id).update(status="stuck", attempt=5)
    facts = dict(support.get(f"/admin/sagas/saga/{running.saga_id}/live/").context["facts"])
    assert facts["Sending"] == "5"


def test_the_live_part_tells_where_the_saga_went(
    support: Client, running: Order, shop: Databases
) -> None:
    deliver(shop)
    part = support.get(f"/admin/sagas/saga/{running.saga_id}/live/")

    assert part.status_code == 200  # others may still react to its end
    assert part.context["said"] == "Every step is done."


def test_a_saga_at_rest_is_not_asked_for_again(
    support: Client, running: Order, shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_of_saga, "AT_REST", timedelta(0))
    deliver(shop)
    live = f"/admin/sagas/saga/{running.saga_id}/live/"

    assert support.get(live).status_code == 286  # which htmx takes for the last one
    assert "every 3s" not in support.get(live.replace("/live/", "/change/")).content.decode()


def test_the_live_part_takes_the_right_to_look_at_sagas(shop: Databases, running: Order) -> None:
    clerk = client_of("clerk", codenames="view_order")
    assert clerk.get(f"/admin/sagas/saga/{running.saga_id}/live/").status_code == 403
