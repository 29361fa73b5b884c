"""The field that a page asks for first has the focus, however slowly the page comes."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from whitenoise.middleware import WhiteNoiseMiddleware

from tests.browser.browser import Browser

SLOW_SECONDS = 1


def test_the_first_field_has_the_focus_though_the_page_is_shown_late(
    browser: Browser, databases: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unfold hides a page until its scripts are there; a browser forgets autofocus by then."""
    serve: Callable[..., Any] = WhiteNoiseMiddleware.serve

    def serve_slowly(static: Any, request: Any) -> Any:
        if request.path.endswith("alpine.js"):
            time.sleep(SLOW_SECONDS)
        return serve(static, request)

    monkeypatch.setattr(WhiteNoiseMiddleware, "serve", staticmethod(serve_slowly))
    browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})

    browser.open("/admin/")

    browser.wait_until(lambda: browser.has_focus("#id_username"))
