"""What is asked of a participant: the key by which answers match."""

from dataclasses import dataclass
from uuid import UUID

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a participant. Answers match on saga, step, action and generation."""

    saga_id: UUID
    step: str
    action: Action
    generation: int
    mode: Mode
