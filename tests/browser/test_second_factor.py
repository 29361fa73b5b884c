"""Who may in, in a real browser: two factors on the first day and later, lock, confirmation.

And that these pages are for everybody: by keyboard, on a phone, in the dark, by axe's rules.
"""

import time
from base64 import b32decode
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django_otp.oath import TOTP
from pytest_django import Settings
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from waffle import get_waffle_switch_model

from tests.browser.browser import Browser
from tests.browser.conftest import PASSWORD

Databases = dict[str, psycopg.Connection]
STEP_SECONDS = 30
TYPING_SECONDS = 8
PHONE = (390, 844)


@pytest.fixture
def ada(browser: Browser, databases: Databases, settings: Settings) -> Browser:
    """The browser of an administrator on her first day, where a second factor is required."""
    settings.ADMIN_SECOND_FACTOR = "required"
    User.objects.create_superuser("ada", password=PASSWORD)
    return browser


def give_password(browser: Browser, path: str = "/admin/", password: str = PASSWORD) -> None:
    browser.open(path)
    browser.find("#id_username").send_keys("ada")
    browser.find("#id_password").send_keys(password)
    browser.follow("button[type=submit]")


def code_of(secret: str, ahead: int = 0) -> str:
    """What an authenticator with that key shows, so many steps of its clock from now.

    Near a step's end it waits for the next one: while the browser types, the code would grow
    one step older, and one of the step before would no longer be taken.
    """
    left = STEP_SECONDS - time.time() % STEP_SECONDS
    if left < TYPING_SECONDS:
        time.sleep(left)
    shown = TOTP(b32decode(secret.replace(" ", "")))
    shown.time = time.time() + ahead * STEP_SECONDS
    return f"{shown.token():06}"


def give_code(browser: Browser, code: str) -> None:
    browser.find("#id_code").clear()
    browser.find("#id_code").send_keys(code)
    browser.follow("main button[type=submit]")


def set_up(browser: Browser) -> tuple[str, list[str]]:
    """Ada's key and recovery codes, after she has set up her authenticator."""
    give_password(browser)
    secret = browser.text("#secret")
    give_code(browser, code_of(secret, ahead=-1))
    codes = browser.texts("#recovery-codes li")
    return secret, codes


def complaints(browser: Browser) -> list[str]:
    """Those of the console, but for the answers 400 and 429, which it tells of, too."""
    return [each for each in browser.complaints() if "responded with a status of 4" not in each]


def test_the_first_login_sets_up_an_authenticator(ada: Browser) -> None:
    give_password(ada)
    assert "Set up a second factor" in ada.text()
    picture = ada.find(".desk-picture svg")
    assert picture.size == {"width": 192, "height": 192}
    ada.wait_until(lambda: ada.has_focus("#id_code"))

    secret = ada.text("#secret")
    give_code(ada, code_of(secret, ahead=-1))
    assert len(ada.all("#recovery-codes li")) == 10
    ada.follow("main a")

    assert ada.find("#nav-sidebar-apps").is_displayed()
    assert complaints(ada) == []


def test_later_logins_ask_for_password_and_code_and_lead_to_where_one_wanted_to_go(
    ada: Browser,
) -> None:
    secret, _ = set_up(ada)
    ada.driver.delete_all_cookies()

    give_password(ada, "/admin/auth/user/")
    assert "type the six digits" in ada.text()
    assert ada.all("#nav-sidebar-apps") == []
    give_code(ada, code_of(secret, ahead=-1))
    assert "was used before" in ada.text()
    time.sleep(1.1)  # so long a wrong code makes one wait
    give_code(ada, code_of(secret))

    assert ada.driver.current_url == f"{ada.site}/admin/auth/user/"
    assert complaints(ada) == []


def test_a_recovery_code_opens_once(ada: Browser) -> None:
    _, codes = set_up(ada)
    for expected in ("Home", "was used before"):
        ada.driver.delete_all_cookies()
        give_password(ada)
        give_code(ada, codes[0].upper())
        assert expected in ada.driver.title + ada.text()


def test_one_logs_out_by_the_menu(ada: Browser) -> None:
    set_up(ada)
    ada.open("/admin/")
    form = ada.driver.find_element(By.ID, "logout-form")
    ada.driver.execute_script("arguments[0].requestSubmit()", form)
    ada.open("/admin/")

    assert ada.find("#id_username").is_displayed()


def test_wrong_passwords_lock_and_the_page_says_until_when(ada: Browser) -> None:
    for _ in range(5):
        give_password(ada, password="guess")

    assert ada.driver.title.startswith("Locked for a while")
    assert "(in 15 minutes)" in ada.text()
    assert len(ada.find("main time").text) == len("2026-01-02 03:04:05")  # in the reader's zone
    assert complaints(ada) == []


def test_before_money_moves_one_confirms_and_comes_back(ada: Browser) -> None:
    secret, _ = set_up(ada)
    ada.open("/admin/confirm/?next=/admin/waffle/switch/")
    give_code(ada, code_of(secret))

    assert ada.driver.current_url == f"{ada.site}/admin/waffle/switch/"


def test_a_flag_is_turned_with_a_reason_and_its_page_tells(ada: Browser) -> None:
    set_up(ada)
    flag: Any = get_waffle_switch_model().objects.create(name="gift_wrap", active=True)
    ada.open(f"/admin/waffle/switch/{flag.pk}/change/")
    ada.find("#id_active").click()
    ada.find("#id_reason").send_keys("the ribbon machine is broken" + Keys.ENTER)
    ada.wait_for(".messagelist, [role=alert], #result_list")

    ada.open(f"/admin/waffle/switch/{flag.pk}/change/")
    [row] = ada.table("Who changed this")
    assert row[1:] == ["ada", "active on", "active off", "the ribbon machine is broken"]
    assert complaints(ada) == []


def test_the_keyboard_comes_past_the_sidebar(ada: Browser) -> None:
    set_up(ada)
    ada.open("/admin/audit/")
    ada.find("body").send_keys(Keys.TAB)

    skip = ada.driver.switch_to.active_element
    assert skip.text == "Skip to the content"
    assert skip.location["y"] >= 0
    skip.send_keys(Keys.ENTER)
    assert ada.driver.current_url.endswith("#main")


@pytest.mark.parametrize("dark", [False, True])
def test_the_pages_are_for_everybody(ada: Browser, dark: bool) -> None:
    """Those of who they are: by axe's rules, and without scrolling sideways on a phone. All others
    are in test_everybody.py."""
    ada.prefer_dark(dark)
    found = {}

    def look(name: str) -> None:
        wide = ada.broken_rules()
        ada.resize(*PHONE)
        found[name] = (wide, ada.broken_rules(), ada.widest() <= PHONE[0])
        ada.resize(1440, 1000)

    ada.open("/admin/")
    look("login")
    give_password(ada)
    look("set up")
    secret = ada.text("#secret")
    give_code(ada, "000000")
    look("set up, wrong")
    give_code(ada, code_of(secret, ahead=-1))
    look("recovery codes")
    for page in ("second-factor/", "confirm/", "audit/"):
        ada.open(f"/admin/{page}")
        look(page)
    ada.driver.delete_all_cookies()
    give_password(ada)
    look("code")
    ada.driver.delete_all_cookies()
    for _ in range(5):
        give_password(ada, password="guess")
    look("locked")

    assert found == {name: ([], [], True) for name in found}
    assert complaints(ada) == []
