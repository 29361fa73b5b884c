"""Operations at night and an approver, in a real browser: to turn a saga back and see it end, to
settle a stuck undo, to ask for what somebody else has to allow."""

from pathlib import Path

import psycopg
import pytest
from pytest_django import Settings
from selenium.webdriver.common.keys import Keys

from apps.contracts.catalogue import Action
from apps.contracts.values import PaymentMethod
from apps.messaging.admin.step_up import GOOD_FOR_SECONDS
from apps.messaging.calls import work
from apps.orders.models import Order, OrderStatus
from apps.payments import gateways
from apps.sagas.models import Saga
from tests.admin.people import user_of
from tests.browser.browser import Browser
from tests.browser.conftest import PASSWORD, opened_by
from tests.ops.world import buy, collect, deliver
from tests.standin import VARIABLE, StandInGateway

Databases = dict[str, psycopg.Connection]
DO_IT = "#content form button[type=submit]"
# The bar: each button's label, and whether it is on (a link).
BUTTONS = """
return [...document.querySelectorAll("#saga-actions li > *")].map((each) =>
  [each.lastChild.textContent.trim(), each.tagName === "A"]);
"""


def page_of(order: Order) -> str:
    return f"/admin/sagas/saga/{order.saga_id}/change/"


def buttons(browser: Browser) -> dict[str, bool]:
    """Those of the bar, and which are on."""
    return dict(browser.driver.execute_script(BUTTONS))


def reach(shop: Databases, order: Order, step: str, action: Action) -> Saga:
    """The order's saga as soon as it waits for that; the command for it is lost."""
    while True:
        deliver(shop, rounds=1)
        saga = Saga.objects.filter(saga_id=order.saga_id).first()
        if saga and (saga.pending_step, saga.pending_action) == (step, action):
            collect(shop["sagas"], "sagas")
            return saga


@pytest.fixture
def running(shop: Databases) -> Order:
    """An order of 60 teas, whose shipment is asked for; nobody answers yet."""
    order = Order.objects.get(id=buy(tea=60))
    reach(shop, order, "create_shipment", Action.DO)
    return order


