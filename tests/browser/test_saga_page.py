"""One saga in a real browser: its plan, its timeline, and how the page follows it."""

import re
from datetime import timedelta
from urllib.parse import unquote

import psycopg
import pytest
from selenium.webdriver.common.keys import Keys

from apps.orders.models import Order
from apps.sagas.models import Saga
from tests.admin.world import confirmed_saga, note_for, undone_saga
from tests.browser.browser import Browser
from tests.ops.world import buy, deliver

Databases = dict[str, psycopg.Connection]
PHONE = (390, 844)
# The boxes of the plan by step: what stands in them, and where they are.
BOXES = """
return [...document.querySelectorAll(".plan-node")].map((node) => [
  node.dataset.step,
  ...[...node.querySelectorAll(".plan-state")].map((each) => each.textContent)]);
"""
PLACES = """
return [...document.querySelectorAll(".plan-node > .plan-box:not(.plan-back)")].map((each) =>
  [Math.round(each.getBoundingClientRect().left), Math.round(each.getBoundingClientRect().top)]);
"""
BARS = """
return [...document.querySelectorAll(".gantt-row")].map((row) => {
  const bar = row.querySelector(".gantt-bar").getBoundingClientRect();
  const track = row.querySelector(".gantt-track > svg").getBoundingClientRect();
  return [row.dataset.step, row.dataset.action, bar.left - track.left, bar.right - track.right];
});
"""
# The words in the boxes of the plan that are on more than one line.
BROKEN_WORDS = """
const broken = [];
for (const each of document.querySelectorAll(".plan-name, .plan-service, .plan-state")) {
  const text = each.firstChild;
  for (const word of text.data.matchAll(/\\S+/g)) {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    if (new Set([...range.getClientRects()].map((line) => line.top)).size > 1) broken.push(word[0]);
  }
}
return broken;
"""
# Selects all the text in the first one.
SELECT = "getSelection().selectAllChildren(document.querySelector(arguments[0]));"
# How often the page asked for news, and had an answer.
COUNT = """
window.asked = 0;
document.body.addEventListener("htmx:afterRequest", () => window.asked++);
"""
FILL = "return getComputedStyle(document.querySelector(arguments[0])).fill;"


@pytest.fixture
def undone(shop: Databases) -> Order:
    return undone_saga(shop)


@pytest.fixture
def running(shop: Databases) -> Order:
    """An order whose prices are asked to be frozen."""
    order_id = buy(tea=2)
    deliver(shop, rounds=3)
    return Order.objects.get(id=order_id)


def page(order: Order) -> str:
    return f"/admin/sagas/saga/{order.saga_id}/change/"


def boxes(browser: Browser) -> dict[str, list[str]]:
    return {step: states for step, *states in browser.driver.execute_script(BOXES)}


# --- plan and timeline


def test_the_plan_reads_from_left_to_right_with_its_undoing_below(
    undone: Order, support: Browser
) -> None:
    support.open(page(undone))

    assert boxes(support) == {
        "create_order": ["done", "undone"],
        "reserve_stock": ["done", "undone"],
        "freeze_price": ["done", "undone"],
        "authorize_payment": ["done", "undone"],
        "create_shipment": ["refused"],
        "capture_payment": ["not reached"],
        "confirm_order": ["not reached"],
        "send_confirmation": ["not reached"],
    }
    places = support.driver.execute_script(PLACES)
    assert [left for left, _ in places] == sorted({left for left, _ in places})
    assert len({top for _, top in places}) == 1
    [sign] = support.texts(".plan-pivot-sign")
    assert sign.replace("\n", " ") == (
        "Point of no return: once this is done the saga only goes forward"
    )
    assert support.attributes(".plan-pivot", "data-step") == ["capture_payment"]
    assert support.complaints() == []


@pytest.mark.parametrize("width", [1280, 1366, 1440, 390])
def test_no_word_of_the_plan_is_broken_in_two(
    shop: Databases, support: Browser, width: int
) -> None:
    """Of an order with a gift, whose plan is the longest."""
    order = confirmed_saga(shop)
    support.resize(width, 900)
    support.open(page(order))

    assert len(boxes(support)) == 9
    assert support.driver.execute_script(BROKEN_WORDS) == []
    assert support.widest() <= width


