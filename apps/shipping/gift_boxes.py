"""How gifts are boxed."""

GIFT_BOX_PIECES = 10  # a box holds
MOST_GIFT_BOXES = 3  # for one order
MOST_GIFT_PIECES = GIFT_BOX_PIECES * MOST_GIFT_BOXES


def boxes_for(pieces: int) -> int | None:
    """How many boxes a gift takes; None where it needs more than an order gets."""
    return -(-pieces // GIFT_BOX_PIECES) if pieces <= MOST_GIFT_PIECES else None
