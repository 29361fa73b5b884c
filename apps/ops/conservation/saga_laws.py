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


# What a cancellation after the end leaves as it was, and what it has moved on or come before.
KEPT = frozenset({"check_fraud", "capture_payment", "send_confirmation"})
MOVED_ON = frozenset({"confirm_order", "hand_over"})


def ends_one_way(saga: EndedSaga) -> Iterator[str]:
    """I1: confirmed with every step done but skipped ones, or undone with nothing left of any; of
    one that was taken back afterwards there is left that it was once paid and confirmed."""
    wanted = "confirmed" if saga.stands else "cancelled"
    if saga.order is None:
        yield f"its saga ended {_end(saga)}, but there is no order"
    elif saga.order.status != wanted:
        yield f"its saga ended {_end(saga)}, but the order is {saga.order.status}"
    for step in saga.steps:
        effect = saga.effects.get(step, NONE)
        left = effect.done - effect.undone
        whole = saga.stands or (saga.taken_back and step in KEPT)
        if left != (whole and step not in saga.skipped):
            yield f"its saga ended {_end(saga)}, but {step} stands {left} times"


def carries_out_its_wish(saga: EndedSaga) -> Iterator[str]:
    """I1: a saga that takes an order back has cancelled it and told so, or has left it alone. What
    became of each step's effect is said of the saga that placed the order."""
    wanted = ("cancelled", "cancelled") if saga.confirmed else ("refused", "confirmed")
    if saga.wish is None:
        yield f"its saga ended {_end(saga)}, but there is no wish to cancel"
    elif (saga.wish.status, saga.wish.order_status) != wanted:
        found = f"the wish is {saga.wish.status} and the order {saga.wish.order_status}"
        yield f"its saga ended {_end(saga)}, but {found}"
    told = saga.effects.get("send_cancellation", NONE).done
    if told != saga.confirmed:
        yield f"its saga ended {_end(saga)}, but the customer was told {_times(told)}"


def carries_out_its_return(saga: EndedSaga) -> Iterator[str]:
    """I1: a saga that takes goods back has completed the return and told so, or has refused it."""
    wanted = "completed" if saga.confirmed else "refused"
    if saga.returned is None:
        yield f"its saga ended {_end(saga)}, but there is no return"
    elif saga.returned.status != wanted:
        yield f"its saga ended {_end(saga)}, but the return is {saga.returned.status}"
    told = saga.effects.get("send_return_notice", NONE).done
    if told != saga.confirmed:
        yield f"its saga ended {_end(saga)}, but the customer was told {_times(told)}"


def return_is_paid_back(saga: EndedSaga) -> Iterator[str]:
    """I2: for accepted goods their price is paid back once, for a refused return nothing."""
    found = saga.returned
    if found and found.paid_back_cents != found.accepted_cents:
        yield f"{found.accepted_cents} cents are due back, {found.paid_back_cents} are paid back"
    if found and found.refunded_cents != found.paid_back_cents:
        yield f"{found.paid_back_cents} cents are paid back, the order says {found.refunded_cents}"


def return_is_restocked(saga: EndedSaga) -> Iterator[str]:
    """I3: what was accepted undamaged is on hand again, and nothing else."""
    found = saga.returned
    if found and found.restocked != (found.sellable if saga.confirmed else 0):
        yield f"{found.sellable} pieces came back undamaged, {found.restocked} were put back"


def money_is_due(saga: EndedSaga) -> Iterator[str]:
    """I2: a confirmed order has paid its total once, less what was paid back for goods that came
    back; of an undone one nothing is kept or held."""
    due = saga.order.total_cents - saga.returned_cents if saga.stands and saga.order else 0
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
    """I6: a DONE row has one effect, an UNDONE one an effect and its reversal, others none. What
    was taken back afterwards is reversed as well."""
    rows = saga.rows
    for step in {*rows, *saga.effects}:
        status = rows[step].status if step in rows else "absent"
        effect = saga.effects.get(step, NONE)
        if (effect.done, effect.undone) != _due_effect(saga, step, status):
            yield (
                f"the row of {step} is {status}, but it was done {_times(effect.done)} and undone "
                f"{_times(effect.undone)}"
            )


def _due_effect(saga: EndedSaga, step: str, status: str) -> tuple[int, int]:
    """How often a step must have been done and undone, by what its row says."""
    if status == Status.DONE and saga.taken_back and step not in KEPT:
        return (0, 0) if step in MOVED_ON else (1, 1)
    return {Status.DONE.value: (1, 0), Status.UNDONE.value: (1, 1)}.get(status, (0, 0))


def reactions_follow(saga: EndedSaga, reactions: frozenset[str]) -> Iterator[str]:
    """I6: what was confirmed is handed over and shipped, what was undone is not."""
    rows = saga.rows
    for step in sorted(reactions):
        status = rows[step].status if step in rows else "absent"
        if saga.stands and status != Status.DONE:
            yield f"it was confirmed, but {step} is {status}"
        elif not saga.stands and step in rows and not (saga.taken_back and step in MOVED_ON):
            yield f"it was {_end(saga)}, but {step} is {status}"


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
    if saga.taken_back:
        return "taken back"
    return "confirmed" if saga.confirmed else "undone"
