"""What support does all day, in a real browser: from an order's number to why it was undone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from selenium.webdriver.common.keys import Keys
from uuid_utils.compat import uuid7
from waffle import get_waffle_switch_model

from apps.orders.models import Order
from apps.sagas.models import Saga
from sagaplatform.roles import AUDITOR
from tests.admin.world import act_on, confirmed_saga, park_for, undone_saga
from tests.browser.browser import Browser
from tests.browser.conftest import opened_by
from tests.ops.world import CUSTOMER

Databases = dict[str, psycopg.Connection]
PHONE = (390, 844)
OFFSET = timedelta(hours=5, minutes=30)  # of browser.ZONE


@pytest.fixture
def undone(shop: Databases) -> Order:
    confirmed_saga(shop)
    return undone_saga(shop)


def test_from_an_orders_number_to_the_refused_step(undone: Order, support: Browser) -> None:
    support.follow("a[href='/admin/orders/order/']")
    assert len(support.all("#result_list tbody tr")) == 2

    support.find("#searchbar").send_keys(undone.number)
    support.find("#searchbar").submit()
    [found] = support.wait_for_all("#result_list tbody tr", 1)
    assert undone.number in found.text
    assert "CANCELLED" in found.text

    support.follow("#result_list tbody th a")
    assert "The carrier takes at most 60 pieces, the order has 100" in support.text("#content-main")
    assert "450.00 USD" in support.text("#content-main")

    support.follow(f"a[href='/admin/sagas/saga/{undone.saga_id}/change/']")
    steps = {row[0]: row for row in support.table("Steps")}
    assert [name for name, row in steps.items() if row[1] == "REFUSED"] == ["create shipment"]
    undoings = {name: row[6] for name, row in steps.items() if row[5] == "UNDONE"}
    assert sorted(undoings, key=lambda name: undoings[name]) == [
        "authorize payment",
        "freeze price",
        "reserve stock",
        "create order",
    ]
    assert [row[2] for row in support.table("Held by the services")] == [
        "RELEASED",
        "UNFROZEN",
        "REFUNDED",
    ]
    assert support.complaints() == []


@pytest.mark.parametrize("typed", [str(CUSTOMER), "carla"])
def test_from_a_customer_to_their_orders(
    undone: Order, support: Browser, shop: Databases, typed: str
) -> None:
    """By the number or the user name, typed into the search; another customer's is not there."""
    User.objects.create_user("carla", id=CUSTOMER)
    Order.objects.exclude(id=undone.id).update(customer_id=CUSTOMER + 1)
    support.follow("a[href='/admin/orders/order/']")
    assert len(support.all("#result_list tbody tr")) == 2

    support.find("#searchbar").send_keys(typed, Keys.ENTER)
    [found] = support.wait_for_all("#result_list tbody tr", 1)
    assert undone.number in found.text
    support.follow("#result_list tbody th a")
    support.follow(f"a[href='/admin/orders/order/{undone.id}/case/']")
    assert "The carrier refused" in support.text("#case-verdict")
    assert support.complaints() == []


def test_nothing_to_save_or_delete(undone: Order, support: Browser) -> None:
    for page in (f"orders/order/{undone.id}", f"sagas/saga/{undone.saga_id}"):
        support.open(f"/admin/{page}/change/")
        names = set(support.texts("button, a"))
        assert names & {"Save", "Delete", "History"} == set()
        assert "Close" in names
        fields = "#content-main input:not([type=hidden]), #content-main select, textarea"
        assert support.all(fields) == []


def test_times_are_those_of_the_readers_own_zone(undone: Order, support: Browser) -> None:
    support.open(f"/admin/sagas/saga/{undone.saga_id}/change/")

    started = Saga.objects.get(saga_id=undone.saga_id).started_at.astimezone(UTC) + OFFSET
    assert started.strftime("%Y-%m-%d %H:%M:%S") in support.text("#content-main")
    assert "UTC" not in support.text("#content-main")


def test_times_of_flags_and_under_the_mouse_are_in_that_zone_too(
    undone: Order, support: Browser, shop: Databases
) -> None:
    park_for(undone.saga_id)
    [[parked]] = shop["payments"].execute("SELECT parked_at FROM payments_deadletter").fetchall()
    flag: Any = get_waffle_switch_model().objects.get(name="gift_wrap")

    support.open("/admin/payments/deadletter/")
    [ago] = support.all("#result_list time[data-show=ago]")
    assert ago.text.endswith(" ago")
    local = parked.astimezone(UTC) + OFFSET
    assert ago.get_attribute("title").startswith(f"{local:%Y-%m-%d %H:%M:%S} (Asia/")

    support.open("/admin/waffle/switch/")
    changed = flag.modified.astimezone(UTC) + OFFSET
    assert f"{changed:%Y-%m-%d %H:%M:%S}" in support.text("#result_list")


def test_the_audit_is_asked_for_in_that_zone(browser: Browser, shop: Databases) -> None:
    act_on(uuid7(), "payments")
    auditor = opened_by(browser, AUDITOR)
    auditor.open("/admin/audit/")
    assert "From (your time)" in auditor.text("#filter-form")
    at = datetime.now(UTC) + OFFSET

    for hours, found in ((-1, True), (1, False)):
        since = f"{at + timedelta(hours=hours):%Y-%m-%dT%H:%M}"
        auditor.driver.execute_script("id_since.value = arguments[0]", since)
        auditor.follow("#filter-form button[type=submit]")
        assert auditor.find("#id_since").get_property("value") == since
        assert ("it was a test" in auditor.text("#content-main")) == found
    assert auditor.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("page", ["", "orders/order/", "ORDER", "sagas/saga/", "SAGA"])
def test_a_phone_needs_no_scrolling_sideways(
    undone: Order, support: Browser, page: str, dark: bool
) -> None:
    pages = {
        "ORDER": f"orders/order/{undone.id}/change/",
        "SAGA": f"sagas/saga/{undone.saga_id}/change/",
    }
    support.resize(*PHONE)
    support.prefer_dark(dark)
    support.open(f"/admin/{pages.get(page, page)}")

    assert support.widest() <= PHONE[0]
    assert support.cut_off("#main") == []
    assert support.complaints() == []


def test_every_list_opens_without_a_complaint(undone: Order, support: Browser) -> None:
    links = {each.get_attribute("href") for each in support.all("#nav-sidebar-apps a")}
    assert len(links) == 46
    links.remove(f"{support.site}/admin/audit/")  # which has fields of its own to search by
    for link in sorted(links):
        support.open(link.removeprefix(support.site))
        assert support.find("#searchbar").is_displayed()
    assert support.complaints() == []


def test_a_wrong_password_is_refused_with_words(browser: Browser, databases: Databases) -> None:
    browser.open("/admin/")
    browser.find("#id_username").send_keys("nobody")
    browser.find("#id_password").send_keys("wrong")
    browser.follow("button[type=submit]")

    assert "Please enter the correct username and password" in browser.text()
    assert "Sagaplatform" in browser.text()


def test_a_search_that_finds_nothing_leads_back_to_everything(
    undone: Order, support: Browser
) -> None:
    support.open("/admin/orders/order/?q=nothing")
    assert "Nothing matches what was asked for." in support.text("#main")

    support.follow("#main a[href='?']")
    assert len(support.all("#result_list tbody tr")) == 2
    support.open("/admin/orders/deadletter/")
    assert "There is nothing here." in support.text("#main")
