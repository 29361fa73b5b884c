"""A real Chromium, as somebody at a desk uses it."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from apps.messaging.admin.step_up import CONFIRMED_AT

Seen = TypeVar("Seen")

PATIENCE_SECONDS = 60
FLAGS = (
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
    "disable-background-networking", "disable-component-update", "disable-sync",
    "disable-dev-shm-usage",  # a container has little of it
    "window-size=1440,1000",
)  # fmt: skip
# Read at once: a page that renews itself does not do so between two cells.
TEXTS = """
const seen = (each) => each.innerText === undefined ? each.textContent  // a picture's title
  : each.checkVisibility() ? each.innerText : "";
return [...document.querySelectorAll(arguments[0])].map((each) =>
  seen(each).trim().replaceAll("\\t", " "));
"""
ATTRIBUTES = """
return [...document.querySelectorAll(arguments[0])].map((each) => each.getAttribute(arguments[1]));
"""
CELLS = """
const title = [...document.querySelectorAll("h3")].find((each) =>
  each.textContent.trim() === arguments[0]);
return [...title.nextElementSibling.querySelectorAll("tr:has(td)")].map((row) =>
  [...row.querySelectorAll("td")].map((cell) => cell.innerText.trim()));
"""
WIDEST = """
return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth,
  ...[...document.querySelectorAll("#main, #content-main, table")].map((each) => each.scrollWidth));
"""
CUT_OFF = """
return [...document.querySelectorAll(`${arguments[0]} td`)]
  .filter((cell) => cell.scrollHeight > cell.clientHeight + 1 && cell.clientHeight > 0)
  .map((cell) => cell.textContent.trim());
"""
# Whether the focus is on that, inside the window, and marked.
FOCUSED = """
const here = document.activeElement;
if (!here.matches(arguments[0])) return false;
const {top, bottom} = here.getBoundingClientRect();
const {outlineStyle, boxShadow} = getComputedStyle(here);
return bottom > 0 && top < innerHeight && (outlineStyle !== "none" || boxShadow !== "none");
"""
MOST_TABS = 150
ZONE = "Asia/Kolkata"  # UTC+5:30 all year: no time can be mistaken for UTC

# Whatever breaks a rule of WCAG 2.2 A or AA: the rule, and the first place.
ASK_AXE = """
const done = arguments[arguments.length - 1];
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
axe.run(document, {runOnly: rules, resultTypes: ["violations"]}).then((found) => done(
  found.violations.map((each) => `${each.id}: ${each.nodes[0].html}`)));
