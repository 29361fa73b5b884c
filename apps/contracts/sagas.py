"""What the saga engine tells."""

import enum
from uuid import UUID

from apps.contracts.base import Event


class Outcome(enum.StrEnum):
    """How a saga ended."""

    CONFIRMED = "confirmed"
    UNDONE = "undone"


class SagaEnded(Event, frozen=True, kw_only=True):
    """Nothing more will happen in this saga."""

    process: str
    outcome: Outcome
    refused_step: str | None = None  # whose refusal turned it back


class CaseOpened(Event, frozen=True, kw_only=True):
    """A person should look at something."""

    case_id: UUID
    kind: str
    context: str  # that told of it
    step: str
    reason: str


class CompensationHeld(Event, frozen=True, kw_only=True):
    """So many sagas are late at once that none is turned back by time until it is fewer."""

    live: int
    late: int


class CompensationFree(Event, frozen=True, kw_only=True):
    """Few enough sagas are late again; time turns them back as usual."""

    live: int
    late: int


class CancelAccepted(Event, frozen=True, kw_only=True):
    """The customer's wish is granted: the saga turns back, or did so already."""


class CancelTooLate(Event, frozen=True, kw_only=True):
    """The customer's wish came after the point of no return: the saga goes forward."""

    step: str  # the pivot, which has happened
