from collections.abc import Iterator

import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from pytest_django import Settings

from apps.messaging.admin.step_up import GOOD_FOR_SECONDS
from tests.admin.people import user_of
from tests.browser import browser as chromium
from tests.browser.browser import Browser
from tests.browser.server import served
from tests.ops.world import open_shop
from tests.scraping import forget

PASSWORD = "a long password for tests"  # of accounts that live for one test


@pytest.fixture(scope="session")
def site(django_db_setup: None) -> Iterator[str]:
    """The address of the web pages."""
    with served() as address:
        yield address


@pytest.fixture(scope="session")
def window(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests: a start takes a second."""
    if wanting := chromium.missing():
        pytest.skip(wanting)
    with chromium.opened(site, tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def browser(window: Browser, settings: Settings) -> Iterator[Browser]:
    """The browser, logged out, in a window of a desk's size. It is on no page of ours afterwards:
    one that follows something would go on asking while other tests run."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    window.log_out()
    window.resize(1440, 1000)
    window.prefer_dark(False)
    window.complaints()
    yield window
    window.driver.get("about:blank")


@pytest.fixture
def shop(databases: dict[str, psycopg.Connection], quiet: None) -> dict[str, psycopg.Connection]:
    """An open shop; the owners' connections of its databases."""
    forget()
    open_shop()
    return databases


@pytest.fixture
def support(browser: Browser, databases: dict[str, psycopg.Connection]) -> Browser:
    """The browser of somebody who may look at everything and change nothing, logged in."""
    user = User.objects.create_user("support", password=PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    browser.log_in("support", PASSWORD)
    return browser


def opened_by(browser: Browser, role: str, *, confirmed: bool = True) -> Browser:
    """The browser of somebody new of that role, who said who they are just now, or too long ago."""
    user = user_of(role)
    user.set_password(PASSWORD)
    user.save()
    browser.log_out()
    browser.log_in(role, PASSWORD)
    browser.confirm(ago=0 if confirmed else GOOD_FOR_SECONDS)
    return browser
