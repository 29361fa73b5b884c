"""The page of one saga: its steps in order, and what others add to it.

A view across databases belongs to apps.ops, which is installed where all contexts are. It adds its
part when the apps are ready: `SECTIONS.append(find)`, where `find(saga)` reads its Section.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from apps.contracts.catalogue import Action
from apps.contracts.plan import Plan
from apps.sagas.decide import Outcome, Status
from apps.sagas.models import Saga, SagaStep

COLOURS: dict[str, str] = {
    Status.RUNNING: "info",
    Status.COMPENSATING: "warning",
    Status.CONFIRMED: "success",
    Status.UNDONE: "warning",  # an outcome of that name has the same colour
    Outcome.DONE: "success",
    Outcome.REFUSED: "danger",
    Outcome.NOTHING_TO_UNDO: "default",
}
HEADERS = ("Step", "Action", "Asked", "Took", "Answer", "Compensation", "Asked", "Took")


class Section(NamedTuple):
    """A table on the page. Cells are texts, or safe HTML such as a `label`."""

    title: str
    headers: Sequence[str]
    rows: Iterable[Sequence[object]]

    @property
    def table(self) -> dict[str, object]:
        """As unfold's table component takes it."""
        return {"headers": self.headers, "rows": [list(row) for row in self.rows]}


SECTIONS: list[Callable[[Saga], Section]] = []


def sections_of(saga: Saga) -> list[Section]:
    """All that the page shows below the saga's own fields."""
    return [steps_of(saga), *(find(saga) for find in SECTIONS)]


def steps_of(saga: Saga) -> Section:
    """The steps of the plan, each with its action and its compensation, from our own database."""
    told: dict[tuple[str, str], SagaStep] = {}
    for line in SagaStep.objects.filter(saga_id=saga.saga_id).order_by("revision"):
        told[line.step, line.action] = line
    steps = Plan.from_header(saga.plan).steps
    return Section("Steps", HEADERS, [_row(saga, step, told) for step in steps])


def _row(saga: Saga, step: str, told: dict[tuple[str, str], SagaStep]) -> list[object]:
    done, undone = told.get((step, Action.DO)), told.get((step, Action.UNDO))
    return [
        step.replace("_", " "),
        *_request(saga, step, Action.DO, done),
        facts(done) if done else "",
        *_request(saga, step, Action.UNDO, undone),
    ]


def _request(saga: Saga, step: str, action: Action, line: SagaStep | None) -> list[object]:
    """Outcome, when it was asked, and how long the answer took."""
    if line:
        return [label(line.outcome), clock(line.asked_at), took(line.answered_at - line.asked_at)]
    if (saga.pending_step, saga.pending_action) == (step, action):
        return [label("pending", "info"), clock(saga.pending_since), ""]
    return ["", "", ""]


def facts(line: SagaStep) -> SafeString:
    """What was told, a line each."""
    told = [(line.answer_type, ""), *((name, in_words(each)) for name, each in line.answer.items())]
    return format_html_join("", "<div>{} {}</div>", told)


def in_words(value: object) -> str:
    """A value of JSON for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {in_words(each)}" for name, each in value.items())
    if isinstance(value, list):
        return "; ".join(map(in_words, value))
    return str(value)


def label(text: str, colour: str = "") -> SafeString:
    """A word with a colour; the word alone says it all."""
    given = {"text": text.replace("_", " "), "type": colour or COLOURS.get(text, "default")}
    return render_to_string("unfold/helpers/label.html", given)


def clock(at: datetime | None) -> str:
    """The time of day in UTC, with milliseconds."""
    return at.strftime("%H:%M:%S.%f")[:-3] if at else ""


def took(duration: timedelta) -> str:
    """A duration for people: 12 ms, 3.4 s, 0:02:10."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
