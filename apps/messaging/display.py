"""Facts as the admin's pages show them to people: money, moments, durations, ids, labels."""

import json
import re
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

# Of every status, outcome, decision and kind that has a meaning beyond being one of several.
COLOURS = {
    "success": {"confirmed", "done", "captured", "shipped", "handed_over", "replayed", "happened",
                "settled", "delivered", "held", "accepted", "sent", "received"},
    "info": {"running", "placed", "pending", "authorized", "reserved", "frozen", "booked",
             "wrapped", "doing", "undoing", "waiting", "skipping", "fencing", "due", "claimed",
             "collected", "in_transit", "expected", "announced", "queued", "sending"},
    "warning": {"compensating", "undone", "cancelled", "refunded", "released", "unfrozen",
                "unwrapped", "tombstone", "superseded", "awaiting_decision", "fenced", "withdrawn",
                "unknown", "decision", "discarded", "declined", "hold_ends"},
    "danger": {"refused", "parked", "stuck", "start_lost", "lost", "returned", "parcel_lost",
               "parcel_returned", "parcel_refused", "parcel_taken", "failed", "bounced", "dispute",
               "hold_lost", "refund_failed", "refund_refused", "gateway_differs"},
}  # fmt: skip
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
COLOUR_OF = {word: colour for colour, words in COLOURS.items() for word in words}


def money(cents: int, currency: str = "") -> str:
    """Cents as people write them: 1,234.56 USD."""
    sign, cents = "-" * (cents < 0), abs(cents)
    return f"{sign}{cents // 100:,}.{cents % 100:02} {currency}".rstrip()


def counted(number: int, one: str, many: str = "") -> str:
    """1 piece, 2 pieces."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def moment(at: datetime | None) -> SafeString | str:
    """Date and time to the second. The page's script turns UTC into the reader's own zone."""
    return _time(at, "%Y-%m-%d %H:%M:%S UTC", "moment") if at else ""


def clock(at: datetime | None) -> SafeString | str:
    """The time of day with milliseconds, to be read beside others of the same saga."""
    return _time(at, "%H:%M:%S.%f", "clock") if at else ""


def with_evidence(reason: str, evidence: str | None) -> str:
    """Why something was done, to be read: the reason, and the evidence where there is one."""
    return f"{reason} (evidence: {evidence})" if evidence else reason


def took(duration: timedelta) -> str:
    """A duration for people, in its two largest units: 12 ms, 3.4 s, 2 min 10 s, 5 h 3 min."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def document(value: object) -> SafeString | str:
    """A value of JSON, indented. (Unfold would colour it, by styles that our policy forbids.)"""
    if value is None:
        return ""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre class="desk-document">{}</pre>', text)


def in_one_line(text: str) -> SafeString:
    """A text that is not broken, however narrow its column."""
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def words(name: str) -> str:
    """A name of the code as people say it: reserve_stock is reserve stock. An id of somebody else's
    (re_1Pz…) stays as it is, for it is looked up there."""
    return name.replace("_", " ") if name.islower() else name


def label(text: str, colour: str = "") -> SafeString:
    """A word with a colour; the word alone says it all."""
    given = {"text": words(text), "type": colour or COLOUR_OF.get(text, "default")}
    return render_to_string("unfold/helpers/label.html", given)


def short(id: UUID) -> SafeString:
    """The end of an id, which differs; the whole of it shows under the mouse."""
    shown = '<span class="whitespace-nowrap" title="{}">…{}</span>'
    return format_html(shown, id, str(id)[-12:])


def link(page: str, key: object, text: object) -> SafeString:
    """A link to an admin page by its URL's name; the text alone where that page is not installed.

    A context that is deployed alone shows its own lists without the others' pages.
    """
    try:
        address = reverse(f"admin:{page}_change", args=[key])
    except NoReverseMatch:
        return format_html("{}", text)
    shown = '<a class="text-primary-600 dark:text-primary-400 underline" href="{}">{}</a>'
    return format_html(shown, address, text)


def trace_link(traceparent: str) -> SafeString | str:
    """The id of a W3C traceparent's trace, a link to its page where TRACE_URL says where these are.
    Empty where it is none."""
    if not (found := TRACEPARENT.fullmatch(traceparent)):
        return ""
    trace_id = found[1]
    if not settings.TRACE_URL:
        return trace_id
    shown = (
        '<a class="text-primary-600 dark:text-primary-400 hover:underline" href="{}"'
        ' rel="noreferrer">{}</a>'
    )
    return format_html(shown, settings.TRACE_URL.replace("{trace_id}", trace_id), trace_id)


def _time(at: datetime, pattern: str, show: str) -> SafeString:
    text = at.strftime(pattern)
    text = text[:-3] if pattern.endswith("%f") else text
    shown = '<time class="whitespace-nowrap" datetime="{}" data-show="{}">{}</time>'
    return format_html(shown, at.isoformat(), show, text)
