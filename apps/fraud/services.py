"""What a person does: decide on an order that the rules could not."""

from functools import partial
from uuid import UUID

from django.db import transaction

from apps.fraud.errors import DeskBusy, NoSuchReview, ReviewClosed, ReviewMoved
from apps.fraud.models import ReviewStatus
from apps.messaging.audit import Actor, write_down
from apps.messaging.database import Database
from apps.messaging.intents import IntentTable
from apps.messaging.models import SubjectKind
from apps.messaging.waking import wake

STEP = "check_fraud"

# The question that waits for a decision, locked so that no worker claims it meanwhile; and whether
# one has it in hand at this moment.
LOCK_QUESTION = """
SELECT intent.id, coalesce(intent.leased_until > now(), false)
FROM fraud_intent AS intent JOIN fraud_review AS review USING (saga_id)
WHERE review.id = %b AND intent.status IN ('due', 'claimed', 'unknown', 'waiting')
ORDER BY intent.id FOR UPDATE OF intent
"""

LOCK_REVIEW = """
SELECT status, version, saga_id, order_id FROM fraud_review WHERE id = %b FOR UPDATE
"""

# open -> cleared or refused. The caller holds the row's lock.
DECIDE = """
UPDATE fraud_review
SET status = %b, decided_by = %b, closed_at = now(), version = version + 1
WHERE id = %b AND status = 'open'
"""


def decide_review(
    *, review_id: UUID, clear: bool, version: int, actor: Actor, reason: str
) -> ReviewStatus:
    """Clear an order, or refuse it; the saga that waits goes on at once. How it is decided now.

    Written down in the same transaction. Raises NoSuchReview, ReviewClosed, ReviewMoved, DeskBusy
    and ReasonMissing, and changes nothing then.
    """
    database = Database("fraud")
    status = ReviewStatus.CLEARED if clear else ReviewStatus.REFUSED
    with database.transaction():
        questions = database.fetch(LOCK_QUESTION, [review_id])
        saga_id, order_id = _take(database, review_id, version)
        if any(in_hand for _, in_hand in questions):
            raise DeskBusy(review=review_id)  # it would be put off again, with the decision unseen
        database.execute(DECIDE, (status.value, actor.name, review_id))
        IntentTable(database).hasten(id for id, _ in questions)
        write_down(
            database,
            actor=actor,
            operation="clear" if clear else "refuse",
            subject_kind=SubjectKind.ORDER,
            subject_id=order_id,
            saga_id=saga_id,
            step=STEP,
            version=version,
            reason=reason,
            parameters={"review": str(review_id)},
            outcome=f"open -> {status}",
        )
        transaction.on_commit(partial(wake, "fraud"), using="fraud")
    return status


def _take(database: Database, review_id: UUID, version: int) -> tuple[UUID, UUID]:
    """Lock an open review as it was seen; its saga and order."""
    rows = database.fetch(LOCK_REVIEW, [review_id])
    if not rows:
        raise NoSuchReview(review=review_id)
    [(status, now, saga_id, order_id)] = rows
    if status != ReviewStatus.OPEN:
        raise ReviewClosed(status=status)
    if now != version:
        raise ReviewMoved(seen=version, now=now)
    return saga_id, order_id
