"""Where each saga stands, on a compacted topic: for readers who have no access to the database.

A cache that can be made anew, and never the truth. The key is the saga's id, a value replaces every
one of a lower revision, in whatever order they come, and an empty value means that there is no such
saga any more.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

SAGA_STATE = "saga-state"


class SagaSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A saga at one revision. Nothing of it is personal."""

    version: ClassVar[int] = 1  # in the header of that name

    saga_id: UUID
    order_id: UUID
    process: str
    process_version: int
    mode: str
    status: str
    revision: int
    pending_step: str | None
    started_at: datetime
    changed_at: datetime
    ended_at: datetime | None
