"""One order across all services, in plain words."""

import re
import time
from collections.abc import Sequence

import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape
from uuid_utils.compat import uuid7

from apps.contracts.catalogue import Action
from apps.contracts.steps import UndoRefused
from apps.messaging.admin import revealing
from apps.messaging.audit import Actor
from apps.messaging.errors import ReasonMissing
from apps.ops.order_case import Case
from apps.ops.story import Speech, verdict
from apps.orders.errors import NoSuchOrder
from apps.orders.models import OperatorAction, Order
from apps.orders.services import reveal_address
from apps.sagas import operations
from apps.sagas.models import Saga
from apps.sagas.watchdog import Watchdog
from sagaplatform.env import CONTEXTS
from tests.admin.telling import answer, forward, told
from tests.admin.world import (
    IN_VAIN,
    act_on,
    client_of,
    confirmed_saga,
    park_for,
    undone_saga,
)
from tests.ops.world import HOME, buy, deliver
from tests.sagas.listening import hear, news
from tests.sagas.test_watchdog import Desk, Ears

Databases = dict[str, psycopg.Connection]


@pytest.fixture
def support(shop: Databases) -> Client:
    return client_of("support", codenames="view_")


def page(order: Order, name: str = "case") -> str:
    return f"/admin/orders/order/{order.id}/{name}/"


def case_of(client: Client, order: Order) -> Case:
    shown = client.get(page(order))
    assert shown.status_code == 200
    return shown.context["case"]


def words(text: object) -> str:
    """Without its markup; a time by its kind."""
    return re.sub(r"<time[^>]*>[^<]*</time>", "TIME", str(text))


def texts(sentences: Sequence[object]) -> list[str]:
    return [words(getattr(each, "text", each)) for each in sentences]


def test_a_refused_order_is_told_from_its_wish_to_its_end(support: Client, shop: Databases) -> None:
    case = case_of(support, undone_saga(shop))

    assert case.verdict == (
        "The carrier refused: it takes at most 60 pieces, the order has 100."
        " Everything was undone: 100 pieces put back, 450.00 USD given back."
    )
    assert texts(case.next) == ["Nothing more happens by itself."]
    assert texts(case.happened) == [
        "The customer ordered 100 pieces for 450.00 USD.",
        "The stock set 100 pieces aside.",
        "The prices were promised: 450.00 USD in all.",
        "450.00 USD were held.",
        "The carrier refused: it takes at most 60 pieces, the order has 100.",
        "450.00 USD were given back.",
        "The promised prices were taken back.",
        "The stock put 100 pieces back.",
        "The order was cancelled.",
    ]
    assert case.lines == [("tea", 100, "4.50 USD", "450.00 USD", "put back")]
    assert case.money == [
        ("Held, by store credit", "450.00 USD"),
        ("Given back: the hold was lifted", "450.00 USD"),
        ("Taken", "0.00 USD"),
        ("The shop has", "0.00 USD"),
    ]
    assert case.parcel == ["No parcel was booked"]
    assert texts(case.sent) == ["Your order could not be carried out"]
    assert texts(case.readable) == [
        "Order placed",
        "Goods set aside",
        "The carrier takes at most 60 pieces, the order has 100",
        "Given back: 450.00 USD",
        "Order cancelled",
    ]
    assert case.hands == []


def test_a_confirmed_order_is_told_until_the_carrier_has_it(
    support: Client, shop: Databases
) -> None:
    case = case_of(support, confirmed_saga(shop))

    [(reference,)] = shop["shipping"].execute("SELECT reference FROM shipping_shipment").fetchall()
    assert case.verdict == "The order is confirmed: 21.00 USD taken for 3 pieces."
    assert texts(case.next) == ["The carrier has the parcel since TIME."]
    assert set(texts(case.happened)) == {
        "The customer ordered 3 pieces for 21.00 USD.",
        "The stock set 3 pieces aside.",
        "The prices were promised: 21.00 USD in all.",
        "21.00 USD were held.",
        "The gift was wrapped in 1 box.",
        f"A parcel was booked with in-house, reference {reference}.",
        "21.00 USD were taken. From here on the order only goes forward.",
        "The order was confirmed.",
        "The carrier took the parcel.",
        "The customer was told that the order is confirmed.",
    }
    assert case.lines == [
        ("tea", 2, "4.50 USD", "9.00 USD", "left the house"),
        ("cup", 1, "12.00 USD", "12.00 USD", "left the house"),
    ]
    assert case.money == [
        ("Held, by store credit", "21.00 USD"),
        ("Taken", "21.00 USD"),
        ("The shop has", "21.00 USD"),
    ]
    assert case.parcel == [
        "Gift of 3 pieces in 1 box: wrapped",
        f"{reference}, 1 parcel with 3 pieces, by in-house: with the carrier",
    ]
    assert sorted(texts(case.sent)) == ["Your order is confirmed", "Your order is on its way"]


