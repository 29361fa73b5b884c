"""What a saga's page shows of all contexts.

Everything is read through the contexts' selectors, and nothing is changed. Who may look at sagas
sees what belongs to one, wherever it lies; links lead where the reader's own permissions do.
"""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.messaging.admin.pages import Section
from apps.messaging.barrier import Decision
from apps.messaging.display import counted, label, link, moment, money, words
from apps.ops.holdings import HEADERS, holdings_of
from apps.ops.traces import ACT, CALL, LETTER, LOG, NOTE, Trace, traces_of
from apps.orders import selectors as orders
from apps.processes import CANCEL_ORDER, RETURN_ORDER
from apps.sagas.admin.history import Point
from apps.sagas.admin.page import Addition
from apps.sagas.admin.timeline import BARRIER, HAND
from apps.sagas.models import Saga

ORDER = ("Order", "Status", "Total", "Customer", "Placed", "Ended")
LETTERS = ("Context", "Step", "Action", "Message", "Status", "Error", "Parked", "Settled")
SAGA_LOGS = ("Context", "Step", "Status", "Generation", "Answer", "Started", "Changed")
CALLS = ("Context", "Step", "Action", "Call", "Status", "Made", "Told last", "Wanted", "Settled")
NOTES = ("Context", "Step", "Action", "Generation", "Decision", "At")

# What an unusual decision of a barrier means.
MEANINGS = {
    Decision.BURY: "There was nothing to undo. The step is closed: asked later, it does nothing",
    Decision.WITHDRAW: "The call outside was not made yet, and never will be",
    Decision.UNDO_LATER: "A call outside may be under way: undone when its outcome is known",
    Decision.TELL_LATER: "A call outside may be under way: answered when its outcome is known",
    Decision.NOTHING_OUTSIDE: "Nothing of this step is outside, so nobody can undo it there",
    Decision.NOT_RECORDED: "A person recorded that it happened, but no call outside is open",
    Decision.RECORD: "A person found that the call outside happened",
    Decision.WAKE: "Asked again while the call outside is open",
    Decision.ANSWER_AGAIN: "Asked again: the same answer was given, and nothing done twice",
    Decision.DUPLICATE: "Heard again: nothing was done twice",
    Decision.LATE: "It came too late, the step is closed: nothing was done",
    "unmatched": "An answer that the saga did not wait for: it changed nothing",
}


def addition_to(saga: Saga) -> Addition:
    """What all services know of a saga: fourteen statements."""
    traces = list(traces_of(saga.saga_id))
    return Addition([*_sections_of(saga, traces)], [*_points_of(traces)], [*_warnings_of(traces)])


def _warnings_of(traces: Sequence[Trace]) -> Iterator[SafeString]:
    """What is parked of a saga, or called outside in vain: it may wait for that alone."""
    for each in _of(traces, LETTER):
        if each.is_parked:
            letter = link(f"{each.context}_deadletter", each.id, each.type or "unreadable")
            told = "A message is parked in {}, because it could not be handled: {} of {}."
            yield format_html(told, each.context, letter, words(each.step) or "no step")
    for each in _of(traces, CALL):
        if each.in_vain:
            call = link(f"{each.context}_intent", each.id, words(each.type))
            told = "A call of {} has had no good answer yet: {}, made {}. {}"
            yield format_html(
                told, each.context, call, counted(each.generation, "time"), each.error
            )


def _sections_of(saga: Saga, traces: Sequence[Trace]) -> Iterator[Section]:
    """Order, holdings, calls outside, parked messages, barrier notes and saga logs."""
    yield Section("Order", ORDER, list(_order(saga)))
    held = [each.row for each in holdings_of(_whose_holdings(saga))]
    yield Section("Held by the services", HEADERS, held)
    yield Section("Calls outside", CALLS, list(map(_call, _of(traces, CALL))))
    yield Section("Parked messages", LETTERS, list(map(_letter, _of(traces, LETTER))))
    yield Section("Unusual decisions of the barrier", NOTES, list(map(_note, _of(traces, NOTE))))
    yield Section("Saga logs", SAGA_LOGS, list(map(_log, _of(traces, LOG))))


def _whose_holdings(saga: Saga) -> UUID:
    """The saga itself; of one that takes an order back, or goods of it, the one that placed it."""
    takes_back = saga.process in (CANCEL_ORDER.name, RETURN_ORDER.name)
    return orders.placed_by(saga.saga_id) if takes_back else saga.saga_id


def _points_of(traces: Sequence[Trace]) -> Iterator[Point]:
    """What the timeline marks: the barrier's unusual decisions, and what people did in other
    contexts than the engine's own."""
    for each in _of(traces, NOTE):
        what = f"{words(each.status)} in {each.context}"
        meaning = MEANINGS.get(each.status, "")
        yield Point(each.since, BARRIER, each.step, each.action, what, meaning)
    for each in _of(traces, ACT):
        if each.context != "sagas":
            what = f"{words(each.status)} in {each.context} by {each.type}"
            yield Point(each.since, HAND, each.step, "", what, each.error)


def _of(traces: Iterable[Trace], table: str) -> list[Trace]:
    return sorted((each for each in traces if each.table == table), key=lambda each: each.since)


def _order(saga: Saga) -> Iterator[Sequence[object]]:
    if found := orders.summary_of_saga(saga.saga_id):
        yield (
            link("orders_order", found.id, found.number),
            label(found.status),
            money(found.total_cents, found.currency),
            found.customer_id,
            moment(found.placed_at),
            moment(found.ended_at),
        )


def _log(trace: Trace) -> Sequence[object]:
    return (
        trace.context, words(trace.step), label(trace.status), trace.generation,
        trace.type, moment(trace.since), moment(trace.until),
    )  # fmt: skip


def _call(trace: Trace) -> Sequence[object]:
    return (
        trace.context, words(trace.step), trace.action,
        link(f"{trace.context}_intent", trace.id, words(trace.type)), label(trace.status),
        counted(trace.generation, "time"), trace.error, moment(trace.since), moment(trace.until),
    )  # fmt: skip


def _letter(trace: Trace) -> Sequence[object]:
    return (
        trace.context, words(trace.step), trace.action,
        link(f"{trace.context}_deadletter", trace.id, trace.type or "unreadable"),
        label(trace.status), trace.error, moment(trace.since), moment(trace.until),
    )  # fmt: skip


def _note(trace: Trace) -> Sequence[object]:
    return (
        trace.context, words(trace.step), trace.action, trace.generation,
        label(trace.status), moment(trace.since),
    )  # fmt: skip
