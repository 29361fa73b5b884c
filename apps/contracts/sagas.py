"""What the saga engine tells."""

import enum

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
