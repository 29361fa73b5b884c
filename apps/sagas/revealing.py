"""Looking at what a saga's messages say: written down, for they may hold personal data."""

from uuid import UUID

from apps.messaging.audit import Actor, write_down
from apps.messaging.context import context
from apps.messaging.models import SubjectKind

REVEAL = "reveal"


def note_reveal(
    *, saga_id: UUID, version: int, step: str, message: str, actor: Actor, reason: str
) -> None:
    """Write down that somebody reads a message's payload, before it is shown.

    `message` names its place in Kafka. Raises ReasonMissing.
    """
    database = context("sagas").database
    with database.transaction():
        write_down(
            database,
            actor=actor,
            operation=REVEAL,
            subject_kind=SubjectKind.SAGA,
            subject_id=saga_id,
            saga_id=saga_id,
            step=step,
            version=version,
            reason=reason,
            parameters={"message": message},
            outcome="its payload was shown",
        )
