"""What happened to a saga over time: a bar for each request, marks for what happened beside. Pure.

Places on the axis are per cent of its width, as the attributes of SVG take them. A saga of up to a
minute is drawn to scale. In a longer one each span between two moments takes a width that grows
with its logarithm, so that steps of milliseconds are still seen beside waits of hours.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from apps.contracts.catalogue import Action
from apps.messaging.display import took, words
from apps.sagas.admin.history import History, Point
from apps.sagas.models import SagaEvent
from apps.sagas.state import Outcome

LONGEST_TO_SCALE = timedelta(minutes=1)
TICKS = (0.0, 25.0, 50.0, 75.0, 100.0)
NARROWEST = 0.6  # per cent: what is shorter could not be seen

# What a mark looks like: each kind has a shape of its own.
AGAIN, WAIT, TURN, BARRIER, HAND = "again", "wait", "turn", "barrier", "hand"
OF_EVENTS = {
    "sent_again": AGAIN, "retried": AGAIN,
    "waits": WAIT, "paused": WAIT, "resumed": WAIT, "decision_awaited": WAIT,
}  # fmt: skip
MARKS = {
    AGAIN: "sent again",
    WAIT: "waits, paused, resumed",
    TURN: "turned, stuck, skipped",
    BARRIER: "unusual decision of a barrier",
    HAND: "moved by a person",
}
BARS = {
    "do": "step",
    "undo": "compensation",
    "fence": "did it happen?",
    "refused": "refused",
    "pending": "pending",
    "desk": "on the desk",
}
VERBS: dict[str, str] = {Action.DO: "", Action.UNDO: "undo ", Action.FENCE: "fence "}


class Entry(NamedTuple):
    """One thing that happened: a line of the table, and a mark where it is no answer."""

    at: datetime
    step: str
    action: str
    what: str
    text: str
    mark: str = ""  # empty for an answer: it ends a bar


class Mark(NamedTuple):
    """Something at one moment."""

    x: str
    kind: str
    title: str


class Bar(NamedTuple):
    """From when a request was asked until it was answered, or until now."""

    x: str
    width: str
    css: str  # outcome, or pending or desk


class Row(NamedTuple):
    """A request and what happened to it."""

    step: str
    action: str
    title: str
    status: str
    took: str
    said: str  # all of it in a sentence, for who cannot see the bar
    bar: Bar | None
    marks: Sequence[Mark]


class Line(NamedTuple):
    """Something ahead, through all rows."""

    x: str
    css: str
    meaning: str


class Timeline(NamedTuple):
    """All rows, on one axis."""

    rows: Sequence[Row]
    ticks: Sequence[tuple[str, str, str]]  # place, time since the start, where the text is anchored
    lines: Sequence[Line]
    to_scale: bool
    bars: Sequence[tuple[str, str]]  # the kinds that occur, and what they mean
    marks: Sequence[tuple[str, str]]  # the same


class Request(NamedTuple):
    """Something that was asked: what a row shows."""

    step: str
    action: str
    generation: int
    since: datetime
    until: datetime
    status: str
    open: bool


def entries_of(history: History, points: Iterable[Point] = ()) -> list[Entry]:
    """All that happened, oldest first."""
    answers = [
        Entry(each.answered_at, each.step, each.action, words(each.outcome), each.answer_type)
        for each in history.answers
    ]
    events = [
        Entry(each.at, each.step, each.action, words(each.kind), each.text, mark_of(each))
        for each in history.events
    ]
    moves = [
        Entry(each.at, each.step, "", f"{words(each.operation)} by {each.actor}",
              f"{each.why}: {each.outcome}", HAND)
        for each in history.moves
    ]  # fmt: skip
    others = [Entry(each.at, each.step, each.action, each.what, each.text, each.kind)
              for each in points]  # fmt: skip
    return sorted([*answers, *events, *moves, *others], key=lambda each: each.at)


def mark_of(event: SagaEvent) -> str:
    """The kind of mark for an event."""
    return OF_EVENTS.get(event.kind, TURN)


def timeline_of(history: History, entries: Sequence[Entry]) -> Timeline:
    """Bars and marks on one axis, from the start until the end or now."""
    requests = sorted(requests_of(history), key=lambda each: each.since)
    ahead = list(_ahead(history))
    axis = Axis.through(_moments(history, requests, entries, [at for at, *_ in ahead]))
    marked = [each for each in entries if each.mark]
    rows = list(_rows(requests, marked, axis))
    seen = {each.mark for each in marked} | {row.bar.css for row in rows if row.bar}
    return Timeline(
        rows=rows,
        ticks=axis.ticks(),
        lines=[Line(percent(axis.place(at)), *of_line) for at, *of_line in ahead],
        to_scale=axis.to_scale,
        bars=[(kind, text) for kind, text in BARS.items() if kind in seen],
        marks=[(kind, text) for kind, text in MARKS.items() if kind in seen],
    )


def requests_of(history: History) -> Iterator[Request]:
    """What was answered, what is pending, and what stands on the desk."""
    for each in history.answers:
        of = (each.step, each.action, each.generation, each.asked_at, each.answered_at)
        yield Request(*of, each.outcome, open=False)
    saga = history.saga
    if saga.pending_step and saga.pending_since:
        status = "on the desk" if history.stuck_forward else "pending"
        asked = (saga.pending_step, str(saga.pending_action), saga.pending_generation or 0)
        yield Request(*asked, saga.pending_since, history.now, status, open=True)
    for desk in history.desk.values():
        since = history.first_heard_of(desk.step, Action.UNDO) or saga.changed_at
        asked = (desk.step, Action.UNDO.value, desk.generation)
        yield Request(*asked, since, history.now, "on the desk", open=True)


def _ahead(history: History) -> Iterator[tuple[datetime, str, str]]:
    """What is to come, where it does not make the axis more than twice as long."""
    saga = history.saga
    if saga.ended_at:
        return
    latest = history.now + (history.now - saga.started_at)
    coming = (
        (None if saga.paused_until else saga.due_at, "sending", "next sending"),
        (saga.desk_due_at, "desk", "desk asked again"),
        (saga.paused_until, "pause", "pause ends"),
        (saga.deadline_at, "deadline", "deadline"),
    )
    for at, css, meaning in coming:
        if at and history.now < at <= latest:
            yield at, css, meaning


def _moments(
    history: History, requests: Sequence[Request], entries: Sequence[Entry], ahead: list[datetime]
) -> set[datetime]:
    saga = history.saga
    ends = {each for request in requests for each in (request.since, request.until)}
    end = {saga.ended_at} if saga.ended_at else {history.now}
    return {saga.started_at, *ends, *(each.at for each in entries), *end, *ahead}


# --- rows


def _rows(requests: Sequence[Request], marked: Sequence[Entry], axis: "Axis") -> Iterator[Row]:
    """A row per request; on top one for what belongs to none."""
    of_row: dict[int | None, list[Entry]] = {}
    for each in marked:
        of_row.setdefault(_row_of(each, requests), []).append(each)
    if whole := of_row.get(None):
        yield Row("", "", "the saga", "", "", _said("", whole), None, _marks(whole, axis))
    for number, request in enumerate(requests):
        yield _row(request, of_row.get(number, []), axis)


def _row_of(entry: Entry, requests: Sequence[Request]) -> int | None:
    """The last request of the entry's step, and of its action if it has one, asked by then; else
    the first one."""
    fits = [
        number
        for number, each in enumerate(requests)
        if each.step == entry.step and entry.action in ("", each.action)
    ]
    before = [number for number in fits if requests[number].since <= entry.at]
    return before[-1] if before else next(iter(fits), None)


def _row(request: Request, marked: Sequence[Entry], axis: "Axis") -> Row:
    again = f" (generation {request.generation})" if request.generation > 1 else ""
    title = f"{VERBS[request.action]}{words(request.step)}{again}"
    duration = took(request.until - request.since)
    lasted = f"{duration} so far" if request.open else duration
    started = took(request.since - axis.start)
    said = f"{title}: asked {started} after the start, {words(request.status)}, {lasted}"
    return Row(
        step=request.step,
        action=request.action,
        title=title,
        status=words(request.status),
        took=lasted,
        said=_said(said, marked),
        bar=_bar(request, axis),
        marks=_marks(marked, axis),
    )


def _said(sentence: str, marked: Sequence[Entry]) -> str:
    return "; ".join(filter(None, [sentence, *(each.what for each in marked)]))


def _marks(marked: Sequence[Entry], axis: "Axis") -> list[Mark]:
    return [
        Mark(percent(axis.place(each.at)), each.mark, f"{each.what}. {each.text}".rstrip(". "))
        for each in marked
    ]


def _bar(request: Request, axis: "Axis") -> Bar:
    left, right = axis.place(request.since), axis.place(request.until)
    width = max(right - left, NARROWEST)
    return Bar(percent(min(left, 100 - width)), percent(width), _css(request))


def _css(request: Request) -> str:
    if request.open:
        return "desk" if request.status == "on the desk" else "pending"
    refused = request.status in (Outcome.REFUSED, Outcome.FENCED)
    return "refused" if refused else {"undo": "undo", "fence": "fence"}.get(request.action, "do")


# --- the axis


class Axis:
    """Where moments lie between 0 and 100 per cent."""

    def __init__(
        self, moments: Sequence[datetime], places: Sequence[float], to_scale: bool
    ) -> None:
        self._moments = moments
        self._places = places
        self.to_scale = to_scale

    @classmethod
    def through(cls, moments: Iterable[datetime]) -> "Axis":
        """Through these moments, at least one."""
        found = sorted(set(moments))
        to_scale = found[-1] - found[0] <= LONGEST_TO_SCALE
        spans = [(after - before).total_seconds() for before, after in pairwise(found)]
        widths = spans if to_scale else [math.log1p(1000 * each) for each in spans]
        whole, place, places = sum(widths) or 1.0, 0.0, [0.0]
        for width in widths:
            place += width
            places.append(100 * place / whole)
        return cls(found, places, to_scale)

    @property
    def start(self) -> datetime:
        return self._moments[0]

    def place(self, at: datetime) -> float:
        """Of one of the moments that it was made of, or of one between them."""
        number = min(bisect_right(self._moments, at), len(self._moments) - 1)
        if number == 0:
            return 0.0
        before, after = self._moments[number - 1], self._moments[number]
        share = min((at - before) / (after - before), 1.0)
        left, right = self._places[number - 1], self._places[number]
        return left + share * (right - left)

    def at(self, place: float) -> datetime:
        """The moment at a place."""
        number = min(max(bisect_right(self._places, place), 1), len(self._places) - 1)
        if number == 0:
            return self.start
        left, right = self._places[number - 1], self._places[number]
        share = min((place - left) / (right - left), 1.0) if right > left else 0.0
        return self._moments[number - 1] + share * (
            self._moments[number] - self._moments[number - 1]
        )

    def ticks(self) -> list[tuple[str, str, str]]:
        """Places with the time since the start, and where the text is anchored there."""
        anchors = {0.0: "start", 100.0: "end"}
        return [
            (percent(each), f"+{took(self.at(each) - self.start)}", anchors.get(each, "middle"))
            for each in TICKS
        ]


def percent(place: float) -> str:
    """As an attribute of SVG."""
    return f"{place:.2f}%"
