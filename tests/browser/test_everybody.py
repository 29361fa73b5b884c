"""Every page of the admin is for everybody: by axe's rules of WCAG 2.2 AA, and on a phone.

The pages are those that the site routes to, as in tests/admin/test_matrix.py, so that a new one
cannot be forgotten. Of the tables that every context has, one context's are looked at.
"""

from collections.abc import Iterator

import psycopg
import pytest
from django.db.models import Model

from sagaplatform.env import CONTEXTS
from sagaplatform.roles import OF_EVERY_CONTEXT
from tests.admin.people import SUPERUSER
from tests.admin.test_matrix import USUAL, address_of, pages, rule_of, usual_answer
from tests.admin.world import fill_every_table
from tests.browser.browser import Browser
from tests.browser.conftest import opened_by

PHONE = (390, 844)
IN_EVERY_CONTEXT = {*OF_EVERY_CONTEXT, "operatoraction"}
# What is no page to look at: files, answers to a script, and Django's list of changes, which has no
# link to it.
NO_PAGES = {"jsi18n", "search", "sagas_saga_export", "sagas_saga_live", "history"}


def looked_at() -> Iterator[str]:
    """The address of each page that a person of all rights is shown."""
    for short, name, model in pages():
        if not name or {short, name} & NO_PAGES or of_another_context(model):
            continue
        usual = model is not None and short in USUAL
        rule = None if usual else rule_of(name, short, model)
        answer = rule.get if rule else usual_answer(short, model, SUPERUSER, "GET")  # type: ignore[arg-type]
        if answer == 200:
            yield address_of(short, name, model, rule)


def of_another_context(model: type[Model] | None) -> bool:
    """Whether it is the same table as one that was looked at."""
    return (
        model is not None
        and model._meta.model_name in IN_EVERY_CONTEXT
        and model._meta.app_label != CONTEXTS[0]
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_page_is_for_everybody_by_day_and_on_a_phone_at_night(
    shop: dict[str, psycopg.Connection], browser: Browser
) -> None:
    fill_every_table(shop)
    opened_by(browser, SUPERUSER)

    found = {}
    for address in [*looked_at(), "/admin/auth/user/1/delete/", "/admin/no-such-page/"]:
        browser.open(address)
        if browser.driver.current_url.removeprefix(browser.site) != address:
            continue  # it leads elsewhere, as an act that is possible for nobody
        by_day = browser.broken_rules()
        browser.prefer_dark(True)
        browser.resize(*PHONE)
        found[address] = (by_day, browser.broken_rules(), browser.widest() <= PHONE[0])
        browser.prefer_dark(False)
        browser.resize(1440, 1000)

    assert len(found) > 60

    # The two that are refused or missing say so in the console, too.
    assert [each for each in browser.complaints() if "with a status of 4" not in each] == []
    wrong = {address: what for address, what in found.items() if what != ([], [], True)}
    assert wrong == {}
