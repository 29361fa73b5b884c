"""What is asked of a participant: the key by which answers match."""

from uuid import UUID

import msgspec

from apps.contracts.catalogue import Action
from apps.contracts.plan import Mode


class Request(msgspec.Struct, frozen=True):
    """What is asked of a participant. Answers match on saga, step, action and generation."""

    saga_id: UUID
    step: str
    action: Action
    generation: int
    mode: Mode
