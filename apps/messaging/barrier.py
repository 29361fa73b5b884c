"""The barrier: every effect once, in any order. A pure function of (row, request).

One row per saga and step is the lock for the action and for its compensation. A compensation that
finds no row leaves a tombstone, so that an action which comes late finds its step closed
(the idea is that of dtm's sub-transaction barrier). A Fence asks for the outcome and closes a step
that has none.
"""

import enum
from typing import NamedTuple

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode
from apps.messaging.request import Request


class Status(enum.StrEnum):
    """What a row of the saga log says."""

    DOING = "doing"  # claimed; outside a transaction: an outside call is to be made or under way
    DONE = "done"  # the step had its effect
    REFUSED = "refused"  # a definite no; a higher generation may try again
    UNDOING = "undoing"  # the compensation's outside call is to be made or under way
    UNDONE = "undone"  # the effect was reversed; closed for good
    TOMBSTONE = "tombstone"  # there was no effect and never will be one; closed for good


class Intent(NamedTuple):
    """What the barrier needs of the outside call that a DOING or UNDOING row stands for."""

    generation: int  # of the request that it answers
    tried: bool = False  # claimed once: the call may have reached the outside world
    refused: bool = False  # the outside world gave a definite no (to an undo; see UndoRefused)
    undo_requested: bool = False  # a compensation waits for its outcome


class Row(NamedTuple):
    """What the barrier needs of a row of the saga log. None stands for no row."""

    status: Status
    generation: int
    intent: Intent | None = None  # only of a row that is DOING or UNDOING


class Decision(enum.StrEnum):
    """What is done about a request."""

    RUN = "run"  # call the handler -> DONE or REFUSED, and answer; or DOING, with an intent
    UNDO = "undo"  # call the compensation's handler -> UNDONE, and answer; or UNDOING
    BURY = "nothing_to_undo"  # -> TOMBSTONE, and answer that nothing happened nor will
    WITHDRAW = "withdrawn"  # the intent was never claimed -> TOMBSTONE, and answer as BURY does
    UNDO_LATER = "undo_requested"  # a call may be under way: undone when its outcome is definite
    TELL_LATER = "fence_requested"  # the same, for a Fence: answered when the outcome is definite
    NOTHING_OUTSIDE = "nothing_outside"  # undone by hand, but nothing of it is outside: refused
    NOT_RECORDED = "not_recorded"  # found by hand, but no call of it is open: refused
    RECORD = "recorded"  # a person found that the outside call happened: as if it had answered
    WAKE = "woken"  # the outside call answers this too; it may be due
    ANSWER_AGAIN = "answered_again"  # the stored outcome, in an answer to this request
    DUPLICATE = "duplicate"  # an event heard again: the outbox already guarantees the answer
    LATE = "late"  # the step is closed, or a later generation has begun: no answer


class Cells(NamedTuple):
    """What is decided about each request that arrives; None: the open outside call decides."""

    do: Decision | None
    undo: Decision | None
    fence: Decision | None


R, U, B, A, L = Decision.RUN, Decision.UNDO, Decision.BURY, Decision.ANSWER_AGAIN, Decision.LATE
W, ASK = Decision.WAKE, None

TABLE: dict[Status | None, Cells] = {
    # row is           action, compensation, Fence arrives
    None:             Cells(R, B,   B),
    Status.DOING:     Cells(W, ASK, ASK),
    Status.DONE:      Cells(A, U,   A),
    Status.REFUSED:   Cells(A, B,   B),
    Status.UNDOING:   Cells(L, ASK, W),
    Status.UNDONE:    Cells(L, A,   A),
    Status.TOMBSTONE: Cells(L, A,   A),
}  # fmt: skip


def decide(row: Row | None, request: Request) -> Decision:
    """The cell of the table for row and request."""
    status = row.status if row else None
    if row and request.action is Action.DO:
        if request.generation < row.generation:
            return Decision.LATE
        if status is Status.REFUSED and request.generation > row.generation:
            return Decision.RUN
    decision: Decision | None = getattr(TABLE[status], request.action)
    if decision is None:
        assert row  # only rows have open work
        decision = of_open_work(row, request)
    if decision is Decision.ANSWER_AGAIN and request.mode is Mode.CHOREOGRAPHED:
        return Decision.DUPLICATE
    return decision


def of_open_work(row: Row, request: Request) -> Decision:
    """A compensation or Fence meets an outside call: one that was never made is withdrawn, one
    that may be under way must come to a definite outcome first."""
    intent = row.intent
    assert intent  # a row that is DOING or UNDOING has one
    if row.status is Status.UNDOING:
        return undo_anew(intent, request)
    if not intent.tried:
        return Decision.WITHDRAW
    if request.action is Action.FENCE:
        return Decision.TELL_LATER
    return Decision.WAKE if intent.undo_requested else Decision.UNDO_LATER


def undo_anew(intent: Intent, request: Request) -> Decision:
    """A compensation of a higher generation replaces an undo that was refused or never tried; one
    whose call may be under way is waited for, so that nothing is given back twice. That it was
    refused is told again to who asks again."""
    if request.generation < intent.generation:
        return Decision.LATE
    if request.generation == intent.generation:
        return Decision.ANSWER_AGAIN if intent.refused else Decision.WAKE
    return Decision.UNDO if intent.refused or not intent.tried else Decision.WAKE


def decide_by_hand(row: Row | None, *, leased: bool) -> Decision:
    """What is done about a person's finding that a step's outside call happened. What happens
    in our own database, the row knows best; of a call in hand, its worker tells."""
    status = row.status if row else None
    if status is Status.DOING and not leased:
        return Decision.RECORD
    return Decision.ANSWER_AGAIN if status is Status.DONE else Decision.NOT_RECORDED


def why_not_recorded(row: Row | None) -> str:
    """Why a person's finding is refused, for people, and what can be done instead."""
    return WHY_NOT_RECORDED[row.status if row else None]


NO_CALL = "No call outside was made for it: retry it, or replay its parked message"
CLOSED = "It is closed here, and never happens any more"
WHY_NOT_RECORDED: dict[Status | None, str] = {
    None: NO_CALL,
    Status.DOING: "Its call outside is under way: wait for the answer, or record it a little later",
    Status.REFUSED: "It was refused: retry it to hear so again",
    Status.UNDOING: "It is being undone",
    Status.UNDONE: CLOSED,
    Status.TOMBSTONE: CLOSED,
}


def decide_resolved(row: Row | None, request: Request) -> Decision:
    """What is done about a person's word that a step was undone outside, and about a Fence: what
    is here, only its own compensation undoes."""
    decision = decide(row, request)
    nothing_outside = decision is Decision.UNDO and (row is None or row.intent is None)
    return Decision.NOTHING_OUTSIDE if nothing_outside else decision
