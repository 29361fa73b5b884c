"""Finding sagas and looking over everything, in a real browser."""

import os
from pathlib import Path

import psycopg
import pytest

from tests.admin.world import confirmed_saga, park_for, undone_saga
from tests.browser.browser import Browser

Databases = dict[str, psycopg.Connection]
PHONE = (390, 844)
SHOTS = os.environ.get("SCREENSHOTS", "")


@pytest.fixture
def busy(shop: Databases) -> Databases:
    for _ in range(3):
        confirmed_saga(shop)
    park_for(undone_saga(shop).saga_id)
    return shop


def shoot(browser: Browser, name: str) -> None:
    if SHOTS:
        height = browser.driver.execute_script("return document.documentElement.scrollHeight")
        width = browser.driver.execute_script("return window.innerWidth")
        browser.resize(width, min(height, 3000))
        browser.driver.save_screenshot(str(Path(SHOTS) / f"{name}.png"))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(1440, 1000), PHONE])
@pytest.mark.parametrize("page", ["", "sagas/saga/", "sagas/saga/?q=carrier"])
def test_shots(
    busy: Databases, support: Browser, page: str, size: tuple[int, int], dark: bool
) -> None:
    support.resize(*size)
    support.prefer_dark(dark)
    support.open(f"/admin/{page}")
    name = {"": "home", "sagas/saga/": "list"}.get(page, "search")
    shoot(support, f"{name}-{size[0]}-{'dark' if dark else 'light'}")
    assert support.widest() <= size[0]
    assert support.complaints() == []
