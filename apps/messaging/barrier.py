"""The barrier: every effect once, in any order. A pure function of (row, request).

One row per saga and step is the lock for the action and for its compensation. A compensation that
finds no row leaves a tombstone, so that an action which comes late finds its step closed
(the idea is that of dtm's sub-transaction barrier).
"""

import enum
from typing import NamedTuple

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.request import Request


class Status(enum.StrEnum):
    """What a row of the saga log says."""

    DOING = "doing"  # claimed; outside a transaction: an outside call is under way
    DONE = "done"  # the step had its effect
    REFUSED = "refused"  # a definite no; a higher generation may try again
    UNDOING = "undoing"  # the compensation's outside call is under way
    UNDONE = "undone"  # the effect was reversed; closed for good
    TOMBSTONE = "tombstone"  # there was no effect and never will be one; closed for good


class Row(NamedTuple):
    """What the barrier needs of a row of the saga log. None stands for no row."""

    status: Status
    generation: int


class Decision(enum.StrEnum):
    """What is done about a request."""

    RUN = "run"  # call the handler -> DONE or REFUSED, and answer
    UNDO = "undo"  # call the compensation's handler -> UNDONE, and answer
    BURY = "nothing_to_undo"  # -> TOMBSTONE, and answer that there was nothing to undo
    ANSWER_AGAIN = "answered_again"  # the stored outcome, in an answer to this request
    DUPLICATE = "duplicate"  # an event heard again: the outbox already guarantees the answer
    LATE = "late"  # the step is closed, or a later generation has begun: no answer


R, U, B, A, L = Decision.RUN, Decision.UNDO, Decision.BURY, Decision.ANSWER_AGAIN, Decision.LATE

TABLE: dict[tuple[Status | None, Action], Decision] = {
    # row is             action arrives               compensation arrives
    (None,               Action.DO): R,  (None,               Action.UNDO): B,
    (Status.DONE,        Action.DO): A,  (Status.DONE,        Action.UNDO): U,
    (Status.REFUSED,     Action.DO): A,  (Status.REFUSED,     Action.UNDO): B,
    (Status.UNDONE,      Action.DO): L,  (Status.UNDONE,      Action.UNDO): A,
    (Status.TOMBSTONE,   Action.DO): L,  (Status.TOMBSTONE,   Action.UNDO): A,
}  # fmt: skip


def decide(row: Row | None, request: Request) -> Decision:
    """The cell of the table for row and request. Raises KeyError for a cell that is not built."""
    status = row.status if row else None
    if row and request.action is Action.DO:
        if request.generation < row.generation:
            return Decision.LATE
        if status is Status.REFUSED and request.generation > row.generation:
            return Decision.RUN
    decision = TABLE[status, request.action]
    if decision is Decision.ANSWER_AGAIN and request.mode is Mode.CHOREOGRAPHED:
        return Decision.DUPLICATE
    return decision
