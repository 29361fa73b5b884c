"""The page of one saga: where it stands, its plan, its timeline, and what others add to it.

A view across databases belongs to apps.ops, which is installed where all contexts are. It adds its
part when the apps are ready: `ADDITIONS.append(find)`, where `find(saga)` reads its Addition.

While a saga lives its page asks for the live part again every three seconds (`live/`); who has no
JavaScript loads the page again.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.contracts.catalogue import Action
from apps.messaging.admin import ReadOnlyAdmin
from apps.messaging.admin.pages import Page, Pages, Section
from apps.messaging.display import clock, in_one_line, label, moment, money, took, trace_link, words
from apps.sagas.admin.graph import Standing, nodes_of
from apps.sagas.admin.history import History, Point
from apps.sagas.admin.timeline import VERBS, Entry, entries_of, timeline_of
from apps.sagas.models import Saga, SagaStep
from apps.sagas.state import Driver, Status

FORWARD = ("Step", "Action", "Asked", "Took", "Answer")
BACK = ("Compensation", "Asked", "Took")
# Others react to the end: the parcel is handed over, the stock leaves. Then the page is at rest.
AT_REST = timedelta(seconds=15)
STOP_POLLING = 286  # what htmx takes for the last answer


class Told(NamedTuple):
    """An entry of the timeline in words."""

    at: SafeString | str
    after: str  # the start
    what: str
    text: str


class Addition(NamedTuple):
    """What others know of a saga."""

    sections: Sequence[Section] = ()
    points: Sequence[Point] = ()  # for the timeline
    warnings: Sequence[SafeString] = ()  # what keeps the saga, beside where it stands


ADDITIONS: list[Callable[[Saga], Addition]] = []


def shown_of(saga: Saga) -> dict[str, Any]:
    """What the live part of the page shows, by the names of its template."""
    history = History.read(saga)
    added = [find(saga) for find in ADDITIONS]
    entries = entries_of(history, [each for addition in added for each in addition.points])
    sections = [
        steps_of(history),
        *(section for addition in added for section in addition.sections),
    ]
    return {
        "saga": saga,
        "status": label(saga.status),
        "said": said_of(history),
        "warnings": [each for addition in added for each in addition.warnings],
        "facts": facts_of(history),
        "nodes": nodes_of(history),
        "timeline": timeline_of(history, entries),
        "entries": [told_as(each, saga) for each in entries],
        "sections": [each for each in sections if each.rows],
        "live": not at_rest(saga),
    }


def at_rest(saga: Saga) -> bool:
    """Whether nothing is to be expected of it any more."""
    return saga.ended_at is not None and timezone.now() - saga.ended_at > AT_REST


# --- where it stands


def said_of(history: History) -> str:
    """Where the saga stands, in a sentence that changes only when the saga moves."""
    saga = history.saga
    cause = f"{words(saga.cause_step)}: {saga.cause_reason}" if saga.cause_step else ""
    if saga.status == Status.CONFIRMED:
        skipped = ", ".join(map(words, history.detours.skipped))
        but = f", but {skipped} was skipped" if skipped else ""
        return f"Every step is done{but}."
    if saga.status == Status.UNDONE:
        return f"Everything is undone. It turned back at {cause}."
    if saga.paused_until:
        return f"Paused: answers are taken, nothing is sent. {_waits(history)}"
    if history.turned_back:
        return f"It turned back at {cause}. {_waits(history)}"
    if saga.status == Status.AWAITING_DECISION:
        return f"{cause}. A person decides whether it is tried again."
    return _waits(history)


def _waits(history: History) -> str:
    desk = ", ".join(map(words, history.desk))
    stands = f"On the desk: undo {desk}." if desk else ""
    saga = history.saga
    if not saga.pending_step:
        return stands
    asked = {Action.UNDO: "undoing ", Action.FENCE: "the outcome of "}.get(
        Action(str(saga.pending_action)), ""
    )
    failing = ", which has failed for so long that a person should look" * history.stuck_forward
    return f"It waits for {asked}{words(saga.pending_step)}{failing}. {stands}".strip()


def facts_of(history: History) -> list[tuple[str, object]]:
    """Times and counts beside that sentence; what there is not is left out."""
    saga = history.saga
    if saga.ended_at:
        return [("Took", took(saga.ended_at - saga.started_at)), ("Ended", moment(saga.ended_at))]
    leg = history.legs.get(saga.pending_step or "")
    most = leg.step.patience.attempts if leg else 0
    attempt = f"{saga.attempt} of {most}" if saga.attempt <= most else str(saga.attempt)
    by_events = saga.driver == Driver.EVENTS
    sent = saga.pending_step and not saga.paused_until and not by_events
    next_is = "The engine takes over" if by_events else "Next sending"
    found: list[tuple[str, object]] = [
        ("So far", took(history.now - saga.started_at)),
        ("Sending", attempt if sent else ""),
        (next_is, "" if saga.paused_until else clock(saga.due_at)),
        ("Desk asked again", clock(saga.desk_due_at)),
        ("Paused until", moment(saga.paused_until)),
        ("Deadline", moment(saga.deadline_at)),
    ]
    return [(name, value) for name, value in found if value != ""]


# --- what happened


def told_as(entry: Entry, saga: Saga) -> Told:
    """An entry for people: what the timeline draws, to be read and copied."""
    after = f"+{took(max(entry.at - saga.started_at, timedelta(0)))}"
    asked = f"{VERBS.get(entry.action, '')}{words(entry.step)}"
    what = f"{asked}: {entry.what}" if asked else entry.what
    return Told(clock(entry.at), after, what, entry.text)


# --- tables


def steps_of(history: History) -> Section:
    """The steps of the plan, each with its action and its compensation, from our own database."""
    rows = [_forward(history, step) for step in history.steps]
    if not history.saga.cause_step:
        return Section("Steps", FORWARD, rows)
    both = [row + _back(history, step) for row, step in zip(rows, history.steps, strict=True)]
    return Section("Steps", FORWARD + BACK, both)


def _forward(history: History, step: str) -> list[object]:
    done = history.told.get((step, Action.DO))
    answer = facts(done) if done else ""
    return [in_one_line(words(step)), *_request(history, step, Action.DO), answer]


def _back(history: History, step: str) -> list[object]:
    return _request(history, step, Action.UNDO)


def _request(history: History, step: str, action: Action) -> list[object]:
    """Outcome, when it was asked, and how long the answer took."""
    if line := history.told.get((step, action)):
        waited = in_one_line(took(line.answered_at - line.asked_at))
        return [label(line.outcome), clock(line.asked_at), waited]
    if history.pending == (step, action):
        return [label("pending"), clock(history.saga.pending_since), ""]
    if action is Action.UNDO and step in history.desk:
        return [label(Standing.ON_DESK, "danger"), "", ""]
    if action is Action.DO and history.pending == (step, Action.FENCE):
        return [label("pending"), "", ""]
    return ["", "", ""]


def facts(line: SagaStep) -> SafeString:
    """What was told: the event's name, and what it says a line each. Ids stand elsewhere."""
    told = [_fact(name, each) for name, each in line.answer.items() if not name.endswith("_id")]
    lines = format_html_join("", '<div class="text-xs">{}</div>', ((each,) for each in told))
    return format_html('<div class="lg:min-w-56"><div>{}</div>{}</div>', line.answer_type, lines)


