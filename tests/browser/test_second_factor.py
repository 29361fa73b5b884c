"""Logging in with two factors, in a real browser: on the first day, and later."""

import time
from base64 import b32decode

import psycopg
import pytest
from django.contrib.auth.models import User
from django_otp.oath import TOTP
from pytest_django import Settings

from tests.browser.browser import Browser
from tests.browser.conftest import PASSWORD

Databases = dict[str, psycopg.Connection]
STEP_SECONDS = 30


@pytest.fixture
def ada(browser: Browser, databases: Databases, settings: Settings) -> Browser:
    """The browser of an administrator on her first day, where a second factor is required."""
    settings.ADMIN_SECOND_FACTOR = "required"
    User.objects.create_superuser("ada", password=PASSWORD)
    return browser


def password(browser: Browser, path: str = "/admin/") -> None:
    browser.open(path)
    browser.find("#id_username").send_keys("ada")
    browser.find("#id_password").send_keys(PASSWORD)
    browser.follow("button[type=submit]")


def code_of(secret: str, ahead: int = 0) -> str:
    """What an authenticator with that key shows, so many steps of its clock from now."""
    totp = TOTP(b32decode(secret.replace(" ", "")))
    totp.time = time.time() + ahead * STEP_SECONDS
    return f"{totp.token():06}"


def answer(browser: Browser, code: str) -> None:
    browser.find("#id_code").clear()
    browser.find("#id_code").send_keys(code)
    browser.follow("button.w-full[type=submit]")


def set_up(browser: Browser) -> tuple[str, list[str]]:
    """Ada's key and recovery codes, after she has set up her authenticator."""
    password(browser)
    secret = browser.text("#secret")
    answer(browser, code_of(secret, ahead=-1))
    codes = [each.text for each in browser.all("#recovery-codes li")]
    return secret, codes


def test_the_first_login_sets_up_an_authenticator(ada: Browser) -> None:
    password(ada)
    assert "Set up a second factor" in ada.text()
    picture = ada.find(".desk-picture svg")
    assert picture.size["width"] == picture.size["height"] == 192
    assert ada.find("#id_code") == ada.driver.switch_to.active_element

    secret = ada.text("#secret")
    answer(ada, code_of(secret, ahead=-1))
    assert len(ada.all("#recovery-codes li")) == 10

    ada.follow("a.w-full")
    assert ada.find("#nav-sidebar-apps").is_displayed()
    assert ada.complaints() == []


def test_later_logins_ask_for_password_and_code_and_lead_to_where_one_wanted_to_go(
    ada: Browser,
) -> None:
    secret, _ = set_up(ada)
    ada.driver.delete_all_cookies()

    password(ada, "/admin/auth/user/")
    assert "type the six digits" in ada.text()
    assert ada.all("#nav-sidebar-apps") == []
    answer(ada, code_of(secret, ahead=-1))
    assert "was used before" in ada.text()
    time.sleep(1)  # one second after the first wrong code
    answer(ada, code_of(secret))
    assert ada.driver.current_url == f"{ada.site}/admin/auth/user/"
    assert ada.complaints() == []


def test_a_recovery_code_opens_once(ada: Browser) -> None:
    _, codes = set_up(ada)
    for expected in ("Home", "was used before"):
        ada.driver.delete_all_cookies()
        password(ada)
        answer(ada, codes[0].upper())
        assert expected in ada.driver.title + ada.text()
