"""What a definite outcome makes of a row, and who is told what. Pure: no storage.

An outside call answers the request that wanted it. A compensation and a Fence that came while it
was under way wait for its outcome.
"""

import enum
from typing import NamedTuple

from apps.contracts.base import Event, Refusal
from apps.contracts.catalogue import Action
from apps.contracts.steps import UndoRefused
from apps.messaging.barrier import Decision, Status
from apps.messaging.handling import CallOutside


class Who(enum.StrEnum):
    """Who waits for a call; a field of intents.Waiting."""

    REQUEST = "request"  # what the call answers
    UNDO = "undo"
    FENCE = "fence"


class What(enum.StrEnum):
    """What is told."""

    OUTCOME = "outcome"  # the event that the outcome means
    NOTHING_TO_UNDO = "nothing_to_undo"
    FENCED = "fenced"
    HAPPENED = "happened"  # to a Fence, with what the request was told
    NOT_UNDONE = "not_undone"  # to a person's word that it was: it has happened after all


class Recorded(NamedTuple):
    """The row as it shall be, and who is told what."""

    status: Status
    tells: tuple[tuple[Who, What], ...] = ()
    keeps: Who | None = None  # whose answer the row stores; None: no new one


def recorded(action: Action, event: Event, *, undo: bool, fence: bool) -> Recorded | None:
    """What an outcome leads to where a compensation and a Fence may wait for it.

    None: it succeeded, no success is told, and it is to be undone in the same transaction.
    """
    if action is Action.UNDO:
        return _undo_recorded(event)
    if isinstance(event, Refusal):
        return _refusal_recorded(undo=undo, fence=fence)
    if undo:
        return None
    told_fence = ((Who.FENCE, What.HAPPENED),) if fence else ()
    return Recorded(Status.DONE, ((Who.REQUEST, What.OUTCOME), *told_fence), Who.REQUEST)


def _undo_recorded(event: Event) -> Recorded:
    """It is undone; or refused, and stays open for a person."""
    told = ((Who.REQUEST, What.OUTCOME),)
    if isinstance(event, UndoRefused):
        return Recorded(Status.UNDOING, told)
    return Recorded(Status.UNDONE, told, Who.REQUEST)


def _refusal_recorded(*, undo: bool, fence: bool) -> Recorded:
    """Where a compensation or a Fence waits, nothing will run here any more."""
    told_fence = ((Who.FENCE, What.FENCED),) if fence else ()
    if undo:
        told = (*told_fence, (Who.UNDO, What.NOTHING_TO_UNDO))
        return Recorded(Status.TOMBSTONE, told, Who.UNDO)
    status = Status.TOMBSTONE if fence else Status.REFUSED
    return Recorded(status, (*told_fence, (Who.REQUEST, What.OUTCOME)), Who.REQUEST)


def undone_at_once(answer: Event | CallOutside | None) -> Recorded:
    """What the compensation that has waited leads to: its answer, or a call of its own. None: it
    was a person's word that the step was undone, given before the call had its outcome."""
    if answer is None:
        told = ((Who.UNDO, What.NOT_UNDONE), (Who.REQUEST, What.OUTCOME))
        return Recorded(Status.DONE, told, Who.REQUEST)
    if isinstance(answer, CallOutside):
        return Recorded(Status.UNDOING)
    return Recorded(Status.UNDONE, ((Who.UNDO, What.OUTCOME),), Who.UNDO)


class CallChange(enum.StrEnum):
    """What a decision of the barrier does to the open call that it met."""

    WITHDRAWN = "withdrawn"  # never made, or refused: not to be made any more
    SETTLED = "settled"  # a person has recorded its outcome
    REMEMBERS = "remembers"  # the request is answered when it has its outcome


CHANGES_CALL = {
    Decision.WITHDRAW: CallChange.WITHDRAWN,
    Decision.UNDO: CallChange.WITHDRAWN,  # another takes its place
    Decision.RECORD: CallChange.SETTLED,
    Decision.UNDO_LATER: CallChange.REMEMBERS,
    Decision.TELL_LATER: CallChange.REMEMBERS,
}
