"""One step of a saga, as data."""

import enum
from dataclasses import KW_ONLY, dataclass

from apps.contracts.base import Command, Compensation, Event, Refusal
from apps.processes.patience import OnRefusal, Patience


class Kind(enum.StrEnum):
    """What may be done about a step's effect."""

    COMPENSATABLE = "compensatable"  # it can be undone, by a compensation of its own
    PIVOT = "pivot"  # the decision: once it has happened the saga only goes forward
    RETRIABLE = "retriable"  # behind the pivot: it is never refused, only tried again


PATIENT = Patience()


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What is asked, what may be answered, and how it is undone.

    The first step of a process has no command: whoever starts the saga has done it, and its
    success is the event that starts it. Two steps may have the same command: answers match on the
    step's name, and a handler is told it.
    """

    name: str
    kind: Kind
    command: type[Command] | None = None
    _: KW_ONLY
    success: type[Event]
    refusal: type[Refusal] | None = None
    compensation: type[Compensation] | None = None
    gives: tuple[str, ...] = ()  # fields of the success that later commands take as inputs
    wish: str = ""  # only in the plan where this is wished; empty: always
    patience: Patience = PATIENT
    on_refusal: OnRefusal = OnRefusal.TURN_BACK
    decide_within: float = 0.0  # seconds that a refusal waits for a decision
    outside: bool = False  # it may call outside, so that a person can know what became of it
    skippable: bool = False  # an operator may let the saga go on without it
    substitutes: tuple[type[Compensation], ...] = ()  # other ways to undo it, chosen by an operator
    told: str = ""  # what the customer reads of its success, for previews; {money} is filled in
    told_undone: str = ""  # and of its undoing

    @property
    def inputs(self) -> frozenset[str]:
        """The fields of its command."""
        return frozenset(self.command.__struct_fields__ if self.command else ())