def test_what_other_services_want_a_person_for_is_told_until_the_case_is_closed(
    support: Client, shop: Databases
) -> None:
    """Money that came back is told of an order that is well: whoever answers the customer knows."""
    order = confirmed_saga(shop)
    told = "The refund re_1 has failed: the money is ours again."
    shop["sagas"].execute(
        "INSERT INTO sagas_case (id, kind, context, saga_id, step, action, reason, opened_at)"
        " VALUES (gen_random_uuid(), 'refund_failed', 'payments', %s, 're_1', '', %s, now())",
        [order.saga_id, told],
    )
    case = case_of(support, order)
    assert texts(case.next)[0] == f"A person has to look: {told}"
    listed = support.get(case.desk)
    assert escape(told) in listed.content.decode()

    shop["sagas"].execute("UPDATE sagas_case SET closed_at = now(), closed_by = 'ada'")
    case = case_of(support, order)
    assert (case.desk, len(case.next)) == ("", 1)


def test_an_order_under_way_says_what_it_waits_for_and_what_if_not(
    support: Client, shop: Databases
) -> None:
    order_id = buy(tea=2)
    deliver(shop, rounds=3)
    case = case_of(support, Order.objects.get(id=order_id))

    assert case.verdict == "The order is under way."
    assert texts(case.next) == [
        "It waits for the prices to be promised, asked 1 time, again at TIME.",
        "If no answer comes after asking 4 times, or by TIME, everything is undone.",
    ]
    assert case.money == [("Nothing was held or taken", "")]
    assert case.lines == [("tea", 2, "4.50 USD", "9.00 USD", "set aside")]


def test_an_order_that_nobody_has_taken_on_yet_says_so(support: Client, shop: Databases) -> None:
    order = Order.objects.get(id=buy(tea=2))
    case = case_of(support, order)

    assert f"/admin/sagas/saga/{order.saga_id}/" not in support.get(page(order)).content.decode()
    assert case.verdict == "The order was accepted and is not taken on yet: it was told 1 time."
    assert texts(case.happened) == ["The customer ordered 2 pieces for 9.00 USD."]
    assert case.lines == [("tea", 2, "4.50 USD", "9.00 USD", "never set aside")]


def test_what_stands_on_the_desk_and_what_was_done_by_hand_are_told(
    support: Client, shop: Databases
) -> None:
    order = Order.objects.get(id=buy(tea=100))
    deliver(shop, rounds=9)  # until the payment is asked to give back
    assert Saga.objects.get().pending_step == "authorize_payment"
    refused = UndoRefused(reason="The account is closed")
    plan = Saga.objects.get().plan
    hear(news(order.saga_id, "authorize_payment", refused, action=Action.UNDO, plan=plan))
    operations.retry_step(
        saga_id=order.saga_id, step="authorize_payment", version=Saga.objects.get().revision,
        actor=Actor(1, "olga"), reason="The account is open again",
    )  # fmt: skip
    case = case_of(support, order)

    assert case.verdict == (
        "The carrier refused: it takes at most 60 pieces, the order has 100. It is being undone."
        " A person has to settle what stands on the desk."
    )
    assert_leads_to_the_desk(support, order)
    assert texts(case.next) == [
        "On the desk, for a person to settle: the money to be given back (asked 2 times).",
        "It waits for the promised prices to be taken back, asked 1 time, again at TIME.",
        "After that it waits for the goods to be put back, then for the order to be cancelled.",
    ]
    happened = texts(case.happened)
    assert "The payment will not undo it: The account is closed. A person should look." in happened
    [hand] = texts(case.hands)
    assert hand.startswith("olga: retry of “authorize payment”. The account is open again (stuck")
    assert hand in happened


