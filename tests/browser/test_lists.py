"""Finding sagas and looking over everything, in a real browser."""

import time
from datetime import UTC, timedelta

import psycopg
import pytest

from apps.orders.models import Order
from apps.sagas.models import Saga
from tests.admin.million import load
from tests.admin.world import confirmed_saga, park_for, undone_saga
from tests.browser.browser import PATIENCE_SECONDS, Browser

Databases = dict[str, psycopg.Connection]
PHONE = (390, 844)
OFFSET = timedelta(hours=5, minutes=30)  # of browser.ZONE
ROWS = "#result_list tbody tr"


@pytest.fixture
def undone(shop: Databases) -> Order:
    confirmed_saga(shop)
    order = undone_saga(shop)
    park_for(order.saga_id)
    return order


def numbers(browser: Browser) -> list[str]:
    """The order numbers on the page."""
    return browser.texts(f"{ROWS} th a")


def test_from_home_to_why_sagas_were_undone(undone: Order, support: Browser) -> None:
    assert support.text("#home-ends + .home-legend").split("\n") == [
        "1 confirmed", "1 undone", "at most 2 in an hour",
    ]  # fmt: skip
    assert (
        support.text("[aria-labelledby=home-reasons] tbody th")
        == "create shipment: ShipmentRefused"
    )

    support.follow("[aria-labelledby=home-reasons] td a")
    assert numbers(support) == [undone.number]
    assert "The carrier takes at most 60 pieces, the order has 100" in support.text(ROWS)
    support.find("[aria-label=States] a:last-child").click()
    assert support.text("[aria-label=States] [aria-current]") == "undone 1"


def test_home_renews_itself_and_can_be_told_not_to(
    undone: Order, support: Browser, shop: Databases
) -> None:
    """The page is told to hurry: ten seconds are long in a test."""
    hurry = """
      const home = document.getElementById("home");
      home.setAttribute("hx-trigger", home.getAttribute("hx-trigger").replace("10s", "200ms"));
      htmx.process(home);
    """
    support.driver.execute_script(hurry)
    Saga.objects.filter(status="undone").update(
        status="stuck", ended_at=None, desk_due_at="2999-01-01T00:00Z"
    )
    support.click("#home-hours summary")
    stuck = "a[href='/admin/sagas/saga/?status__exact=stuck'] .home-number.home-alarm"
    assert support.wait_for_text(stuck, "1").startswith("1")
    assert support.attributes("#home-hours", "open") == [""]
    assert "UTC" not in support.text("#home")  # what came later is in the reader's zone as well

    button = support.find("#home-follow")
    assert button.text == "Stop following"
    button.click()
    assert button.text == "Follow again"
    before = support.text(".home-at")
    time.sleep(2)
    assert support.text(".home-at") == before
    button.click()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while support.text(".home-at") == before:
        assert time.monotonic() < deadline


def test_filters_are_entered_in_the_readers_zone_and_stay_in_the_address(
    undone: Order, support: Browser
) -> None:
    """One saga began an hour before the other."""
    saga = Saga.objects.get(saga_id=undone.saga_id)
    Saga.objects.filter(status="confirmed").update(started_at=saga.started_at - timedelta(hours=1))
    support.open("/admin/sagas/saga/")
    assert len(numbers(support)) == 2

    support.find("a[x-on\\:click='filterOpen = true']").click()
    since = (saga.started_at - timedelta(minutes=30)).astimezone(UTC) + OFFSET
    typed = f"{since:%Y-%m-%dT%H:%M}"
    support.driver.execute_script(
        "document.getElementById('filter-started_from').value = arguments[0]", typed
    )
    support.find("#filter-amount_from").send_keys("12.34")
    support.follow("#filter-form button[type=submit]")

    assert numbers(support) == [undone.number]
    query = support.driver.current_url.partition("?")[2]
    utc = f"{since - OFFSET:%Y-%m-%dT%H%%3A%M}%3A00.000Z"
    assert sorted(query.split("&")) == ["amount_from=12.34", f"started_from={utc}"]
    shown = support.find("#filter-started_from").get_property("value")
    assert shown == typed
    assert support.find("#filter-form [data-zone]").get_property("textContent") == "(your time)"
    assert support.complaints() == []


def test_pages_of_a_long_list_go_forth_and_back(shop: Databases, support: Browser) -> None:
    load(shop["sagas"], 120)
    support.open("/admin/sagas/saga/")
    first = numbers(support)
    assert len(first) == 50
    assert support.text("nav[aria-label='Pages of this list']").split("\n") == [
        "50 on this page", "Next",
    ]  # fmt: skip

    support.follow("a[rel=next]")
    second = numbers(support)
    support.follow("a[rel=next]")
    assert len({*first, *second, *numbers(support)}) == 120
    assert support.all("a[rel=next]") == []
    support.follow("a[rel=prev]")
    assert numbers(support) == second
    support.follow("a[rel=prev]")
    assert numbers(support) == first
    assert support.all("a[rel=prev]") == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    "page", ["", "sagas/saga/", "sagas/saga/?q=carrier", "payments/sagaloglisting/"]
)
def test_a_phone_needs_no_scrolling_sideways(
    undone: Order, support: Browser, page: str, dark: bool
) -> None:
    support.resize(*PHONE)
    support.prefer_dark(dark)
    support.open(f"/admin/{page}")
    for each in support.all("#home-hours summary"):
        each.click()

    assert support.widest() <= PHONE[0]
    assert support.cut_off("#main") == []
    assert support.complaints() == []