def _fact(name: str, value: object) -> str:
    if name.endswith("_cents") and isinstance(value, int):
        return f"{words(name.removesuffix('_cents'))} {money(value)}"
    return f"{words(name)} {in_words(value)}"


def in_words(value: object) -> str:
    """A value of JSON for people."""
    if isinstance(value, dict):
        return ", ".join(_fact(name, each) for name, each in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(in_words, value))
    return str(value)


# --- pages


def live_view(admin: "SagaPage", request: HttpRequest, saga: Saga) -> HttpResponse:
    """The live part alone; the last one says that no more is to be asked for."""
    context = {**shown_of(saga), **admin.beside(request, saga), "fragment": True}
    status = 200 if context["live"] else STOP_POLLING
    return render(request, "admin/sagas/saga/live.html", context, status=status)


class SagaPage(Pages, ReadOnlyAdmin):
    """The page of one saga."""

    pages: ClassVar[list[Page]] = [Page("live", "live/", live_view)]
    fields: Any = (
        ("saga_id", "order_id"),
        ("shown_process", "driven"),
        ("customer_id", "revision"),
        ("started_at", "changed_at"),
        "trace",
    )

    @display(description="trace")
    def trace(self, saga: Saga) -> SafeString | str:
        return trace_link(saga.traceparent)

    def beside(self, request: HttpRequest, saga: Saga) -> dict[str, Any]:
        """What the live part shows beside the saga: a mixin names here the `buttons` of what can be
        done to it, so that they follow the saga too."""
        return {}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Who may look at sagas sees on this page what all services hold for this one."""
        shown = self.has_view_permission(request)
        saga = self.get_object(request, object_id) if shown else None
        context = {**(shown_of(saga) if saga else {}), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)
