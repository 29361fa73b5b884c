"""What of an order can still be returned, and if not why: for API, service and admin. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from apps.contracts.values import Line
from apps.orders.models import OrderStatus


class Returnable(NamedTuple):
    """What can be returned of an order."""

    left: Mapping[str, int]  # pieces by product; empty: nothing can be
    until: datetime | None = None  # it is announced, once the parcel was handed over
    code: str = ""  # why not, for programs
    why_not: str = ""  # and for people

    @property
    def possible(self) -> bool:
        return bool(self.left)

    def too_many(self, lines: Iterable[Line]) -> str:
        """What is announced beyond what is left, in words; empty: nothing."""
        beyond = [each for each in lines if each.quantity > self.left.get(each.product_id, 0)]
        return "; ".join(
            f"of product {each.product_id} {self.left.get(each.product_id, 0)} can be returned, not"
            f" {each.quantity}"
            for each in beyond
        )


CANCELLED = Returnable({}, None, "order_cancelled", "The order is cancelled; nothing was sent.")
NOT_HANDED_OVER = Returnable(
    {}, None, "not_handed_over", "The parcel has not left the house yet; cancel the order instead."
)
CLOSED, ALL_RETURNED, TOO_MANY = "return_window_closed", "all_returned", "more_than_left"
WHY_CLOSED = "The time in which goods can be returned is over."
WHY_ALL_RETURNED = "Everything is returned already, or announced as that."


def returnable_of(
    status: OrderStatus,
    left: Mapping[str, int],
    *,
    handed_over_at: datetime | None,
    now: datetime,
    within_days: int,
) -> Returnable:
    """What can be returned now, as far as orders knows. `left` are the pieces by product that are
    neither returned nor announced as that."""
    if status == OrderStatus.CANCELLED:
        return CANCELLED
    if status != OrderStatus.CONFIRMED or handed_over_at is None:
        return NOT_HANDED_OVER
    until = handed_over_at + timedelta(days=within_days)
    if now > until:
        return Returnable({}, until, CLOSED, WHY_CLOSED)
    some = {product: pieces for product, pieces in left.items() if pieces}
    return (
        Returnable(some, until) if some else Returnable({}, until, ALL_RETURNED, WHY_ALL_RETURNED)
    )
