"""The laws that each ended saga obeys: pure functions that tell what is wrong, in words."""

from collections import Counter
from collections.abc import Iterator

from apps.messaging.models import Status
from apps.ops.conservation.facts import NONE, EndedSaga
from apps.sagas.state import Outcome

# What the row of a step may say, by the last outcome that the saga heard.
ROWS_AFTER = {
    Outcome.DONE: {Status.DONE},
    Outcome.REFUSED: {Status.REFUSED, Status.TOMBSTONE},
    Outcome.UNDONE: {Status.UNDONE, Status.TOMBSTONE},
    Outcome.NOTHING_TO_UNDO: {Status.UNDONE, Status.TOMBSTONE},
    Outcome.HAPPENED: {Status.DONE},
    Outcome.FENCED: {Status.TOMBSTONE},
}


def ends_one_way(saga: EndedSaga) -> Iterator[str]:
    """I1: confirmed with every step done but skipped ones, or undone with nothing left of any."""
    wanted = "confirmed" if saga.confirmed else "cancelled"
    if saga.order is None:
        yield f"its saga ended {_end(saga)}, but there is no order"
    elif saga.order.status != wanted:
        yield f"its saga ended {_end(saga)}, but the order is {saga.order.status}"
    for step in saga.steps:
        effect = saga.effects.get(step, NONE)
        left = effect.done - effect.undone
        if left != (saga.confirmed and step not in saga.skipped):
            yield f"its saga ended {_end(saga)}, but {step} stands {left} times"


def money_is_due(saga: EndedSaga) -> Iterator[str]:
    """I2: a confirmed order has paid its total once; of an undone one nothing is kept or held."""
    due = saga.order.total_cents if saga.confirmed and saga.order else 0
    payment = saga.payment
    taken = payment.captured - payment.refunded if payment else 0
    if taken != due:
        yield f"{due} cents are due, {taken} are taken"
    if payment and payment.held:
        yield f"{payment.held} cents are still held"
    if saga.effects.get("capture_payment", NONE).done > 1:
        yield "its payment was captured more than once"


def log_is_in_plan(saga: EndedSaga, reactions: frozenset[str]) -> Iterator[str]:
    """I6: no row of the log lies outside plan and reactions, and no step has two."""
    rows = Counter(row.step for row in saga.log)
    for row in saga.log:
        if row.step not in saga.steps and row.step not in reactions:
            yield f"{row.context} has a row of {row.step}, which is not in the plan"
    yield from (f"{step} has {count} rows" for step, count in rows.items() if count > 1)


def log_equals_history(saga: EndedSaga) -> Iterator[str]:
    """I6: the last outcome that the saga heard of a step is what the step's row says."""
    rows, answers = saga.rows, saga.last_answers
    for step in saga.steps:
        answer, row = answers.get(step), rows.get(step)
        if answer is None and row is not None:
            yield f"{step} was never asked, but its row is {row.status}"
        elif answer is not None and (row is None or row.status not in ROWS_AFTER[answer]):
            yield f"{step} was last told {answer}, but its row is {row.status if row else 'absent'}"


def effects_happened_once(saga: EndedSaga) -> Iterator[str]:
    """I6: a DONE row has one effect, an UNDONE one an effect and its reversal, others none."""
    wanted = {Status.DONE: (1, 0), Status.UNDONE: (1, 1)}
    rows = saga.rows
    for step in {*rows, *saga.effects}:
        status = rows[step].status if step in rows else "absent"
        effect = saga.effects.get(step, NONE)
        done, undone = wanted.get(Status(status), (0, 0)) if step in rows else (0, 0)
        if (effect.done, effect.undone) != (done, undone):
            yield (
                f"the row of {step} is {status}, but it was done {_times(effect.done)} and undone "
                f"{_times(effect.undone)}"
            )


def reactions_follow(saga: EndedSaga, reactions: frozenset[str]) -> Iterator[str]:
    """I6: what was confirmed is handed over and shipped, what was undone is not."""
    rows = saga.rows
    for step in sorted(reactions):
        status = rows[step].status if step in rows else "absent"
        if saga.confirmed and status != Status.DONE:
            yield f"it was confirmed, but {step} is {status}"
        elif not saga.confirmed and step in rows:
            yield f"it was undone, but {step} is {status}"


def compensations_run_in_reverse(saga: EndedSaga) -> Iterator[str]:
    """I8: undone steps were undone in the reverse order of the plan, each once; past one that
    stands on the desk the others go on, and one that is skipped is undone by itself."""
    undone = saga.undone_in_order
    excused = saga.skipped | saga.on_desk
    known = [step for step in undone if step in saga.steps and step not in excused]
    if known != sorted(known, key=saga.steps.index, reverse=True):
        yield f"its steps were undone in the order {', '.join(undone)}"
    yield from (f"{step} was undone {n} times" for step, n in Counter(undone).items() if n > 1)


def _times(count: int) -> str:
    return "in part" if count < 0 else f"{count} times"


def _end(saga: EndedSaga) -> str:
    return "confirmed" if saga.confirmed else "undone"