@pytest.fixture
def stuck(
    shop: Databases, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Order:
    """An order that the carrier refused, and whose hold the card's bank does not give back; all
    else is undone."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gateway.db"))
    settings.CARD_GATEWAY = "tests.standin.StandInGateway"
    gateways.gateway.cache_clear()
    StandInGateway().will("give_back", "decline")
    order_id = buy(payment_method=PaymentMethod.CARD, tea=100)
    for _ in range(2):
        deliver(shop)
        work("payments")
    deliver(shop)
    assert Saga.objects.get(order_id=order_id).status == "stuck"
    return Order.objects.get(id=order_id)


def test_a_saga_is_turned_back_after_a_look_at_what_follows_and_watched_to_its_end(
    running: Order, browser: Browser, shop: Databases
) -> None:
    ada = opened_by(browser, "operations")
    ada.open(page_of(running))
    assert buttons(ada)["Compensate"]
    assert ada.broken_rules() == []
    ada.follow("a[href$='/compensate/']")
    assert ada.broken_rules() == []
    foreseen = ada.text("#content")
    assert "270.00 USD given back" in foreseen
    assert "60 pieces put back" in foreseen
    assert "that the order is cancelled" in foreseen

    ada.follow(DO_IT)
    assert "Nothing was done." in ada.text("[role=alert]")
    assert ada.broken_rules() == []
    assert Saga.objects.get().status == "running"

    ada.find("#id_reason").send_keys("The customer called: cancel it")
    ada.follow(DO_IT)
    assert "Done. The saga is compensating" in ada.text()
    deliver(shop)
    said = ada.wait_for_text("#saga-said", "Everything is undone.")
    assert said == (
        "Everything is undone. It turned back at create shipment: The customer called: cancel it."
    )
    assert Order.objects.get().status == OrderStatus.CANCELLED
    assert not any(buttons(ada).values())
    assert ada.broken_rules() == []
    assert "compensate by operations" in ada.text(".told")
    severe = [each for each in ada.complaints() if "400 (Bad Request)" not in each]
    assert severe == []


def test_the_same_is_done_by_who_has_but_a_keyboard(
    running: Order, browser: Browser, shop: Databases
) -> None:
    """From the log-in to the end: Tab, Enter and typing, no mouse."""
    user = user_of("operations")
    user.set_password(PASSWORD)
    user.save()
    browser.open("/admin/")
    browser.tab_to("#id_username")
    browser.press("operations", Keys.TAB, PASSWORD)
    browser.enter()

    browser.confirm(ago=GOOD_FOR_SECONDS)
    browser.tab_to("a[href='#main']")
    browser.press(Keys.ENTER)
    browser.tab_to("a[href='/admin/sagas/saga/?status__exact=running']")
    browser.enter()
    browser.tab_to(f"#result_list a[href*='{running.saga_id}']")
    browser.enter()
    browser.tab_to("#saga-actions a[href$='/compensate/']")
    browser.enter()
    browser.tab_to("a[href^='/admin/confirm/']")
    browser.enter()
    browser.tab_to("#id_password")
    browser.press(PASSWORD)
    browser.enter()
    browser.tab_to("#id_reason")
    browser.press("The customer called")
    browser.tab_to(DO_IT)
    browser.enter()

    assert "Done. The saga is compensating" in browser.text()
    deliver(shop)
    browser.wait_for_text("#saga-said", "Everything is undone.")
    assert browser.complaints() == []


def test_the_bar_of_buttons_follows_the_saga_and_keeps_the_focus_while_nothing_changes(
    running: Order, browser: Browser, shop: Databases
) -> None:
    ada = opened_by(browser, "operations")
    ada.open(page_of(running))
    button = ada.find("a[href$='/compensate/']")
    ada.driver.execute_script("arguments[0].focus(); window.asked = 0;", button)
    ada.driver.execute_script(
        "document.body.addEventListener('htmx:afterSettle', () => window.asked++)"
    )
    ada.wait_until(lambda: ada.driver.execute_script("return window.asked") >= 1)
    assert ada.driver.switch_to.active_element == button

    Saga.objects.update(paused_until="2099-01-01T00:00Z", due_at=None, attempt=0)
    ada.wait_until(lambda: buttons(ada)["Resume"])
    assert not buttons(ada)["Skip"]


def test_a_stuck_undo_is_found_on_the_desk_and_settled_with_evidence(
    stuck: Order, browser: Browser, shop: Databases
) -> None:
    ada = opened_by(browser, "operations")
    ada.follow("a[href='/admin/sagas/case/?standing=open']")
    [case] = ada.texts("#result_list tbody tr")
    assert "undoing authorize payment" in case
    assert stuck.number in case
    assert "The gateway gives nothing back (no)" in case
    ada.follow("#result_list tbody th a")
    assert ada.broken_rules() == []
    ada.follow("a[href$='/take/']")
    assert ada.broken_rules() == []
    ada.follow(DO_IT)
    assert "Done. The case is operations's." in ada.text()
    ada.follow(f"a[href='{page_of(stuck)}']")
    steps = {row[0]: row for row in ada.table("Steps")}
    assert steps["authorize payment"][5] == "ON THE DESK"
    assert ada.broken_rules() == []
    ada.open(f"/admin/orders/order/{stuck.id}/case/")
    assert ada.text("#case-desk") == "ON THE DESK"
    assert ada.broken_rules() == []
    ada.follow("#case-desk")
    ada.follow("#result_list tbody th a")

    ada.follow("a[href*='/resolve/']")
    assert "450.00" in ada.text("#content")
    assert ada.broken_rules() == []
    ada.find("#id_reason").send_keys("Paid back by the bank")
    ada.follow(DO_IT)
    assert "This field is required." in ada.text("#content")
    ada.find("#id_evidence").send_keys("bank transfer 4711")
    ada.follow(DO_IT)
    assert "Done." in ada.text()
    deliver(shop)

    ada.open(page_of(stuck))
    ada.wait_for_text("#saga-said", "Everything is undone.")
    assert "bank transfer 4711" in ada.text("#content-main")
    ada.open("/admin/sagas/case/")
    assert "Nothing waits for a person." in ada.text("#content, #content-main, main")


def test_above_the_limit_a_second_person_approves_and_it_is_carried_out(
    running: Order, browser: Browser, shop: Databases, settings: Settings
) -> None:
    settings.APPROVAL_LIMIT_CENTS = 26_999
    ada = opened_by(browser, "operations")
    ada.open(page_of(running))
    ada.follow("a[href$='/compensate/']")
    ada.find("#id_reason").send_keys("The customer called: cancel it")
    ada.follow(DO_IT)
    assert "another person" in ada.text()
    assert ada.broken_rules() == []
    assert Saga.objects.get().status == "running"

    opal = opened_by(browser, "approver", confirmed=False)
    opal.follow("a[href='/admin/sagas/approval/?standing=open']")
    assert "270.00 USD" in opal.text("#result_list tbody tr")
    opal.follow("#result_list tbody th a")
    assert opal.broken_rules() == []
    opal.follow("a[href$='/approve/']")
    assert opal.broken_rules() == []  # where it asks for who they are
    assert "The customer called: cancel it" in opal.text("#content")
    assert "270.00 USD given back" in opal.text("#content")
    opal.follow("a[href^='/admin/confirm/']")
    assert opal.broken_rules() == []
    opal.find("#id_password").send_keys(PASSWORD)
    opal.follow("main button[type=submit]")
    assert opal.broken_rules() == []
    opal.find("#id_reason").send_keys("I called back; it is so")
    opal.follow(DO_IT)
    assert "Done. The saga is compensating" in opal.text()

    deliver(shop)
    opal.open(page_of(running))
    opal.wait_for_text("#saga-said", "Everything is undone.")
    assert "compensate by operations" in opal.text(".told")
    assert "approve by approver" in opal.text(".told")