"""


def missing() -> str:
    """What has to be installed before pages can be looked at; empty when nothing has."""
    names = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return f"{' and '.join(names)} not found: apt-get install chromium chromium-driver" * any(names)


class Browser:
    """One window."""

    def __init__(self, driver: Chrome, site: str) -> None:
        self.driver = driver
        self.site = site

    def open(self, path: str) -> None:
        self.driver.get(self.site + path)

    def log_in(self, name: str, password: str) -> None:
        """By the login page that an anonymous visitor is led to."""
        self.open("/admin/")
        self.find("#id_username").send_keys(name)
        self.find("#id_password").send_keys(password + Keys.ENTER)
        self.wait_for("#nav-sidebar-apps")

    def log_out(self) -> None:
        """Forget whoever was logged in, on a page that follows nothing."""
        self.open("/health/live")
        self.driver.delete_all_cookies()

    def again(self, look: Callable[[], Seen]) -> Seen:
        """What comes of one look or click, though a page that renews itself may do so just then."""
        while True:
            with suppress(StaleElementReferenceException):
                return look()

    def find(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait_for(self, selector: str) -> Any:
        """Raises TimeoutException."""
        wait = WebDriverWait(self.driver, PATIENCE_SECONDS)
        return wait.until(lambda _: next(iter(self.all(selector)), None))

    def wait_for_all(self, selector: str, count: int) -> list[Any]:
        """Until there are so many of them. Raises TimeoutException."""
        wait = WebDriverWait(self.driver, PATIENCE_SECONDS)
        return wait.until(lambda _: len(found := self.all(selector)) == count and found)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Raises TimeoutException."""
        WebDriverWait(self.driver, PATIENCE_SECONDS).until(lambda _: condition())

    def wait_for_text(self, selector: str, text: str) -> str:
        """What can be read there as soon as it has that. Raises TimeoutException."""
        wait = WebDriverWait(self.driver, PATIENCE_SECONDS)
        return str(wait.until(lambda _: text in (found := self.text(selector)) and found))

    def confirm(self, ago: float = 0) -> None:
        """Say who we are, so many seconds ago, as a log-in does and the page that asks before money
        moves."""
        key = self.driver.get_cookie(settings.SESSION_COOKIE_NAME)["value"]
        session = import_module(settings.SESSION_ENGINE).SessionStore(key)
        session[CONFIRMED_AT] = time.time() - ago
        session.save()

    def follow(self, selector: str) -> None:
        """Click a link, and wait for the page behind it."""
        old = self.find("html")
        self.click(selector)
        WebDriverWait(self.driver, PATIENCE_SECONDS).until(lambda _: self.find("html") != old)

    def click(self, selector: str) -> None:
        self.again(lambda: self.find(selector).click())

    def press(self, *keys: str) -> None:
        """Type where the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def has_focus(self, selector: str) -> bool:
        return bool(self.find(selector) == self.driver.switch_to.active_element)

    def tab_to(self, selector: str) -> None:
        """Go from field to link to button, by Tab alone, until the focus is there and is seen."""
        for _ in range(MOST_TABS):
            self.press(Keys.TAB)
            if self.driver.execute_script(FOCUSED, selector):
                return
        raise AssertionError(f"Tab does not lead to {selector}")

    def enter(self) -> None:
        """Enter where the focus is, and wait for the page behind it."""
        old = self.find("html")
        self.press(Keys.ENTER)
        WebDriverWait(self.driver, PATIENCE_SECONDS).until(lambda _: self.find("html") != old)

    def text(self, selector: str = "body") -> str:
        """What can be read there."""
        return str(self.again(lambda: self.find(selector).text))

    def texts(self, selector: str) -> list[str]:
        """What can be read in each of them; nothing where one is hidden."""
        return list(self.driver.execute_script(TEXTS, selector))

    def attributes(self, selector: str, name: str) -> list[str | None]:
        """What that attribute says in each of them; None where there is none."""
        return list(self.driver.execute_script(ATTRIBUTES, selector, name))

    def table(self, title: str) -> list[list[str]]:
        """The cells of the table below a title, row by row, as they can be read."""
        return list(self.driver.execute_script(CELLS, title))

    def resize(self, width: int, height: int) -> None:
        """The page's own size. Windows are not narrower than 500 px, pages can be."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer_dark(self, dark: bool) -> None:
        """What the reader's system asks pages for."""
        wish = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wish]})

    def widest(self) -> int:
        """How wide the page is, in px: more than its window means scrolling sideways."""
        return int(self.driver.execute_script(WIDEST))

    def cut_off(self, selector: str) -> list[str]:
        """The table cells in there whose text does not fit into them."""
        return list(self.driver.execute_script(CUT_OFF, selector))

    def broken_rules(self) -> list[str]:
        """What axe finds on the page that is open."""
        if not self.driver.execute_script("return 'axe' in window"):
            source = (files("axe_playwright_python") / "axe.min.js").read_text()
            self.driver.execute_script(source)
        return list(self.driver.execute_async_script(ASK_AXE))

    def complaints(self) -> list[str]:
        """What the console says of broken scripts and files since it was last asked."""
        entries = self.driver.get_log("browser")
        return [each["message"] for each in entries if each["level"] == "SEVERE"]


@contextmanager
def opened(site: str, profile: Path) -> Iterator[Browser]:
    """A browser without a past."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(str(shutil.which("chromedriver")), env={**os.environ, "TZ": ZONE})
    driver = Chrome(options=options, service=service)
    try:
        yield Browser(driver, site)
    finally:
        driver.quit()
