"""Facts as people read them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from apps.messaging import display


@pytest.mark.parametrize(
    ("cents", "text"),
    [(0, "0.00 USD"), (5, "0.05 USD"), (1234, "12.34 USD"), (-1234, "-12.34 USD"),
     (10**12 + 1, "10,000,000,000.01 USD")],
)  # fmt: skip
def test_money_is_exact(cents: int, text: str) -> None:
    assert display.money(cents, "USD") == text


TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


def test_a_trace_is_its_id_where_nobody_says_where_traces_are(settings: Any) -> None:
    settings.TRACE_URL = ""
    assert display.trace_link(TRACEPARENT) == TRACE_ID


def test_a_trace_links_to_its_page_and_the_address_is_escaped(settings: Any) -> None:
    settings.TRACE_URL = "https://jaeger.example/trace/{trace_id}?a=1&b=\"'><script>"
    assert (
        f"https://jaeger.example/trace/{TRACE_ID}?a=1&amp;b=&quot;&#x27;&gt;&lt;script&gt;"
        in display.trace_link(TRACEPARENT)
    )


@pytest.mark.parametrize("given", ["", "none", "00-<script>-b7ad6b7169203331-01"])
def test_what_is_no_trace_is_not_shown(settings: Any, given: str) -> None:
    settings.TRACE_URL = "https://jaeger.example/trace/{trace_id}"
    assert display.trace_link(given) == ""


def test_names_of_the_code_are_said_in_words_and_ids_of_others_stay() -> None:
    assert display.words("reserve_stock") == "reserve stock"
    assert display.words("re_1PzQ2bLk") == "re_1PzQ2bLk"


def test_money_of_an_unknown_currency_is_an_amount() -> None:
    assert display.money(1234) == "12.34"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0124, "12 ms"),
        (3.44, "3.4 s"),
        (130, "2 min 10 s"),
        (5 * 3600 + 180, "5 h 3 min"),
        (3 * 86_400 + 7_200, "3 d 2 h"),
    ],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert display.took(timedelta(seconds=seconds)) == text


def test_moments_say_their_zone_until_the_page_turns_them_into_the_readers() -> None:
    at = datetime(2026, 11, 23, 9, 5, 7, 123456, tzinfo=UTC)
    assert ">2026-11-23 09:05:07 UTC</time>" in display.moment(at)
    assert 'datetime="2026-11-23T09:05:07.123456+00:00"' in display.moment(at)
    assert ">09:05:07.123</time>" in display.clock(at)
    assert display.moment(None) == display.clock(None) == ""


def test_a_short_id_still_tells_the_whole_of_it() -> None:
    id = UUID("01a209f2-36ce-718b-90fe-f123a27b85d2")
    assert display.short(id).endswith(f'title="{id}">…f123a27b85d2</span>')


def test_a_label_without_a_colour_of_its_own_is_grey() -> None:
    assert "bg-green-100" in display.label("handed_over")
    assert "handed over" in display.label("handed_over")
    assert "bg-red-100" in display.label("refund_failed")
    assert "bg-base-500/8" in display.label("late")


def test_a_document_is_indented_text_without_styles() -> None:
    assert display.document({"a": "<b>"}) == (
        '<pre class="desk-document">{\n  &quot;a&quot;: &quot;&lt;b&gt;&quot;\n}</pre>'
    )
    assert display.document(None) == ""


def test_a_link_to_a_page_that_is_not_installed_is_its_text() -> None:
    assert display.link("nowhere_page", 1, "<b>") == "&lt;b&gt;"