def assert_leads_to_the_desk(client: Client, order: Order) -> None:
    """From the head of the case to the one that is open."""
    address = case_of(client, order).desk
    assert (
        f'<a id="case-desk" href="{escape(address)}">' in client.get(page(order)).content.decode()
    )
    [case] = client.get(address).context["cl"].result_list
    assert (case.saga_id, case.closed_at) == (order.saga_id, None)


def stuck_at_the_capture(shop: Databases) -> Order:
    """An order whose payment is asked to take the money, which never answers."""
    order = Order.objects.get(id=buy(tea=2))
    while not (saga := Saga.objects.first()) or saga.pending_step != "capture_payment":
        deliver(shop, rounds=1)
    desk, dog = Desk(shop["sagas"]), Watchdog(Ears())
    for _ in range(5):
        desk.time_passes()
        dog.turn()
    assert Saga.objects.get().status == "stuck"
    return order


def test_an_order_that_is_stuck_on_its_way_forward_needs_a_person(
    support: Client, shop: Databases
) -> None:
    order = stuck_at_the_capture(shop)
    case = case_of(support, order)

    assert case.verdict == (
        "A person has to look: it waits for the money to be taken, which fails again and again."
    )
    assert_leads_to_the_desk(support, order)
    assert case_of(support, undone_saga(shop)).desk == ""


def test_a_person_is_told_when_nobody_knows_whether_the_money_was_taken(
    support: Client, shop: Databases
) -> None:
    order = stuck_at_the_capture(shop)
    Saga.objects.update(pending_action="fence")  # as where somebody turned it back, in vain

    assert case_of(support, order).verdict == (
        "A person has to look: nobody can tell whether “capture payment” has happened."
    )


def test_a_person_is_told_what_there_is_to_decide() -> None:
    refused = answer("reserve_stock", 1, 2, "refused", type="StockReservationFailed")
    history = told(
        *forward("create_order"), refused, now=3, status="awaiting_decision",
        pending=("reserve_stock", "do", 1), cause_step="reserve_stock",
    )  # fmt: skip

    assert verdict(history, Speech("GBP", {})) == (
        "A person has to decide whether “reserve stock” is tried again."
    )
    assert history.needs_person


def test_what_was_done_by_hand_in_any_context_is_told_once(
    support: Client, shop: Databases
) -> None:
    order = confirmed_saga(shop)
    for context in CONTEXTS:
        act_on(order.saga_id, context)
    case = case_of(support, order)

    expected = "terminal:ada: discard of “authorize payment”. it was a test (discarded)"
    assert texts(case.hands) == [expected] * len(CONTEXTS)


def test_a_parked_message_is_said_to_hold_the_order_up(support: Client, shop: Databases) -> None:
    order = Order.objects.get(id=buy(tea=2))
    deliver(shop, rounds=3)
    park_for(order.saga_id)
    case = case_of(support, order)

    assert texts(case.next)[-1] == (
        "payments could not handle AuthorizePayment (ValueError: no such account):"
        " operations has to correct or repeat it."
    )


def test_a_call_outside_without_a_good_answer_is_told(support: Client, shop: Databases) -> None:
    order = confirmed_saga(shop)
    shop["payments"].execute(IN_VAIN, [order.saga_id])
    case = case_of(support, order)

    assert texts(case.next)[-1] == (
        "payments has had no good answer from outside yet (stripe does not answer)."
    )


def test_the_page_takes_few_statements(support: Client, shop: Databases) -> None:
    order = undone_saga(shop)
    counted = {}
    for alias in CONTEXTS:
        with CaptureQueriesContext(connections[alias]) as seen:
            support.get(page(order))
        counted[alias] = len(seen)

    # Statements that are written by hand go past Django's log.
    assert counted == {
        "orders": 5, "inventory": 0, "pricing": 0, "payments": 1, "shipping": 2,
        "notifications": 1, "fraud": 0, "sagas": 5,
    }  # fmt: skip


def test_order_saga_and_case_lead_to_each_other(support: Client, shop: Databases) -> None:
    order = confirmed_saga(shop)
    saga = f"/admin/sagas/saga/{order.saga_id}/change/"
    leads = {
        (at, to): f'href="{to}"' in support.get(at).content.decode()
        for at in (page(order), page(order, "change"), saga)
        for to in (page(order), page(order, "change"), saga)
        if at != to
    }
    assert set(leads.values()) == {True}