def test_the_timelines_bars_follow_each_other_and_undoing_is_patterned(
    undone: Order, support: Browser
) -> None:
    support.open(page(undone))

    bars = support.driver.execute_script(BARS)
    assert [(step, action) for step, action, *_ in bars] == [
        ("create_order", "do"), ("reserve_stock", "do"), ("freeze_price", "do"),
        ("authorize_payment", "do"), ("create_shipment", "do"), ("authorize_payment", "undo"),
        ("freeze_price", "undo"), ("reserve_stock", "undo"), ("create_order", "undo"),
    ]  # fmt: skip
    starts = [left for *_, left, _ in bars]
    assert starts == sorted(starts)
    assert abs(starts[0]) < 2  # the first begins where the axis does
    assert abs(bars[-1][3]) < 2  # the last ends where the axis does
    assert "url(" in support.driver.execute_script(FILL, ".gantt-row .gantt-undo")
    assert "url(" not in support.driver.execute_script(FILL, ".gantt-row .gantt-do")
    legend = support.text(".gantt-legend")
    assert {"step", "compensation", "refused"} <= set(legend.split("\n"))


def test_who_cannot_see_the_bars_is_told_what_they_say(undone: Order, support: Browser) -> None:
    support.open(page(undone))

    said = support.attributes(".gantt-track > svg", "aria-label")
    shape = re.compile(r"[a-z ]+: asked [0-9.]+ m?s after the start, [a-z]+, [0-9.]+ m?s")
    assert [each for each in said if not shape.fullmatch(each)] == []
    assert len(said) == 9
    assert support.texts(".told tbody tr")[4].endswith("create shipment: refused ShipmentRefused")


def test_an_unusual_decision_of_a_barrier_is_marked(
    undone: Order, support: Browser, shop: Databases
) -> None:
    note_for(shop, undone.saga_id)
    support.open(page(undone))

    assert support.texts(".gantt-row .mark-barrier title") == [
        "late in inventory. It came too late, the step is closed: nothing was done"
    ]
    assert "unusual decision of a barrier" in support.text(".gantt-legend")


# --- live


def test_the_page_follows_a_saga_to_its_end(
    running: Order, support: Browser, shop: Databases
) -> None:
    support.open(page(running))
    assert support.text("#saga-said") == "It waits for freeze price."
    assert boxes(support)["freeze_price"] == ["pending"]
    assert boxes(support)["create_shipment"] == ["waiting"]

    deliver(shop, rounds=4)
    now = f"It waits for {str(Saga.objects.get().pending_step).replace('_', ' ')}."
    assert now != "It waits for freeze price."
    support.wait_until(lambda: support.text("#saga-said") == now)
    assert boxes(support)["freeze_price"][0] == "done"

    deliver(shop)
    support.wait_until(lambda: support.text("#saga-said") == "Every step is done.")
    assert {tuple(each) for each in boxes(support).values()} == {("done",)}
    status = support.find("#live-status")
    assert status.get_attribute("aria-live") == "polite"
    assert status.get_attribute("textContent") == "Every step is done."
    assert support.complaints() == []


def test_times_that_come_later_are_the_readers_own_too(
    running: Order, support: Browser, shop: Databases
) -> None:
    support.open(page(running))
    deliver(shop)
    support.wait_until(lambda: support.text("#saga-said") == "Every step is done.")

    shown = support.attributes("#saga-live time", "title")
    assert len(shown) > 20
    assert [each for each in shown if "Asia/" not in each] == []


def test_a_page_that_does_not_follow_stands_still_until_it_is_told_to(
    running: Order, support: Browser, shop: Databases
) -> None:
    support.open(page(running))
    button = support.find("#live-follow")
    assert button.text == "Stop following"
    button.click()
    assert button.text == "Follow again"
    assert "this page stands still" in support.text("#live-said")
    deliver(shop)
    before = support.text("#saga-live")
    support.driver.execute_async_script("setTimeout(arguments[0], 4000)")
    assert support.text("#saga-live") == before

    button.click()
    assert button.text == "Stop following"
    support.wait_until(lambda: support.text("#saga-said") == "Every step is done.")


