"""What can still be cancelled, how, and if not why: the same for API, service and admin. Pure."""

import enum
from typing import NamedTuple

from apps.orders.models import CancellationStatus, OrderStatus


class How(enum.StrEnum):
    """In which way an order would be cancelled."""

    AT_ONCE = "at_once"  # its saga turns back
    # It is confirmed, or paid and will be: the parcel is recalled, what was paid given back.
    BY_RETURN = "by_return"


class Prospect(NamedTuple):
    """Whether an order can be cancelled."""

    how: How | None  # None: it cannot
    code: str = ""  # why not, for programs
    why_not: str = ""  # and for people

    @property
    def possible(self) -> bool:
        return self.how is not None


CANCELLED = Prospect(None, "already_cancelled", "The order is cancelled already.")
UNDER_WAY = Prospect(None, "cancellation_under_way", "The order is being cancelled already.")
SHIPPED = Prospect(
    None, "already_shipped", "The parcel has left the house; send it back when it arrives."
)
REFUSED = Prospect(
    None, "cancellation_refused", "It was tried and could not be done. Please write to us."
)


def prospect_of(
    status: OrderStatus, wish: CancellationStatus | None, *, is_paid: bool, has_left: bool
) -> Prospect:
    """What would come of a wish to cancel now, as far as orders knows.

    `wish` is the one that there is. `is_paid` is whether the payment is known to be captured, which
    no saga turns back; `has_left` whether the carrier is known to have the parcel. Either may be so
    and orders not know: then the engine, or shipping, says so to the wish.
    """
    if status == OrderStatus.CANCELLED:
        return CANCELLED
    if has_left:
        return SHIPPED
    if wish is not None:
        return REFUSED if wish == CancellationStatus.REFUSED else UNDER_WAY
    turns_back = status == OrderStatus.PLACED and not is_paid
    return Prospect(How.AT_ONCE if turns_back else How.BY_RETURN)
