"""A customer's wish to cancel an order, in plain words."""

from collections.abc import Iterator
from typing import Any

from apps.ops.story import Sentence, Speech, answered, beside
from apps.sagas.admin.history import History
from apps.sagas.models import Saga

# Where a wish stands.
STANDS = {
    "requested": "Its customer wishes to cancel it; whether that still can be is being asked.",
    "accepted": "Its customer wishes to cancel it, and it turns back.",
    "waiting": "Its customer wishes to cancel it; it is paid already, so it is confirmed first and"
    " taken back then.",
    "returning": "Its customer wishes to cancel it, and it is being taken back.",
    "cancelled": "Its customer wished to cancel it, and has that.",
    "refused": "Its customer wished to cancel it, which was not to be had any more.",
}


def verdict_of(wish: Any) -> str:
    """What an order's verdict has to say of the wish to cancel it; nothing where there is none."""
    if wish is None:
        return ""
    if wish.status == "cancelled" and wish.saga_id:
        return "It was confirmed, and then taken back, for its customer wished to cancel it."
    return STANDS[wish.status]


def lines_of(wish: Any) -> Iterator[str]:
    """The wish and its outcome, sentence by sentence."""
    if wish is None:
        yield "The customer did not wish to cancel."
        return
    yield STANDS[wish.status]
    if wish.reason:
        yield f"In the customer's words: “{wish.reason}”"
    if wish.why_not:
        yield f"Why not: {wish.why_not}."


def taking_back_of(wish: Any) -> History | None:
    """The history of the saga that takes the order back; None where there is none."""
    saga = Saga.objects.filter(saga_id=wish.saga_id).first() if wish and wish.saga_id else None
    return History.read(saga) if saga else None


def happened_of(wish: Any, taking_back: History | None, speech: Speech) -> Iterator[Sentence]:
    """What the wish led to."""
    if wish is not None and taking_back is None:
        yield Sentence(wish.requested_at, "The customer wished to cancel the order.", "beside")
    if taking_back is not None:
        yield from (answered(line, speech) for line in taking_back.answers)
        yield from (beside(event) for event in taking_back.events)
