"""What a saga's page shows of all contexts.

Everything is read through the contexts' selectors, and nothing is changed. Who may look at sagas
sees what belongs to one, wherever it lies; links lead where the reader's own permissions do.
"""

from collections.abc import Iterable, Iterator, Sequence

from apps.messaging.display import label, link, moment, money, words
from apps.ops.holdings import HEADERS, holdings_of
from apps.ops.traces import LETTER, LOG, NOTE, Trace, traces_of
from apps.orders import selectors as orders
from apps.sagas.admin.page import Section
from apps.sagas.models import Saga

ORDER = ("Order", "Status", "Total", "Customer", "Placed", "Ended")
LETTERS = ("Context", "Step", "Action", "Message", "Status", "Error", "Parked", "Settled")
SAGA_LOGS = ("Context", "Step", "Status", "Generation", "Answer", "Started", "Changed")
NOTES = ("Context", "Step", "Action", "Generation", "Decision", "At")


def sections_of(saga: Saga) -> Iterator[Section]:
    """Order, holdings, parked messages, barrier notes and saga logs: fourteen statements."""
    traces = list(traces_of(saga.saga_id))
    yield Section("Order", ORDER, list(_order(saga)))
    yield Section("Held by the services", HEADERS, [x.row for x in holdings_of(saga.saga_id)])
    yield Section("Parked messages", LETTERS, list(map(_letter, _of(traces, LETTER))))
    yield Section("Unusual decisions of the barrier", NOTES, list(map(_note, _of(traces, NOTE))))
    yield Section("Saga logs", SAGA_LOGS, list(map(_log, _of(traces, LOG))))


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
