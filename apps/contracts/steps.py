"""What is asked and told of any step, whichever context it belongs to.

These messages have no topic of their own: a command goes to the commands of the step's context, an
event to the events of the context that tells it.
"""

from datetime import datetime

import msgspec

from apps.contracts.base import Command, Compensation, Event, Undone


class Fence(Command, frozen=True, kw_only=True):
    """Tell a step's outcome, or see to it that the step never happens."""


class Fenced(Event, frozen=True, kw_only=True):
    """The step has no effect and never will have one."""


class Happened(Event, frozen=True, kw_only=True):
    """The step had its effect: this is the event that told of it."""

    type: str
    event_version: int
    event: msgspec.Raw


class StepWaits(Event, frozen=True, kw_only=True):
    """The answer takes longer, for a reason that is no fault; asking earlier changes nothing."""

    reason: str
    until: datetime  # when the step asks anew by itself; the answer comes after that


class UndoRefused(Event, frozen=True, kw_only=True):
    """The outside world refuses for good to undo the step; nothing was undone, a person decides."""

    reason: str


class RecordRefused(Event, frozen=True, kw_only=True):
    """A person's word that the step happened is not taken: it has no call outside that could have
    happened. Nothing was changed."""

    reason: str


class PersonNeeded(Event, frozen=True, kw_only=True):
    """A context has found something that a person should look at."""

    kind: str
    context: str
    reason: str


class UndoneByHand(Undone, frozen=True, kw_only=True):
    """A person undid the step outside and has evidence."""

    evidence: str = ""


class ResolveOutside(Compensation, frozen=True, kw_only=True):
    """The step was undone by hand, outside; this is the evidence."""

    answer = UndoneByHand
    evidence: str


class RecordHappened(Command, frozen=True, kw_only=True):
    """The step's outside call did take effect; this is the evidence."""

    evidence: str


OF_ANY_STEP = frozenset({
    Fence, Fenced, Happened, StepWaits, UndoRefused, RecordRefused, PersonNeeded, UndoneByHand,
    ResolveOutside, RecordHappened,
})  # fmt: skip
