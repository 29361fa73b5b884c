"""Operations at night, in a real browser: a parked message is found, corrected, sent, handled."""

import time
from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from selenium.webdriver.common.keys import Keys

from apps.messaging.consumer import Failure, park
from apps.orders.models import Order, OrderStatus
from tests.admin.letters import hand, spoilt_order
from tests.browser.browser import Browser
from tests.browser.conftest import PASSWORD
from tests.messaging.kit import handed_over, new_saga, reserve
from tests.ops.world import collect, deliver

Databases = dict[str, psycopg.Connection]
LIST = "/admin/inventory/deadletter/"
PHONE = (390, 844)
SUBMIT = "#content form button[type=submit]"


@pytest.fixture
def ada(browser: Browser, shop: Databases) -> Browser:
    """The browser of somebody who repairs messages, logged in, who just said who they are."""
    user = User.objects.create_user("ada", password=PASSWORD, is_staff=True)
    rights = Permission.objects.filter(codename__startswith="view_")
    user.user_permissions.set(rights | Permission.objects.filter(codename__endswith="_deadletter"))
    browser.log_in("ada", PASSWORD)
    browser.confirm()
    return browser


@pytest.fixture
def letter(shop: Databases) -> UUID:
    """The parked command of an order's saga, with another message that waits behind it."""
    order, letter = spoilt_order(shop)
    hand("inventory", [handed_over(order.saga_id)])
    return letter


def test_a_parked_message_is_corrected_sent_and_watched_until_it_is_handled(
    shop: Databases, letter: UUID, ada: Browser
) -> None:
    ada.open("/admin/orders/deadletter/")
    ada.follow("a[href='/admin/inventory/deadletter/?status__exact=parked']")
    [row] = ada.all("#result_list tbody tr")
    assert "1 waiting" in row.text
    ada.follow("#result_list tbody th a")
    assert "Expected `int`, got `str` - at `$.lines[0].quantity`" in ada.text("#letter")
    assert '"quantity": "<str>"' in ada.text("#letter")
    assert ada.broken_rules() == []

    ada.follow(f"a[href='{LIST}{letter}/edit/']")
    ada.find("#id_reason").send_keys("the shop sent a text for a number")
    ada.follow(SUBMIT)
    editor = ada.find("#id_payload")
    typed = editor.get_attribute("value")
    assert '"quantity": "2"' in typed
    assert ada.broken_rules() == []
    ada.follow("button[value=check]")
    assert "Expected a whole number, got a text - at “$.lines[0].quantity”." in ada.text("#content")
    assert ada.broken_rules() == []

    editor = ada.find("#id_payload")
    assert editor.get_attribute("value").split() == typed.split()
    editor.send_keys(Keys.CONTROL, "a")
    editor.send_keys(typed.replace('"2"', "2"))
    ada.follow("button[value=check]")
    changed = ada.all(".letter-diff del, .letter-diff ins")
    assert [each.text.split()[:2] for each in changed] == [["-", "removed:"], ["+", "added:"]]
    assert ada.broken_rules() == []
    ada.follow("button[value=send]")
    assert "UNDER WAY" in ada.text("#letter")
    assert "every 3 seconds" in ada.text("#letter")
    assert ada.broken_rules() == []

    deliver(shop)
    news = ada.wait_for_text("#letter", "HANDLED")
    assert "inventory has carried out what it asks." in news
    assert "REPLAYED" in news
    assert Order.objects.get().status == OrderStatus.CONFIRMED
    assert ada.text("#letter nav button[disabled]").endswith("Replay")
    severe = [each for each in ada.complaints() if "400 (Bad Request)" not in each]
    assert severe == []


def test_following_can_be_stopped_and_taken_up_again(
    shop: Databases, letter: UUID, ada: Browser
) -> None:
    ada.open(f"{LIST}{letter}/replay/")
    ada.find("#id_reason").send_keys("once more")
    ada.follow(SUBMIT)
    assert ada.text("#letter a[href$='paused=1']") == "Stop following"
    ada.follow("#letter a[href$='paused=1']")
    assert "Not followed." in ada.text("#letter")
    hand("inventory", collect(shop["inventory"], "inventory"))
    time.sleep(4)
    assert "UNDER WAY" in ada.text("#letter")

    ada.follow(".letter-follow a")
    assert "FAILED AGAIN" in ada.text("#letter")


def test_one_of_a_group_is_sent_first_and_the_page_tells_what_came_of_it(
    shop: Databases, ada: Browser
) -> None:
    sagas = [new_saga() for _ in range(3)]
    park("inventory", [Failure(reserve(each), ValueError("no such shelf")) for each in sagas])
    ada.open(LIST)
    ada.follow(f"a[href='{LIST}groups/']")
    [row] = ada.all("#content tbody tr")
    assert row.text.startswith("3 ValueError: no such shelf")
    ada.follow("#content tbody a")
    assert ada.broken_rules() == []
    ada.find("#id_reason").send_keys("the shelf is there")
    ada.follow(SUBMIT)
    assert "1 message sent again." in ada.text("#main")
    assert ada.broken_rules() == []

    hand("inventory", collect(shop["inventory"], "inventory"))
    assert "1 HANDLED" in ada.wait_for_text("#sent", "HANDLED")
    assert ada.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_needs_no_scrolling_sideways(
    shop: Databases, letter: UUID, ada: Browser, dark: bool
) -> None:
    evil = ValueError("a" * 200 + " <script>document.title = 'x'</script>")
    park("inventory", [Failure(reserve(new_saga()), evil)])
    ada.resize(*PHONE)
    ada.prefer_dark(dark)
    for page in ("", f"{letter}/change/", f"{letter}/replay/", f"{letter}/edit/", "groups/"):
        ada.open(f"{LIST}{page}")
        assert (page, ada.widest() <= PHONE[0]) == (page, True)
        assert (page, ada.cut_off("#main")) == (page, [])
        assert ada.driver.title != "x"
    ada.follow("#content tbody a")
    assert ada.widest() <= PHONE[0]
    assert ada.complaints() == []
