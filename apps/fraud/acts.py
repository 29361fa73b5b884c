"""What people can do to a review in the admin, as data. Each act calls the one service."""

from functools import partial

from apps.fraud.models import Review, ReviewStatus
from apps.fraud.services import decide_review
from apps.messaging.admin.acting import Act, Foreseen, Given, Outcome, Part
from apps.messaging.display import money

GOES_ON = "The order goes on at once: next the payment is asked for."
TURNS_BACK = (
    "The order is undone at once: the goods are put back, nothing is charged. The customer is told"
    " that it could not be accepted, and not why."
)


def foresee(review: Review, choice: str, *, consequence: str) -> Foreseen:
    """What a decision would do now."""
    if review.status != ReviewStatus.OPEN:
        return Foreseen(review.version, why_not=closed(review))
    amount = f"{money(review.total_cents, review.currency)}, to {review.country}"
    parts = [
        Part("What speaks against it", [amount, *review.reasons]),
        Part("What happens", [consequence]),
    ]
    return Foreseen(review.version, parts=parts)


def closed(review: Review) -> str:
    """Why nothing is to be decided any more."""
    if review.status == ReviewStatus.WITHDRAWN:
        return "Nobody waits for a decision any more: the order went on, or was undone, without it."
    return f"{review.decided_by} has decided already: it is {review.status}."


def decide(review: Review, given: Given, *, clear: bool) -> Outcome:
    """Carry it out."""
    status = decide_review(
        review_id=review.pk,
        clear=clear,
        version=given.version,
        actor=given.actor,
        reason=given.reason,
    )
    return Outcome(f"The order is {status}. Its saga goes on within seconds.")


CLEAR = Act(
    name="clear",
    label="Clear",
    sentence="Lets the order go on.",
    icon="verified_user",
    permission="decide_review",
    steps_up=True,
    preview=partial(foresee, consequence=GOES_ON),
    carry_out=partial(decide, clear=True),
)
REFUSE = Act(
    name="refuse",
    label="Refuse",
    sentence="Does not take the order: it is undone.",
    icon="block",
    permission="decide_review",
    steps_up=True,
    preview=partial(foresee, consequence=TURNS_BACK),
    carry_out=partial(decide, clear=False),
    dangerous=True,
)
