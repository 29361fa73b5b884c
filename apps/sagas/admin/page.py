"""The page of one saga: its steps in order, and what others add to it.

A view across databases belongs to apps.ops, which is installed where all contexts are. It adds its
part when the apps are ready: `SECTIONS.append(find)`, where `find(saga)` reads its Sections.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.contracts.catalogue import Action
from apps.contracts.plan import Plan
from apps.messaging.admin import ReadOnlyAdmin
from apps.messaging.display import clock, in_one_line, label, money, took, words
from apps.sagas.models import Saga, SagaEvent, SagaStep

FORWARD = ("Step", "Action", "Asked", "Took", "Answer")
BACK = ("Compensation", "Asked", "Took")


Told = dict[tuple[str, str], SagaStep]  # the answers by step and action


class Section(NamedTuple):
    """A table on the page. Cells are texts, or safe HTML such as a `label`."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]


SECTIONS: list[Callable[[Saga], Iterable[Section]]] = []


def sections_of(saga: Saga) -> list[Section]:
    """All that the page shows below the saga's own fields; a section without rows is left out."""
    found = [
        steps_of(saga),
        events_of(saga),
        *(section for find in SECTIONS for section in find(saga)),
    ]
    return [section for section in found if section.rows]


def steps_of(saga: Saga) -> Section:
    """The steps of the plan, each with its action and its compensation, from our own database."""
    told: Told = {}
    for line in SagaStep.objects.filter(saga_id=saga.saga_id).order_by("revision"):
        told[line.step, line.action] = line
    steps = Plan.from_header(saga.plan).steps
    rows = [_forward(saga, step, told) for step in steps]
    if not saga.cause_step:
        return Section("Steps", FORWARD, rows)
    both = [row + _back(saga, step, told) for row, step in zip(rows, steps, strict=True)]
    return Section("Steps", FORWARD + BACK, both)


def events_of(saga: Saga) -> Section:
    """What happened beside the answers: sent again, stuck, moved by people."""
    found = SagaEvent.objects.filter(saga_id=saga.saga_id).order_by("id")
    rows = [
        [clock(each.at), words(each.kind), words(each.step), each.action, each.text]
        for each in found
    ]
    return Section("Beside the answers", ("At", "What", "Step", "Action", "Said"), rows)


def _forward(saga: Saga, step: str, told: Told) -> list[object]:
    done = told.get((step, Action.DO))
    answer = facts(done) if done else ""
    return [in_one_line(words(step)), *_request(saga, step, Action.DO, done), answer]


def _back(saga: Saga, step: str, told: Told) -> list[object]:
    return _request(saga, step, Action.UNDO, told.get((step, Action.UNDO)))


def _request(saga: Saga, step: str, action: Action, line: SagaStep | None) -> list[object]:
    """Outcome, when it was asked, and how long the answer took."""
    if line:
        waited = in_one_line(took(line.answered_at - line.asked_at))
        return [label(line.outcome), clock(line.asked_at), waited]
    if (saga.pending_step, saga.pending_action) == (step, action):
        return [label("pending"), clock(saga.pending_since), ""]
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


class SagaPage(ReadOnlyAdmin):
    """The page of one saga."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Who may look at sagas sees on this page what all services hold for this one."""
        saga = self.get_object(request, object_id)
        shown = self.has_view_permission(request, saga) and saga is not None
        sections = sections_of(saga) if shown else []
        context = {**(extra_context or {}), "sections": sections}
        return super().change_view(request, object_id, form_url, context)