def test_what_was_selected_stays_selected_and_the_news_comes_after(
    running: Order, support: Browser, shop: Databases
) -> None:
    """A number is to be copied, while the saga moves."""
    support.open(page(running))
    support.driver.execute_script(SELECT, "#saga-live dd")
    copied = support.driver.execute_script("return getSelection().toString()")
    deliver(shop)
    support.wait_for_text("#live-said", "There is news, shown as soon as no text is selected.")
    assert support.driver.execute_script("return getSelection().toString()") == copied != ""
    assert support.text("#saga-said") == "It waits for freeze price."

    support.driver.execute_script("getSelection().removeAllRanges()")
    support.wait_until(lambda: support.text("#saga-said") == "Every step is done.")
    assert support.text("#live-said") == "This page follows the saga."
    assert support.complaints() == []


def test_the_page_is_left_as_it_is_while_there_is_no_news(
    undone: Order, support: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something late may still come for a while after a saga's end."""
    monkeypatch.setattr("apps.sagas.admin.page.AT_REST", timedelta(hours=1))
    support.open(page(undone))
    support.driver.execute_script(COUNT)
    support.wait_until(lambda: support.driver.execute_script("return window.asked") >= 1)
    link = support.find("#saga-live a")
    support.wait_until(lambda: support.driver.execute_script("return window.asked") >= 3)

    assert support.find("#saga-live a") == link


def test_the_focus_stays_where_it_was_while_the_page_follows(
    running: Order, support: Browser, shop: Databases
) -> None:
    support.open(page(running))
    link = "#saga-live a[href$='/case/']"
    support.tab_to(link)
    deliver(shop)
    support.wait_until(lambda: support.text("#saga-said") == "Every step is done.")

    assert support.has_focus(link)


def test_what_was_folded_stays_folded_while_the_page_follows(
    running: Order, support: Browser, shop: Databases
) -> None:
    support.open(page(running))
    support.click("#told summary")
    assert support.attributes("#told", "open") == [None]
    deliver(shop)
    support.wait_until(lambda: support.text("#saga-said") == "Every step is done.")

    assert support.attributes("#told", "open") == [None]


def test_who_was_logged_out_is_led_to_the_login_and_back(running: Order, support: Browser) -> None:
    support.open(page(running))
    support.driver.delete_all_cookies()

    support.wait_for("#id_username")
    assert unquote(support.driver.current_url).endswith(f"/admin/login/?next={page(running)}")


# --- every reader


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("part", ["saga", "case", "order"])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(
    undone: Order, support: Browser, part: str, dark: bool
) -> None:
    pages = {
        "saga": page(undone),
        "case": f"/admin/orders/order/{undone.id}/case/",
        "order": f"/admin/orders/order/{undone.id}/change/",
    }
    support.resize(*PHONE)
    support.prefer_dark(dark)
    support.open(pages[part])

    assert support.widest() <= PHONE[0]
    assert support.cut_off("#main") == []
    assert support.complaints() == []
    if part == "saga":
        places = support.driver.execute_script(PLACES)
        assert len({left for left, _ in places}) == 1  # one below the other
        assert [top for _, top in places] == sorted(top for _, top in places)


def test_messages_are_read_into_the_page_as_often_as_one_asks(
    topics: None, shop: Databases, support: Browser
) -> None:
    order = confirmed_saga(shop)
    support.open(page(order))
    support.find("#saga-messages a").send_keys(Keys.ENTER)

    support.wait_until(lambda: "looked at" in support.text("#saga-messages-read"))
    assert "Kafka has no message of this saga any more" in support.text("#saga-messages-read")
    again = support.driver.switch_to.active_element  # whoever uses a keyboard is where they were
    assert again.text.split("\n")[-1].endswith("Read again")

    support.driver.execute_script("document.querySelector('#saga-messages-read > p').remove()")
    again.send_keys(Keys.ENTER)
    support.wait_for_text("#saga-messages-read", "Kafka has no message of this saga any more")
    assert support.driver.current_url.endswith("/change/")
    assert support.complaints() == []


def test_from_an_orders_number_to_its_story(undone: Order, support: Browser) -> None:
    support.open("/admin/orders/order/")
    support.follow("#result_list tbody th a")
    support.follow(f"a[href='/admin/orders/order/{undone.id}/case/']")

    assert support.text("#case-verdict") == (
        "The carrier refused: it takes at most 60 pieces, the order has 100."
        " Everything was undone: 100 pieces put back, 450.00 USD given back."
    )
    assert len(support.all(".case-story li")) == 9
    support.follow(f"a[href='{page(undone)}']")
    assert boxes(support)["create_shipment"] == ["refused"]
    assert support.complaints() == []