@pytest.mark.parametrize("codename", ["view_order", "view_saga"])
def test_it_takes_the_right_to_look_at_orders_and_at_sagas(shop: Databases, codename: str) -> None:
    order = confirmed_saga(shop)
    clerk = client_of("clerk", codenames=codename)

    assert clerk.get(page(order)).status_code == 403
    if codename == "view_order":
        assert page(order) not in clerk.get(page(order, "change")).content.decode()


def test_an_unknown_order_leads_home(support: Client) -> None:
    assert support.get(f"/admin/orders/order/{uuid7()}/case/").status_code == 302


# --- the address


@pytest.fixture
def agent(support: Client) -> Client:
    """Who may read addresses, and has confirmed lately who they are."""
    user = User.objects.get(username="support")
    user.user_permissions.add(Permission.objects.get(codename="reveal_order"))
    confirm(support, at=time.time())
    return support


def confirm(client: Client, at: float) -> None:
    session = client.session
    session["confirmed_at"] = at
    session.save()


def test_the_address_is_masked(agent: Client, shop: Databases) -> None:
    order = confirmed_saga(shop)

    for name in ("case", "change", "address"):
        shown = agent.get(page(order, name)).content.decode()
        assert HOME.street not in shown
    assert "A***, C, US" in agent.get(page(order)).content.decode()


def test_it_is_shown_for_a_reason_that_is_written_down(agent: Client, shop: Databases) -> None:
    order = confirmed_saga(shop)

    shown = agent.post(page(order, "address"), {"reason": "The parcel came back"})

    assert shown.status_code == 200
    assert shown.context["revealed"].facts == [
        ("Name", "A"), ("Street", "1 B"), ("Postal code", "1"), ("City", "C"), ("Country", "US"),
    ]  # fmt: skip
    assert "no-store" in shown["Cache-Control"]
    [row] = OperatorAction.objects.all()
    assert (row.operation, row.subject_kind) == ("reveal_address", "order")
    assert (row.subject_id, row.saga_id, row.actor) == (order.id, order.saga_id, "support")
    assert (row.reason, row.parameters) == ("The parcel came back", {})
    assert "support: reveal address. The parcel came back (the address was shown)" in texts(
        case_of(agent, order).hands
    )


@pytest.mark.parametrize("reason", ["", "  ", "..."])
def test_without_a_reason_it_stays_masked(agent: Client, shop: Databases, reason: str) -> None:
    order = confirmed_saga(shop)

    shown = agent.post(page(order, "address"), {"reason": reason})

    assert shown.status_code == 400
    assert HOME.street not in shown.content.decode()
    assert OperatorAction.objects.count() == 0


def test_without_the_permission_it_stays_masked(support: Client, shop: Databases) -> None:
    order = confirmed_saga(shop)
    confirm(support, at=time.time())

    answers = {
        support.get(page(order, "address")).status_code,
        support.post(page(order, "address"), {"reason": "I want to"}).status_code,
    }

    assert answers == {403}
    assert page(order, "address") not in support.get(page(order)).content.decode()
    assert OperatorAction.objects.count() == 0


def test_who_has_not_confirmed_lately_is_asked_to(
    agent: Client, shop: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revealing, "confirm_address", lambda request: "/admin/confirm/")
    order = confirmed_saga(shop)
    confirm(agent, at=time.time() - 601)

    shown = agent.post(page(order, "address"), {"reason": "The parcel came back"})

    assert (shown.status_code, shown["Location"]) == (302, "/admin/confirm/")
    assert OperatorAction.objects.count() == 0


def test_the_service_shows_nothing_without_a_reason(shop: Databases) -> None:
    order = confirmed_saga(shop)
    with pytest.raises(ReasonMissing):
        reveal_address(order_id=order.id, actor=Actor(1, "olga"), reason="?")

    assert OperatorAction.objects.count() == 0


def test_the_service_knows_no_order_of_another_id(shop: Databases) -> None:
    with pytest.raises(NoSuchOrder):
        reveal_address(order_id=uuid7(), actor=Actor(1, "olga"), reason="The parcel came back")

    assert OperatorAction.objects.count() == 0
